"""Causal features of a stream, a tenth of a second at a time, for detectors that learn.

Readings are summed up to ticks.  A tick's row describes it relative to the noise floor
of the stream's own recent past (`baseline`): over all channels the mean and the
largest of how far the values are away and of how much they change; of every channel its
level and its spread.  The features of a tick are the means of those rows over windows
before, at and after it, so they are known `AHEAD` ticks late.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import baseline, trigger
from app.detection.detector import OWN, TRIGGER
from app.detection.settings import readings
from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled

TICK_SECONDS = 0.1
BASELINE_SECONDS = 30.0
BLOCKS = 16
"""Of the baseline: fewer than elsewhere, for the rows of ticks are state, too."""
BLOCK_READINGS = 8
"""Fewest readings in a block, however slow the stream."""
EDGES = np.array([-20, -10, -5, -2, 3, 6, 11], np.int64)
"""Windows around a tick, from one edge up to before the next, in ticks."""
WINDOWS = len(EDGES) - 1
AHEAD = int(EDGES[-1]) - 1
BEHIND = -int(EDGES[0])
KEPT = BEHIND + AHEAD + 1
"""Rows in memory."""
OVERALL = 4
"""Values of a row that are of no single channel."""
ALMOST = 0.999
"""Of the least scale there is, for what was rounded on the way."""
LEAST_SPREAD = 0.05
"""Of a channel's noise floor, its spread has at least."""

# ints: first those of `baseline`, with a trigger that stays idle
TICKS, IN_TICK = baseline.INTS, baseline.INTS + 1
INTS = baseline.INTS + 2
# floats of `baseline`, then rows of a value a channel: those of `baseline`, then
BEGAN, SUM, SQUARE, AWAY, MOVED, LAST = range(baseline.ROWS, baseline.ROWS + 6)
ROWS = baseline.ROWS + 6
# params that `baseline` wants, for thresholds that nobody reads
NO_THRESHOLDS = np.zeros(4)


def tick_readings(rate_hz: float) -> int:
    """Give the readings in a tick."""
    return readings(TICK_SECONDS, rate_hz, 1)


def block_readings(rate_hz: float) -> int:
    """Give the readings in a block of the baseline, a multiple of the tick's."""
    tick = tick_readings(rate_hz)
    least = readings(BASELINE_SECONDS / BLOCKS, rate_hz, BLOCK_READINGS)
    return -(-least // tick) * tick


def n_features(n_channels: int) -> int:
    """Give the number of features of a tick."""
    return WINDOWS * width(n_channels)


def width(n_channels: int) -> int:
    """Give the number of values in a tick's row."""
    return OVERALL + 2 * n_channels


def start(ints: NDArray[np.int64]) -> None:
    """Write the counters of a stream that has not begun."""
    trigger.start(ints[TRIGGER:OWN])
    ints[baseline.EVENT] = ints[baseline.CONTINUED] = trigger.NEVER


def ring(n_channels: int) -> Float32Array:
    """Give the memory of a stream that has not begun: baseline, then rows."""
    n = BLOCKS * (baseline.RING_ROWS + 2 * n_channels) + KEPT * width(n_channels)
    return np.zeros(n, np.float32)


@compiled
def split(ring: Float32Array, n_channels: int) -> tuple[Float32Array, Float32Array]:
    """Give the baseline's part of the memory, and the rows (KEPT, width)."""
    n = BLOCKS * (baseline.RING_ROWS + 2 * n_channels)
    return ring[:n], ring[n:].reshape(KEPT, OVERALL + 2 * n_channels)


@compiled
def take(
    reading: FloatArray,
    tick: int,
    block: int,
    ints: NDArray[Any],
    scalars: FloatArray,
    per_channel: FloatArray,
    params: FloatArray,
    base: Float32Array,
    rows: Float32Array,
) -> bool:
    """Take one reading; True when it completed a tick, whose row is then written."""
    first = ints[baseline.IN_BLOCK] == 0
    begins = ints[IN_TICK] == 0
    for c in range(reading.size):
        x = reading[c]
        if first:
            per_channel[baseline.FIRST, c] = x
        if begins:
            per_channel[BEGAN, c] = x
            per_channel[SUM, c] = 0.0
            per_channel[SQUARE, c] = 0.0
            per_channel[AWAY, c] = 0.0
            per_channel[MOVED, c] = 0.0
            if ints[TICKS] == 0:
                per_channel[LAST, c] = x
        per_channel[AWAY, c] += abs(x - per_channel[baseline.CENTRE, c])
        per_channel[MOVED, c] += abs(x - per_channel[LAST, c])
        per_channel[LAST, c] = x
        # relative to the first value, so that an offset costs no digits
        own = x - per_channel[BEGAN, c]
        per_channel[SUM, c] += own
        per_channel[SQUARE, c] += own * own
        x -= per_channel[baseline.FIRST, c]
        per_channel[baseline.TOTAL, c] += x
        per_channel[baseline.SQUARES, c] += x * x
    ints[baseline.IN_BLOCK] += 1
    ints[IN_TICK] += 1
    if ints[IN_TICK] < tick:
        return False
    describe(tick, per_channel, rows[ints[TICKS] % KEPT])
    ints[TICKS] += 1
    ints[IN_TICK] = 0
    if ints[baseline.IN_BLOCK] >= block:
        baseline.close_block(params, ints, scalars, per_channel, base)
    return True


@compiled
def is_dead(c: int, per_channel: FloatArray) -> bool:
    """Say whether a channel's quiet is below what its values can resolve."""
    centre = abs(per_channel[baseline.CENTRE, c])
    rounding = max(baseline.RESOLUTION * centre, baseline.SILENCE)
    return bool(per_channel[baseline.WEIGHT, c] * rounding > ALMOST)


@compiled
def describe(tick: int, per_channel: FloatArray, row: Float32Array) -> None:
    """Write the row of a tick that is complete."""
    n_channels = per_channel.shape[1]
    away_sum, away_most, moved_sum, moved_most = 0.0, 0.0, 0.0, 0.0
    dead, living = 0, 0.0
    for c in range(n_channels):
        weight = per_channel[baseline.WEIGHT, c]
        away = math.log1p(per_channel[AWAY, c] / tick * weight)
        moved = math.log1p(per_channel[MOVED, c] / tick * weight)
        away_sum += away
        moved_sum += moved
        away_most = max(away_most, away)
        moved_most = max(moved_most, moved)
        shift = per_channel[SUM, c] / tick
        z = (per_channel[BEGAN, c] + shift - per_channel[baseline.CENTRE, c]) * weight
        level = math.log1p(abs(z))
        row[OVERALL + c] = level if z > 0.0 else -level
        variance = max(per_channel[SQUARE, c] / tick - shift * shift, 0.0)
        least = LEAST_SPREAD / weight if weight > 0.0 else 0.0
        spread = 0.5 * math.log(variance + least * least + baseline.SILENCE)
        row[OVERALL + n_channels + c] = spread
        if is_dead(c, per_channel):
            dead += 1
        else:
            living += spread
    if 0 < dead < n_channels:
        # as the others are: a model never saw what nothing looks like
        for c in range(n_channels):
            if is_dead(c, per_channel):
                row[OVERALL + n_channels + c] = living / (n_channels - dead)
    row[0] = away_sum / n_channels
    row[1] = away_most
    row[2] = moved_sum / n_channels
    row[3] = moved_most


@compiled
def look(rows: Float32Array, at: int, newest: int, features: FloatArray) -> None:
    """Write the features of tick `at`; what lies beyond `newest` is as that."""
    n = rows.shape[1]
    for w in range(WINDOWS):
        for k in range(n):
            features[w * n + k] = 0.0
        for t in range(at + EDGES[w], at + EDGES[w + 1]):
            row = rows[min(max(t, 0), newest) % KEPT]
            for k in range(n):
                features[w * n + k] += row[k]
        size = EDGES[w + 1] - EDGES[w]
        for k in range(n):
            features[w * n + k] /= size


@compiled
def _trace(
    values: FloatArray,
    tick: int,
    block: int,
    ints: NDArray[Any],
    scalars: FloatArray,
    per_channel: FloatArray,
    params: FloatArray,
    memory: Float32Array,
    features: FloatArray,
) -> None:
    base, rows = split(memory, values.shape[1])
    for i in range(values.shape[0]):
        if take(values[i], tick, block, ints, scalars, per_channel, params, base, rows):
            at = ints[TICKS] - 1 - AHEAD
            if at >= 0:
                look(rows, at, ints[TICKS] - 1, features[at])
    for at in range(max(ints[TICKS] - AHEAD, 0), ints[TICKS]):
        look(rows, at, ints[TICKS] - 1, features[at])


def features_of(values: FloatArray, rate_hz: float) -> FloatArray:
    """Compute the features of every tick of a stream, as the detector sees them.

    Parameters
    ----------
    values : (n_readings, n_channels), finite, from the beginning of the stream on
    rate_hz : float, readings per second

    Returns
    -------
    (n_readings // tick_readings(rate_hz), n_features(n_channels))

    Examples
    --------
    >>> features_of(np.zeros((50, 2)), 50.0).shape
    (10, 48)
    """
    n_channels = values.shape[1]
    tick = tick_readings(rate_hz)
    ints = np.zeros(INTS, np.int64)
    start(ints)
    features = np.zeros((len(values) // tick, n_features(n_channels)))
    _trace(
        np.ascontiguousarray(values, np.float64),
        tick,
        block_readings(rate_hz),
        ints,
        np.zeros(baseline.SCALARS),
        np.zeros((ROWS, n_channels)),
        NO_THRESHOLDS,
        ring(n_channels),
        features,
    )
    return features
