"""The noise floor of a stream: what its quietest recent blocks say.

Rows of `ring`, one value a block: activity and its sorted copy (which blocks are
quiet), the level of the blocks learnt and its sorted copy, the level of the recent
blocks and its sorted copy; then mean and variance of every channel.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import trigger
from app.detection.detector import OWN, TRIGGER
from app.detection.middle import SIXTEEN, middle
from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled

BLOCKS = 40
"""Of the baseline, each with its mean, variance and level."""
ENOUGH = 3
"""Blocks that must be known before anything is said."""
QUIET_SHARE = 0.4
"""Of the blocks, the quietest, are the baseline: events may fill the rest."""
LEARNT = BLOCKS // 2
"""Blocks of one event that may enter the baseline: a longer one is never swallowed."""
FLOOR_SHARE = 0.1
"""Of a channel's whole spread, its scale has at least: a silent channel is no alarm."""
OUTLIER = 6.0
"""Times the median of the quiet blocks' spreads, one counts at most."""
AWAY = 0.1
"""What a steady level away from the centre weighs as activity, in an event."""
LOW, HIGH = 0.2, 0.8
"""Quantiles of the blocks' levels that stand for quiet and for event."""
NOISE, NOISE_SPREAD = 0.8, 0.75
"""Mean of the absolute value of normal noise; its spread, relative to that mean."""
RESOLUTION = 2.0**-20
"""Of a float32 value: below it, differences are rounding."""
SILENCE = 1e-30
"""Smallest variance, and smallest scale: of a channel stuck at 0."""

# params
ON, OFF, ON_SHARE, OFF_SHARE = range(4)
# ints, behind those of every detector, which hold the trigger's
IN_BLOCK, BLOCKS_SEEN, RECENT_SEEN, EVENT, CONTINUED, IN_EVENT = range(OWN, OWN + 6)
INTS = OWN + 6
# floats: first the scalars
LEVELS, THRESHOLD_ON, THRESHOLD_OFF = range(3)
SCALARS = 3
# floats: rows of a value a channel
CENTRE, WEIGHT, FIRST, TOTAL, SQUARES = range(5)
ROWS = 5
# ring
ACTIVITY, QUIET, BASE, LOWS, RECENT, HIGHS = range(6)
RING_ROWS = 6


def ring(n_channels: int) -> Float32Array:
    """Give the memory of a baseline that knows nothing."""
    return np.zeros(BLOCKS * (RING_ROWS + 2 * n_channels), np.float32)


@compiled
def close_block(
    params: FloatArray,
    ints: NDArray[Any],
    floats: FloatArray,
    per_channel: FloatArray,
    ring: Float32Array,
) -> None:
    """Take a finished block into the baseline, and the thresholds from that."""
    n_blocks = ring.size // (RING_ROWS + 2 * per_channel.shape[1])
    rows = ring.reshape(ring.size // n_blocks, n_blocks)
    level = floats[LEVELS] / ints[IN_BLOCK]
    turn(rows[RECENT], rows[HIGHS], ints[RECENT_SEEN], level)
    ints[RECENT_SEEN] += 1
    if is_learnt(ints):
        learn(ints, in_event(ints), per_channel, rows)
        turn(rows[BASE], rows[LOWS], ints[BLOCKS_SEEN], level)
        ints[BLOCKS_SEEN] += 1
        known = min(ints[BLOCKS_SEEN], n_blocks)
        if known >= ENOUGH and (known < n_blocks or ints[BLOCKS_SEEN] % 2 == 0):
            rescale(known, per_channel, rows)
    known = min(ints[BLOCKS_SEEN], n_blocks)
    if known >= ENOUGH:
        recent = min(ints[RECENT_SEEN], n_blocks)
        low = low_level(known, rows)
        high = max(rows[HIGHS, int(HIGH * (recent - 1) + 0.5)], low)
        floats[THRESHOLD_ON] = between(low, high, params[ON], params[ON_SHARE])
        floats[THRESHOLD_OFF] = between(low, high, params[OFF], params[OFF_SHARE])
    ints[IN_BLOCK] = 0
    floats[LEVELS] = 0.0
    for c in range(per_channel.shape[1]):
        per_channel[TOTAL, c] = 0.0
        per_channel[SQUARES, c] = 0.0


@compiled
def low_level(known: int, rows: Float32Array) -> float:
    """Give the low level of the blocks learnt, of which so many are known."""
    return float(max(rows[LOWS, int(LOW * (known - 1))], NOISE))


@compiled
def between(low: float, high: float, factor: float, share: float) -> float:
    """Give `share` of the way from low to high, but at least `factor` times low."""
    root = math.sqrt(low) + share * (math.sqrt(high) - math.sqrt(low))
    return max(factor * low, root * root)


@compiled
def in_event(ints: NDArray[Any]) -> bool:
    """Say whether an event is open that is not the new normal already."""
    is_open = ints[TRIGGER + trigger.PHASE] == trigger.OPEN
    return bool(is_open and ints[TRIGGER + trigger.ONSET] != ints[CONTINUED])


@compiled
def is_learnt(ints: NDArray[Any]) -> bool:
    """Say whether the block just finished may enter the baseline."""
    if not in_event(ints):
        return True
    onset = ints[TRIGGER + trigger.ONSET]
    if onset != ints[EVENT]:
        ints[EVENT] = onset
        ints[IN_EVENT] = 0
    ints[IN_EVENT] += 1
    return bool(ints[IN_EVENT] <= LEARNT)


@compiled
def learn(
    ints: NDArray[Any], apart: bool, per_channel: FloatArray, rows: Float32Array
) -> None:
    """Write down the block's mean and variance of each channel, and its activity.

    `apart`: in an event, a steady level that is not the centre is activity too.
    """
    at = ints[BLOCKS_SEEN] % rows.shape[1]
    size = ints[IN_BLOCK]
    activity = 0.0
    for c in range(per_channel.shape[1]):
        shift = per_channel[TOTAL, c] / size
        mean = per_channel[FIRST, c] + shift
        variance = max(per_channel[SQUARES, c] / size - shift * shift, 0.0)
        rows[RING_ROWS + 2 * c, at] = mean
        rows[RING_ROWS + 2 * c + 1, at] = variance
        rounding = RESOLUTION * mean
        away = mean - per_channel[CENTRE, c] if apart else 0.0
        activity += math.log(
            variance + AWAY * away * away + rounding * rounding + SILENCE
        )
    turn(rows[ACTIVITY], rows[QUIET], ints[BLOCKS_SEEN], activity)


@compiled
def turn(ring: Float32Array, ordered: Float32Array, seen: int, value: float) -> None:
    """Put a value into a ring in the place of the oldest, and into its sorted copy."""
    new = np.float32(value)
    at = seen % ring.size
    k = seen
    if seen >= ring.size:
        old = ring[at]
        k = 0
        while ordered[k] != old:
            k += 1
        while k + 1 < ring.size and ordered[k + 1] < new:
            ordered[k] = ordered[k + 1]
            k += 1
    while k > 0 and ordered[k - 1] > new:
        ordered[k] = ordered[k - 1]
        k -= 1
    ordered[k] = new
    ring[at] = new


@compiled
def sort(values: FloatArray, ranks: NDArray[Any], ordered: FloatArray) -> None:
    """Write the values in order, equal ones as they came: by ranks, without branches.

    Of some twenty values that takes less time than sorting by insertion.
    """
    for i in range(values.size):
        rank = 0
        for j in range(i):
            before = int(values[j] <= values[i])
            rank += before
            ranks[j] += 1 - before
        ranks[i] = rank
    for i in range(values.size):
        ordered[ranks[i]] = values[i]


@compiled
def middle_of(
    n: int, values: FloatArray, ranks: NDArray[Any], ordered: FloatArray
) -> tuple[float, float]:
    """Give the two values in the middle, equal ones if their number is odd."""
    if n == SIXTEEN:
        return middle(values)
    sort(values, ranks, ordered)
    return ordered[(n - 1) // 2], ordered[n // 2]


@compiled
def squares_about(centre: float, means: Float32Array, variances: Float32Array) -> float:
    """Sum what the blocks' readings are away from a centre, squared.

    Four sums side by side: one would wait for itself.
    """
    n = means.size
    whole = n - n % 4
    one = two = three = four = 0.0
    for j in range(0, whole, 4):
        away = means[j] - centre
        one += variances[j] + away * away
        away = means[j + 1] - centre
        two += variances[j + 1] + away * away
        away = means[j + 2] - centre
        three += variances[j + 2] + away * away
        away = means[j + 3] - centre
        four += variances[j + 3] + away * away
    for j in range(whole, n):
        away = means[j] - centre
        one += variances[j] + away * away
    return (one + two) + (three + four)


@compiled
def rescale(known: int, per_channel: FloatArray, rows: Float32Array) -> None:
    """Take centre and scale of every channel from the quiet blocks."""
    bound = rows[QUIET, max(2, math.ceil(QUIET_SHARE * known)) - 1]
    # one piece of memory: to ask for it takes as long as a median
    room = np.empty(4 * BLOCKS)
    quiet = room[:BLOCKS].view(np.int64)
    n = 0
    for j in range(known):
        quiet[n] = j
        n += int(rows[ACTIVITY, j] <= bound)
    picked, ordered = room[BLOCKS : BLOCKS + n], room[2 * BLOCKS : 2 * BLOCKS + n]
    ranks = room[3 * BLOCKS :].view(np.int64)
    for c in range(per_channel.shape[1]):
        means = rows[RING_ROWS + 2 * c]
        variances = rows[RING_ROWS + 2 * c + 1]
        for i in range(n):
            picked[i] = means[quiet[i]]
        low, high = middle_of(n, picked, ranks, ordered)
        centre = 0.5 * (low + high)
        for i in range(n):
            away = means[quiet[i]] - centre
            picked[i] = variances[quiet[i]] + away * away
        low, high = middle_of(n, picked, ranks, ordered)
        # A mean, for it sees how noise wanders; but no block may rule it.
        most = OUTLIER * high
        still = 0.0
        for i in range(n):
            still += min(picked[i], most)
        spread = squares_about(centre, means[:known], variances[:known]) / known
        scale = max(math.sqrt(still / n), FLOOR_SHARE * math.sqrt(spread))
        scale = max(scale, RESOLUTION * abs(centre))
        per_channel[CENTRE, c] = centre
        per_channel[WEIGHT, c] = 1.0 / max(scale, SILENCE)
