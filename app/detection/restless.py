"""Streams that are never quiet: what is usual there, and what is out of it.

A stream has a quiet state if its levels fall into two heaps, quiet and loud: then the
lowest lie close together beside the way up to the high ones.  In one heap that way is
`ONE_HEAP` times the lowest step (were the logarithms normal), in two heaps much longer.
A stream of one heap that is wider than white noise makes it is restless: its level
wanders, or all of it is activity of some kind.

There an event is what is out of the stream's own long memory: in its level, or in what
one channel is on average for the length of a block.  Median and deviation of both are
followed by small steps up or down, which no event can rule.  What wanders slowly is
remembered for longer, until the memory holds as many independent looks (`looks`).

References
----------
Robbins and Monro (1951), A stochastic approximation method, Ann. Math. Stat. 22(3),
400-407: quantiles by steps.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from app.detection import looks, stuck
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
SUREST = 240
"""Blocks, at most, that this goes up to, and so many it takes to be quiet again."""
PACE = 0.01
"""Relative size of a step, hence about 1 / PACE blocks are remembered if these are
independent looks."""
SLOWEST = 2e-4
"""Relative size of a step, at least."""
SHARE = 0.1
"""Of what has been seen, is remembered at most (but 1 / PACE blocks at any time)."""
COUNTED = 0.002
"""Of the share of crossings, at least so much is made of the newest block."""
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
USUAL_LEVEL, SPREAD_LEVEL, CROSSED_LEVEL, OUT, AWAY = range(5)
SCALARS = 5
# floats: rows of a value a channel
USUAL, SPREAD, CROSSED, CHANCE, BEFORE, MEANS = range(6)
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
    squares: FloatArray,
    slots: NDArray[Any],
    own: FloatArray,
    rows: FloatArray,
    faults: FloatArray,
) -> None:
    """Say how far out the stream is in the parts of the last block's length.

    Parameters
    ----------
    on : deviations that are an event
    first, total, squares : (n_channels,)
        First values of the block, sums and sums of squares relative to these.
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
        # louder than usual, its mean is left to chance more than usual
        shift = total[c] / slots[END]
        variance = squares[c] / slots[END] - shift * shift
        chance = max(rows[CHANCE, c], variance / block)
        spread = math.sqrt(spread * spread + chance)
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
    value: float, pace: float, usual: float, spread: float, above: bool
) -> tuple[float, float]:
    """Move a median, and that of the absolute deviation, one step to a value.

    `above`: only of what lies above it, where the tail is that an event must exceed.
    """
    away = value - usual
    if spread == 0.0:
        return usual, abs(away)
    step = 2.0 * pace * spread
    wider = abs(away) > spread
    usual += step if away > 0.0 else -step
    factor = 1.0 + 2.0 * pace
    if above and away < 0.0:
        return usual, spread
    return usual, spread * factor if wider else spread / factor


@compiled
def crossed(away: float, before: float, blocks: int) -> float:
    """Follow the share of values that cross to the other side of the median.

    Its sign says on which side the last one was.
    """
    share = abs(before) if before != 0.0 else looks.CROSSINGS
    crosses = (away > 0.0) != (before > 0.0)
    share += (int(crosses) - share) * max(COUNTED, 1.0 / (blocks + 2))
    share = max(share, looks.SMALLEST)
    return share if away > 0.0 else -share


@compiled
def pace(crossings: float, blocks: int, hurry: bool) -> float:
    """Give the relative size of a step, from the share of crossings.

    `hurry`: what is seen now has become normal, and is to be learnt.
    """
    slow = PACE
    if not hurry:
        slow = max(PACE * looks.looks_a_value(abs(crossings)), SLOWEST)
    seen = blocks + 2
    return max(slow, min(PACE, 1.0 / (SHARE * seen)), 1.0 / seen)


@compiled
def learn(
    size: int,
    hurry: bool,
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
    newest = slots[PARTS_SEEN] + PARTS - 1
    # what a row is written to may be this, as far as a compiler knows
    blocks = slots[BLOCKS]
    for c in range(first.size):
        if stuck.is_out(c, faults):
            continue
        mean = first[c] + total[c] / size
        if blocks == 0:
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
        rows[CROSSED, c] = crossed(mean - rows[USUAL, c], rows[CROSSED, c], blocks)
        step = pace(rows[CROSSED, c], blocks, hurry)
        rows[USUAL, c], rows[SPREAD, c] = follow(
            mean, step, rows[USUAL, c], rows[SPREAD, c], False
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
        slots[BELIEF] = min(slots[BELIEF] + 1, SUREST)
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
