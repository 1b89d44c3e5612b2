"""What the energy detector does with every reading."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from app.detection import baseline, restless, stuck, trigger
from app.detection.detector import COUNT, OWN, TRIGGER
from app.detection.energy_block import (
    BLOCK,
    FAULTS,
    IN_TICK,
    LEVEL,
    LONG,
    MEMORY,
    PEAK,
    REMEMBERED,
    SCORE,
    SUM,
    TICK,
    TICKS,
)
from app.domain import FloatArray
from app.domain.compiled import compiled

STRETCH = stuck.FLOOR_READINGS
"""Most readings taken at one time: too few for a channel to prove stuck."""
MOST = 1e3
"""Noise floors that one channel may count at most, so that none blinds the others."""


@compiled
def stretch(most: int, limits: NDArray[Any], ints: NDArray[Any]) -> int:
    """Give how many readings may be taken before something is to be closed."""
    left = limits[BLOCK] - ints[baseline.IN_BLOCK]
    if left <= 0:
        left = limits[TICK] - ints[IN_TICK]
    if ints[LONG + restless.RESTLESS] == 1:
        part = ints[LONG + restless.END] - ints[baseline.IN_BLOCK]
        left = min(left, part) if part > 0 else left
    return int(min(left, most, STRETCH))


@compiled
def add_up(
    values: FloatArray,
    at: int,
    n: int,
    floor: int,
    ints: NDArray[Any],
    per_channel: FloatArray,
    work: FloatArray,
) -> None:
    """Take `n` readings from `at` on into the sums of the block, channel by channel.

    `work` is given the sum over living channels of how far each reading is from quiet,
    and from `STRETCH` on their number.
    """
    n_channels = values.shape[1]
    begins = ints[baseline.IN_BLOCK] == 0
    faults = per_channel[FAULTS:REMEMBERED]
    for k in range(n):
        work[k] = 0.0
        work[STRETCH + k] = n_channels
    for c in range(n_channels):
        if begins:
            per_channel[baseline.FIRST, c] = values[at, c]
        start = per_channel[baseline.FIRST, c]
        centre = per_channel[baseline.CENTRE, c]
        weight = per_channel[baseline.WEIGHT, c]
        total = per_channel[baseline.TOTAL, c]
        squares = per_channel[baseline.SQUARES, c]
        last = faults[stuck.LAST, c]
        steady = faults[stuck.RUN, c] == 0.0 and (
            faults[stuck.CHANGES, c] >= stuck.ENOUGH
        )
        same = 0
        if steady:
            for k in range(n):
                x = values[at + k, c]
                same += int(x == last)
                last = x
                work[k] += min(abs(x - centre) * weight, MOST)
                # relative to the block's first value: an offset costs no digits
                x -= start
                total += x
                squares += x * x
        else:
            for k in range(n):
                x = values[at + k, c]
                stuck.take(x, c, faults, floor)
                if stuck.is_out(c, faults):
                    work[STRETCH + k] -= 1.0
                else:
                    work[k] += min(abs(x - centre) * weight, MOST)
                x -= start
                total += x
                squares += x * x
        per_channel[baseline.TOTAL, c] = total
        per_channel[baseline.SQUARES, c] = squares
        if steady and same == 0:
            # what `stuck.take` comes to for a channel that is never still
            faults[stuck.LAST, c] = last
            faults[stuck.CHANGES, c] += n
        elif steady:
            # in so few readings it does not come to be left out
            for k in range(n):
                stuck.take(values[at + k, c], c, faults, floor)


@compiled
def look(
    size: int,
    limits: NDArray[Any],
    ints: NDArray[Any],
    floats: FloatArray,
    faults: FloatArray,
    mean: FloatArray,
    work: FloatArray,
    out: FloatArray,
    found: int,
) -> int:
    """Smooth what `add_up` gave, look for spans, and count these with `found`."""
    slots = ints[TRIGGER:OWN]
    tick = limits[TICK]
    half = mean.size // 2
    away = floats[MEMORY + restless.AWAY]
    on = floats[baseline.THRESHOLD_ON]
    off = floats[baseline.THRESHOLD_OFF]
    before = ints[TICKS]
    new = smooth(size, tick, ints, floats, mean, work)
    levels = floats[baseline.LEVELS]
    highest = away
    for k in range(new):
        levels += work[k] * tick
        highest = max(highest, work[k])
    floats[baseline.LEVELS] = levels
    if new > 0:
        floats[LEVEL] = work[new - 1]
    # the first of these ticks that is looked at, half a mean behind the newest
    at = max(0, half - before)
    if at < new and trigger.at_rest(highest, on, off, slots):
        slots[trigger.RISE] = trigger.NEVER
        at = new
    peak = floats[PEAK : PEAK + 1]
    for k in range(at, new):
        if trigger.step(
            max(work[k], away),
            on,
            off,
            before + k - half,
            slots,
            peak,
            limits,
            out[found],
        ):
            if out[found, trigger.SPAN_TRUNCATED] > 0.0:
                ints[baseline.CONTINUED] = slots[trigger.LAST_END]
            out[found, trigger.SPAN_STUCK] = stuck.any_broken(faults)
            found += 1
    ints[COUNT] += size
    ints[baseline.IN_BLOCK] += size
    return found


@compiled
def smooth(
    size: int,
    tick: int,
    ints: NDArray[Any],
    floats: FloatArray,
    mean: FloatArray,
    work: FloatArray,
) -> int:
    """Take readings into the running mean; leave its level at each new tick in `work`.

    Returns
    -------
    int
        How many ticks are new.
    """
    score = floats[SCORE]
    total = floats[SUM]
    in_tick = ints[IN_TICK]
    ticks = ints[TICKS]
    at = ticks % mean.size
    new = 0
    for k in range(size):
        if work[STRETCH + k] > 0.0:
            score += work[k] / work[STRETCH + k]
        in_tick += 1
        if in_tick < tick:
            continue
        in_tick = 0
        if tick > 1:
            score /= tick
        total += score - mean[at]
        mean[at] = score
        score = 0.0
        ticks += 1
        at += 1
        if at == mean.size:
            at = 0
            # summed afresh once a turn, so that rounding never adds up
            total = mean.sum()
        work[new] = max(total, 0.0) / min(ticks, mean.size)
        new += 1
    floats[SCORE] = score
    floats[SUM] = total
    ints[IN_TICK] = in_tick
    ints[TICKS] = ticks
    return new
