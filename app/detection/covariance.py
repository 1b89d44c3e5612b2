"""Mean and covariance of quiet, and readings whitened with them."""

from __future__ import annotations

import math

from app.detection import baseline, stuck
from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled

SHRINKAGE = 0.02
"""Of the correlations, what is not believed: the smallest direction may be rounding."""
MOST = 9.0
"""Squared distance, a channel, that one reading counts at most: 3 deviations."""
# floats: rows of a value a channel, then lower triangles, row by row
MEAN, WHITE, FIRST, TOTAL = range(4)
FAULTS = 4
ROWS = FAULTS + stuck.ROWS
COVARIANCE, FACTOR, TICK_SUM, BLOCK_SUM = range(4)
TRIANGLES = 4


@compiled
def whiten(
    reading: FloatArray, per_channel: FloatArray, factor: FloatArray, total: FloatArray
) -> None:
    """Whiten a reading, and add the products of what comes out to a triangle."""
    white = per_channel[WHITE]
    k = 0
    squares = 0.0
    for i in range(reading.size):
        rest = reading[i] - per_channel[MEAN, i]
        for j in range(i):
            rest -= factor[k] * white[j]
            k += 1
        # the diagonal holds reciprocals
        white[i] = rest * factor[k]
        if stuck.is_out(i, per_channel[FAULTS:]):
            white[i] = 0.0
        k += 1
        squares += white[i] * white[i]
    most = MOST * reading.size
    share = most / squares if squares > most else 1.0
    k = 0
    for i in range(white.size):
        value = white[i] * share
        for j in range(i + 1):
            total[k] += value * white[j]
            k += 1
        if stuck.is_out(i, per_channel[FAULTS:]):
            # what it would be on average if it worked
            total[k - 1] += 1.0


@compiled
def from_unity(parts: Float32Array) -> float:
    """Give the distance of the mean of the parts from the unit matrix."""
    n_parts, size = parts.shape
    squares = 0.0
    diagonal = 0
    row = 2
    for k in range(size):
        mean = 0.0
        for part in range(n_parts):
            mean += parts[part, k]
        mean /= n_parts
        if k == diagonal:
            squares += (mean - 1.0) * (mean - 1.0)
            diagonal += row
            row += 1
        else:
            squares += 2.0 * mean * mean
    return math.sqrt(squares)


@compiled
def describe(
    size: int, apart: bool, per_channel: FloatArray, triangles: FloatArray
) -> float:
    """Turn the block's sums into its mean and covariance, in place; give its activity.

    A broken channel says what is known of it already.
    `apart`: in an event, a steady level that is not quiet's is activity too.
    """
    activity = 0.0
    products = triangles[BLOCK_SUM]
    faults = per_channel[FAULTS:]
    k = 0
    for i in range(per_channel.shape[1]):
        shift = per_channel[TOTAL, i] / size
        for j in range(i + 1):
            products[k] = products[k] / size - shift * per_channel[TOTAL, j] / size
            if stuck.is_broken(i, faults) or stuck.is_broken(j, faults):
                products[k] = triangles[COVARIANCE, k]
            k += 1
        variance = max(products[k - 1], 0.0)
        mean = per_channel[FIRST, i] + shift
        if stuck.is_broken(i, faults):
            mean = per_channel[MEAN, i]
        rounding = baseline.RESOLUTION * mean
        away = mean - per_channel[MEAN, i] if apart else 0.0
        activity += math.log(
            variance
            + baseline.AWAY * away * away
            + rounding * rounding
            + baseline.SILENCE
        )
    for i in range(per_channel.shape[1]):
        per_channel[TOTAL, i] = per_channel[FIRST, i] + per_channel[TOTAL, i] / size
        if stuck.is_broken(i, faults):
            per_channel[TOTAL, i] = per_channel[MEAN, i]
    return activity


@compiled
def learn(weight: float, per_channel: FloatArray, triangles: FloatArray) -> None:
    """Put a block's mean and covariance into those of quiet."""
    k = 0
    for i in range(per_channel.shape[1]):
        away = per_channel[TOTAL, i] - per_channel[MEAN, i]
        for j in range(i + 1):
            product = away * (per_channel[TOTAL, j] - per_channel[MEAN, j])
            new = triangles[BLOCK_SUM, k] + (1.0 - weight) * product
            triangles[COVARIANCE, k] += (new - triangles[COVARIANCE, k]) * weight
            k += 1
    for i in range(per_channel.shape[1]):
        away = per_channel[TOTAL, i] - per_channel[MEAN, i]
        per_channel[MEAN, i] += away * weight


@compiled
def factorise(mean: FloatArray, covariance: FloatArray, factor: FloatArray) -> None:
    """Write the Cholesky factor of the covariance, its diagonal as reciprocals."""
    for i in range(mean.size):
        row = i * (i + 1) // 2
        for j in range(i):
            column = j * (j + 1) // 2
            rest = covariance[row + j] * (1.0 - SHRINKAGE)
            for k in range(j):
                rest -= factor[row + k] * factor[column + k]
            factor[row + j] = rest * factor[column + j]
        rounding = baseline.RESOLUTION * mean[i]
        variance = covariance[row + i] + rounding * rounding + baseline.SILENCE
        rest = variance
        for k in range(i):
            rest -= factor[row + k] * factor[row + k]
        factor[row + i] = 1.0 / math.sqrt(max(rest, SHRINKAGE * variance))


@compiled
def channels_of(size: int) -> int:
    """Give the number of channels whose rows and triangles have that size."""
    n = 1
    while ROWS * n + TRIANGLES * (n * (n + 1) // 2) < size:
        n += 1
    return n
