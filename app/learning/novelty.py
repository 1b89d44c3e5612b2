"""How far a window is from everything that was learnt: what no class accounts for.

Probabilities of classes say which known class is the best one, not whether any is: far
from all rows a classifier may be very sure.  So other numbers stand beside them, the
squared distances to the nearest point in several views of the standardised features:

- three of linear discriminants, the directions that tell modes (see `estimators`) apart
  best, with the covariance within modes shrunk more or less towards a sphere; points
  are the means of the modes.  Shrunk little they see fine differences, shrunk much they
  do not take chance for one.
- one of principal components, which also sees what tells no known modes apart; points
  are rows, and their distance counts in units of how far that row's own nearest is, too
  (Breunig et al. 2000, LOF: identifying density-based local outliers).

The views travel in the model file.

What is made of it: `unknown`.

References
----------
Lee et al. (2018), A simple unified framework for detecting out-of-distribution samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from app import features
from app.domain import FloatArray
from app.learning.dataset import Dataset
from app.learning.estimators import find_modes
from app.learning.space import Space

CLIP = 2.5
"""Standardised features end here: one wild reading is no new class."""
VIEWS = ((0.5, 16), (0.8, 16), (0.3, 32))
"""Of each view of discriminants: the shrinkage, and how many of them are kept."""
NEIGHBOUR_SHRINKAGE, NEIGHBOUR_DIMENSIONS = 0.9, 16
MOST_NEIGHBOURS = 512
"""Of more rows so many are kept, evenly over time."""
LEAST_RADIUS = 0.05
"""Of the usual one: rows that are there twice are no denser than that."""
TINY = 1e-9
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
    middle = places.mean(axis=0)
    try:
        basis = _Basis.of(within.T @ within / (len(rows) - len(count)))
        if basis is None:
            return None
        shares = np.sqrt(count / count.sum())[:, None]
        views = [
            (project, (centres @ project).T)
            for shrinkage, most in VIEWS
            for project in [
                basis.discriminants(
                    shares * (centres - middle), shrinkage, min(most, len(count) - 1)
                )
            ]
        ]
        project = basis.components(places - middle)
    except np.linalg.LinAlgError:  # no directions, then: the model serves without
        return None
    even = np.linspace(0, len(rows) - 1, min(len(rows), MOST_NEIGHBOURS)).astype(int)
    views.append((project, (places[even] @ project).T))
    weights = np.hstack([project for project, _ in views]) / scale[chosen, None]
    return Space(
        chosen.astype(np.int64),
        mean[chosen] - CLIP * scale[chosen],
        mean[chosen] + CLIP * scale[chosen],
        np.ascontiguousarray(weights),
        -mean[chosen] @ weights,
        np.array([points.shape for _, points in views], dtype=np.int64),
        np.concatenate([points.ravel() for _, points in views]),
        _radii(views[-1][1].T),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Basis:
    """Eigenvalues (n,) and eigenvectors (n, n) of the covariance within modes."""

    power: FloatArray
    axes: FloatArray

    @classmethod
    def of(cls, spread: FloatArray) -> _Basis | None:
        power, axes = np.linalg.eigh(spread)
        if power.mean() <= 0:
            return None
        return cls(np.maximum(power, 0.0), axes)

    def whitening(self, shrinkage: float) -> FloatArray:
        ball = self.power.mean()
        shrunk = (1 - shrinkage) * self.power + shrinkage * ball
        white: FloatArray = self.axes / np.sqrt(shrunk)
        return white

    def discriminants(
        self, between: FloatArray, shrinkage: float, most: int
    ) -> FloatArray:
        """Find directions (n, most) in which rows (n_modes, n) differ most."""
        white = self.whitening(shrinkage)
        directions = np.linalg.svd(between @ white, full_matrices=False)[2]
        found: FloatArray = white @ directions[:most].T
        return found

    def components(self, places: FloatArray) -> FloatArray:
        """Find the principal components of centred rows (n_rows, n)."""
        white = self.whitening(NEIGHBOUR_SHRINKAGE)
        spots = places @ white
        directions = np.linalg.eigh(spots.T @ spots)[1][:, ::-1]
        found: FloatArray = white @ directions[:, :NEIGHBOUR_DIMENSIONS]
        return found


def _radii(spots: FloatArray) -> FloatArray:
    """Give the squared distance from every row to the nearest other one, above 0."""
    apart = cdist(spots, spots, "sqeuclidean")
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1)
    radii: FloatArray = np.maximum(nearest, LEAST_RADIUS * np.median(nearest) + TINY)
    return radii


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
