"""Probabilities that are as sure as their model is right: temperature scaling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from app.domain import FloatArray

ENOUGH_ROWS = 20
"""With fewer unseen rows there is nothing to calibrate probabilities by."""
MOST_SHARPNESS = 8.0
LEAST = 1e-12
"""Added to probabilities before their logarithm."""


def sharpened(said: FloatArray, sharpness: float) -> FloatArray:
    """Raise probabilities (n_rows, n_classes) to a power and normalise them.

    Examples
    --------
    >>> sharpened(np.array([[0.8, 0.2]]), 0.5).round(3).tolist()
    [[0.667, 0.333]]
    """
    if sharpness == 1.0:
        return said
    out: FloatArray = softmax(sharpness * np.log(said + LEAST), axis=1)
    return out


def calibrate(said: Sequence[FloatArray]) -> float:
    """Find the power of probabilities that makes what was true most likely.

    Parameters
    ----------
    said : float arrays (n_classes,), that of the true class first
        Of rows that the model had not learnt.

    Returns
    -------
    float
        1 if there are fewer rows than `ENOUGH_ROWS`.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, ICML.

    Examples
    --------
    Of a hundred answers given with 99 % each, one in ten is wrong:

    >>> rows = [np.array([0.99, 0.01])] * 90 + [np.array([0.01, 0.99])] * 9
    >>> round(float(sharpened(np.array([[0.99, 0.01]]), calibrate(rows))[0, 0]), 2)
    0.9
    """
    if len(said) < ENOUGH_ROWS:
        return 1.0
    usual = np.sort(said[np.argsort([row.max() for row in said])[len(said) // 2]])
    # one error more than were seen: who made none so far is not infallible
    rows = (*said, np.roll(usual, 2))
    # rows of fewer classes are filled with what adds nothing
    logs = np.full((len(rows), max(len(row) for row in rows)), -np.inf)
    for i, row in enumerate(rows):
        logs[i, : len(row)] = np.log(row + LEAST)

    def loss(log_power: float) -> float:
        scaled = np.exp(log_power) * logs
        return float((logsumexp(scaled, axis=1) - scaled[:, 0]).sum())

    limits = (-np.log(MOST_SHARPNESS), np.log(MOST_SHARPNESS))
    return float(np.exp(minimize_scalar(loss, bounds=limits, method="bounded").x))
