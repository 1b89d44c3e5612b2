"""Streams that are never quiet: what is usual there, and what is out of it.

A stream has a quiet state if its levels fall into two heaps, quiet and loud: then the
lowest lie close together beside the way up to the high ones.  In one heap that way is
`ONE_HEAP` times the lowest step (were the logarithms normal), in two heaps much longer.
A stream of one heap that is wider than white noise makes it is restless: its level
wanders, or all of it is activity of some kind.

There an event is what is out of the stream's own long memory: in its level, or in what
one channel is on average for the length of a block.  Median and deviation of both are
followed by small steps up or down, which no event can rule.

References
----------
Robbins and Monro (1951), A stochastic approximation method, Ann. Math. Stat. 22(3),
400-407: quantiles by steps.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from app.detection import stuck
from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled

LOWEST, LOW, HIGH = 0.1, 0.2, 0.8
"""Quantiles of recent levels that tell one heap from two."""
STEP = 1.2816 - 0.8416
"""From lowest to low in standard deviations, were they normal."""
ONE_HEAP = 2.0 * 0.8416 / STEP
"""The way from low to high in such steps."""
HEAPS = 2.0
"""Times as long, that way shows a quiet state beside a loud one."""
WIDER = 1.5
"""Times as wide as of white noise, the lowest step of a restless stream is at least."""
SURE = 60
"""Blocks more that say restless than quiet, until the stream is taken to be so."""
PACE = 0.01
"""Relative size of a step, hence about 1 / PACE blocks are remembered."""
DEVIATION = 1.4826
"""Standard deviation of normal values, in medians of their absolute deviation."""
FADE = 0.125
"""Weight of the newest block in what its mean owes to chance."""
OFF = 0.5
"""Of the way out, an event ends at."""
PARTS = 4
"""Of a block, after each of which its length is looked back over."""
RESOLUTION = 2.0**-20
"""Of a float32 value: below it, differences are rounding."""
SILENCE = 1e-30
"""Smallest level, and smallest deviation."""

# ints
RESTLESS, BELIEF, BLOCKS, PARTS_SEEN, BEGIN, END = range(6)
INTS = 6
# floats: of the logarithm of the level over the low one; then how far out it is now, 1
# where an event begins, and the same as a level
USUAL_LEVEL, SPREAD_LEVEL, OUT, AWAY = range(4)
SCALARS = 4
# floats: rows of a value a channel
USUAL, SPREAD, CHANCE, BEFORE, MEANS = range(5)
ROWS = MEANS + PARTS


@compiled
def begin_block(block: int, slots: NDArray[Any], rows: FloatArray) -> None:
    """Begin the first part of a block."""
    slots[BEGIN] = 0
    slots[END] = -(-block // PARTS)
    for c in range(rows.shape[1]):
        rows[BEFORE, c] = 0.0


@compiled
def close_part(
    on: float,
    block: int,
    first: FloatArray,
    total: FloatArray,
    slots: NDArray[Any],
    own: FloatArray,
    rows: FloatArray,
    faults: FloatArray,
) -> None:
    """Say how far out the stream is in the parts of the last block's length.

    Parameters
    ----------
    on : deviations that are an event
    first, total : (n_channels,) first values of the block, sums relative to these
    """
    size = slots[END] - slots[BEGIN]
    at = MEANS + slots[PARTS_SEEN] % PARTS
    furthest = 0.0
    for c in range(first.size):
        rows[at, c] = first[c] + (total[c] - rows[BEFORE, c]) / size
        rows[BEFORE, c] = total[c]
        if slots[PARTS_SEEN] < PARTS or stuck.is_out(c, faults):
            continue
        mean = 0.0
        for k in range(MEANS, MEANS + PARTS):
            mean += rows[k, c]
        mean /= PARTS
        spread = DEVIATION * rows[SPREAD, c]
        spread = math.sqrt(spread * spread + rows[CHANCE, c])
        spread = max(spread, RESOLUTION * abs(mean), SILENCE)
        furthest = max(furthest, abs(mean - rows[USUAL, c]) / spread)
    own[OUT] = furthest / on
    part = slots[END] * PARTS // block + 1
    slots[PARTS_SEEN] += 1
    slots[BEGIN] = slots[END]
    slots[END] = -(-part * block // PARTS)


@compiled
def as_level(out: float, on: float, off: float) -> float:
    """Give the level that is as far between the thresholds as `out` is."""
    if out >= 1.0:
        return out * on
    if out <= OFF:
        return out / OFF * off
    return off + (on - off) * (out - OFF) / (1.0 - OFF)


@compiled
def follow(
    value: float, pace: float, usual: float, spread: float
) -> tuple[float, float]:
    """Move a median, and that of the absolute deviation, one step to a value."""
    away = value - usual
    if spread == 0.0:
        return usual, abs(away)
    step = 2.0 * pace * spread
    wider = abs(away) > spread
    usual += step if away > 0.0 else -step
    factor = 1.0 + 2.0 * pace
    return usual, spread * factor if wider else spread / factor


@compiled
def learn(
    size: int,
    first: FloatArray,
    total: FloatArray,
    slots: NDArray[Any],
    rows: FloatArray,
    faults: FloatArray,
) -> None:
    """Take a block's means into what is usual.

    Of a mean, that much is chance as its parts jump from one to the next: a slope is
    not chance, nor what fades within a part.
    """
    pace = max(PACE, 1.0 / (slots[BLOCKS] + 2))
    newest = slots[PARTS_SEEN] + PARTS - 1
    for c in range(first.size):
        if stuck.is_out(c, faults):
            continue
        mean = first[c] + total[c] / size
        if slots[BLOCKS] == 0:
            rows[USUAL, c] = mean
        if slots[PARTS_SEEN] >= PARTS:
            jumps = 0.0
            for k in range(PARTS - 1):
                after = rows[MEANS + (newest - k) % PARTS, c]
                by = after - rows[MEANS + (newest - k - 1) % PARTS, c]
                jumps += by * by
            chance = jumps / (2.0 * PARTS * (PARTS - 1.0))
            fade = FADE if slots[PARTS_SEEN] >= 2 * PARTS else 1.0
            rows[CHANCE, c] += (chance - rows[CHANCE, c]) * fade
        rows[USUAL, c], rows[SPREAD, c] = follow(
            mean, pace, rows[USUAL, c], rows[SPREAD, c]
        )


@compiled
def judge(ordered: Float32Array, white: float, slots: NDArray[Any]) -> None:
    """Say whether the stream is restless, from its recent levels in order.

    `white` is the standard deviation of the level, relative to it, in white noise.
    """
    last = ordered.size - 1
    lowest = math.log(max(ordered[int(LOWEST * last + 0.5)], SILENCE))
    low = math.log(max(ordered[int(LOW * last + 0.5)], SILENCE))
    high = math.log(max(ordered[int(HIGH * last + 0.5)], SILENCE))
    step = low - lowest
    one_heap = high - low < HEAPS * ONE_HEAP * step
    if one_heap and step > WIDER * STEP * white:
        slots[BELIEF] = min(slots[BELIEF] + 1, 2 * SURE)
    else:
        slots[BELIEF] = max(slots[BELIEF] - 1, 0)
    if slots[BELIEF] == 0:
        slots[RESTLESS] = 0
        slots[PARTS_SEEN] = 0
    elif slots[BELIEF] >= SURE:
        slots[RESTLESS] = 1


@compiled
def thresholds(
    low: float, factor: float, on: float, off: float, own: FloatArray
) -> tuple[float, float]:
    """Raise thresholds to where the level is out, `factor` deviations from usual."""
    spread = DEVIATION * own[SPREAD_LEVEL] * factor
    on = max(on, low * math.exp(own[USUAL_LEVEL] + spread))
    return on, max(off, low * math.exp(own[USUAL_LEVEL] + OFF * spread))
