"""How far a window is from everything that was learnt: what no class accounts for.

Probabilities of classes say which known class is the best one, not whether any is: far
from all rows a classifier may be very sure.  So a second number stands beside them, the
squared distance to the nearest mode (see `estimators`) in the space that tells modes
apart best: linear discriminants of the standardised features, with the covariance
within modes shrunk towards a sphere.  The space travels in the model file.

What is made of it: `unknown`.

References
----------
Lee et al. (2018), A simple unified framework for detecting out-of-distribution samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app import features
from app.domain import FloatArray
from app.learning.dataset import Dataset
from app.learning.estimators import find_modes
from app.learning.space import Space

CLIP = 3.0
"""Standardised features end here: one wild reading is no new class."""
SHRINKAGE = 0.5
DIMENSIONS = 32
"""Discriminants that are kept: those that tell modes apart best."""
MOST_FEATURES = 512
"""Of more, only those are used that differ most between modes."""

Numbers = NDArray[np.int64]


def find_space(rows: Dataset) -> Space | None:
    """Fit the space to labelled rows; None where there are too few to tell modes apart.

    A function of the rows alone: the same rows give the same bits.
    """
    modes = find_modes(rows, by_device=True)
    table = rows.table(features.PLAIN).astype(np.float64)
    of_row = modes.numbers(rows)
    count = np.bincount(of_row, minlength=len(modes.names)).astype(np.int64)
    if len(rows) - len(count) < 2 or len(count) < 2:
        return None
    mean, scale = table.mean(axis=0), table.std(axis=0)
    moves = scale > 1e-9 * np.maximum(np.abs(mean), 1e-9)
    if not moves.any():
        return None
    places = np.clip((table[:, moves] - mean[moves]) / scale[moves], -CLIP, CLIP)
    chosen = np.flatnonzero(moves)
    if len(chosen) > MOST_FEATURES:
        told = _told_apart(places, of_row, count)
        kept = np.sort(np.argsort(-told, kind="stable")[:MOST_FEATURES])
        chosen, places = chosen[kept], places[:, kept]
    centres = _means(places, of_row, count)
    within = places - centres[of_row]
    spread = within.T @ within / (len(rows) - len(count))
    ball = np.trace(spread) / len(spread) * np.eye(len(spread))
    shares = np.sqrt(count / count.sum())[:, None]
    try:
        power, axes = np.linalg.eigh((1 - SHRINKAGE) * spread + SHRINKAGE * ball)
        if power[0] <= 0:
            return None
        white = axes / np.sqrt(power)
        between = (centres - places.mean(axis=0)) @ white
        directions = np.linalg.svd(between * shares, full_matrices=False)[2]
    except np.linalg.LinAlgError:  # no directions, then: the model serves without
        return None
    kept_directions = directions[: min(DIMENSIONS, len(count) - 1)]
    project = white @ kept_directions.T
    weights = project / scale[chosen, None]
    return Space(
        chosen.astype(np.int64),
        mean[chosen] - CLIP * scale[chosen],
        mean[chosen] + CLIP * scale[chosen],
        np.ascontiguousarray(weights),
        -mean[chosen] @ weights,
        np.ascontiguousarray((centres @ project).T),
    )


def _means(places: FloatArray, of_row: Numbers, count: Numbers) -> FloatArray:
    total = np.zeros((len(count), places.shape[1]))
    np.add.at(total, of_row, places)
    means: FloatArray = total / count[:, None]
    return means


def _told_apart(places: FloatArray, of_row: Numbers, count: Numbers) -> FloatArray:
    """Give the variance between modes over that within, of every feature."""
    centres = _means(places, of_row, count)
    within = ((places - centres[of_row]) ** 2).sum(axis=0)
    between = (count[:, None] * (centres - places.mean(axis=0)) ** 2).sum(axis=0)
    told: FloatArray = between / np.maximum(within, 1e-12)
    return told
