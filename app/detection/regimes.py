"""One event for each regime of a stream that is never quiet."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import trigger
from app.detection.detector import (
    COUNT,
    OWN,
    TAKEN,
    TRIGGER,
    CompiledDetector,
    Plan,
    limits,
)
from app.detection.memory import arrays
from app.detection.regime_windows import (
    BEFORE,
    FIRST,
    IN_TICK,
    REFERENCE,
    ROWS,
    SQUARES,
    STATISTICS,
    STEPS,
    TICKS,
    TOTAL,
    close_part,
    compare,
)
from app.detection.settings import number, readings
from app.domain import FloatArray, Json
from app.domain.compiled import compiled

PARTS = 16
"""Of a window, whose differences say how much chance there is in its statistics."""
WINDOW_READINGS = 8
"""Fewest readings in a window, however slow the stream."""
PAST = 0.5
"""Of its highest, the difference must fall to, for that to be the change."""
OUTLIER = 3.0
"""Times the usual difference, one counts at most for what is usual."""
USUAL_WINDOWS = 20.0
"""Windows that the usual difference is exponential over."""
# params
ON, WEIGHT = range(2)
# limits, behind the trigger's
TICK, WINDOW = range(trigger.LIMITS, trigger.LIMITS + 2)
# ints, behind those of the windows
CHANGE, AGAIN = range(TICKS + 1, TICKS + 3)
INTS = TICKS + 3
# floats: the difference now, at the change that is not certain yet, the usual one, and
# the largest of the regime
NOW, HIGHEST, USUAL, PEAK = range(4)
SCALARS = 4
NONE = -1
"""No change is waiting to be certain."""


def regimes(settings: Json, rate_hz: float, n_channels: int) -> CompiledDetector:
    """Cut the stream wherever what it does changes; what lies between is an event.

    Two windows of ``window_seconds`` stand side by side and move along.  Of every
    channel they compare the level, the loudness (log variance) and the pace (log mean
    squared step), each in the standard deviations that the sixteen parts of a window
    give it.  The mean of their log likelihood ratios, about 1 by chance alone, in
    multiples of how large it usually is, is the characteristic function.  Where it is
    highest, ``on`` standard deviations of chance or more above 1, one regime ends and
    the next begins; that is certain one to two windows later.  The next change is a
    window away at least.  A regime shorter than ``min_seconds`` is no event, and one
    that reaches ``max_seconds`` is cut off there.  A border that comes at least half of
    the way to a change, and a regime that is too short, are near misses.  Memory is
    constant.

    Parameters
    ----------
    settings : complete settings of kind ``regimes``
    rate_hz : float, readings per second
    n_channels : int

    Examples
    --------
    >>> from app.detection.settings import complete
    >>> rng = np.random.default_rng(1)
    >>> values = rng.normal(0, 1, (4500, 2))
    >>> values[1500:] *= 3
    >>> values[3000:] += 5
    >>> detector = regimes(complete({"kind": "regimes"}), 50.0, 2)
    >>> [(s.onset, s.offset) for s in detector.update(values) + detector.flush()]
    [(0, 1500), (1500, 3000), (3000, 4500)]

    References
    ----------
    Kifer, Ben-David and Gehrke (2004), Detecting change in data streams, Proc. 30th
    VLDB, 180-191: two windows side by side.
    """
    window = readings(number(settings, "window_seconds"), rate_hz, WINDOW_READINGS)
    tick = max(1, window // PARTS)
    parts = round(window / tick)
    ticks_hz = rate_hz / tick
    numbers = limits(
        readings(number(settings, "min_seconds"), ticks_hz, 1),
        readings(number(settings, "max_seconds"), ticks_hz),
        0,
        0,
    )
    # of the mean over all statistics, were these independent
    spread = math.sqrt(2.0 / (STATISTICS * n_channels))
    plan = Plan(
        magic=b"REGI",
        version=2,
        step=step,
        flush=flush,
        params=np.array(
            [1.0 + number(settings, "on") * spread, 1.0 / (USUAL_WINDOWS * parts)]
        ),
        limits=np.append(numbers, [tick, parts]),
        tick=tick,
        look_back=(2 * parts + 2) * tick,
    )
    floats = np.zeros(SCALARS + ROWS * n_channels)
    floats[USUAL] = 1.0
    ints = np.zeros(INTS, np.int64)
    ints[CHANGE] = NONE
    ring = np.zeros(2 * parts * STATISTICS * n_channels, np.float32)
    return CompiledDetector(plan, ints, floats, ring)


@compiled
def step(values: FloatArray, memory: int) -> int:
    """Take readings until all are taken or `out` is full; count the spans found."""
    params, limits, ints, floats, ring, out = arrays(memory)
    n_channels = values.shape[1]
    per_channel = floats[SCALARS:].reshape(ROWS, n_channels)
    parts = ring.reshape(2 * limits[WINDOW], STATISTICS, n_channels)
    slots = ints[TRIGGER:OWN]
    found = 0
    for i in range(ints[TAKEN], values.shape[0]):
        if ints[COUNT] == 0:
            per_channel[REFERENCE] = values[i]
            per_channel[BEFORE] = values[i]
            slots[trigger.PHASE] = trigger.OPEN
            slots[trigger.ONSET] = 0
        for c in range(n_channels):
            x = values[i, c]
            if ints[IN_TICK] == 0:
                per_channel[FIRST, c] = x
            by = x - per_channel[BEFORE, c]
            per_channel[BEFORE, c] = x
            per_channel[STEPS, c] += by * by
            # relative to the part's first value, so that an offset costs no digits
            x -= per_channel[FIRST, c]
            per_channel[TOTAL, c] += x
            per_channel[SQUARES, c] += x * x
        ints[COUNT] += 1
        ints[IN_TICK] += 1
        if ints[IN_TICK] < limits[TICK]:
            continue
        close_part(limits[TICK], ints, per_channel, parts)
        if ints[TICKS] >= 2 * limits[WINDOW]:
            difference = compare(ints[TICKS] % parts.shape[0], per_channel, parts)
            floats[NOW] = difference / floats[USUAL]
            bounded = min(difference, OUTLIER * floats[USUAL])
            usual = floats[USUAL] + (bounded - floats[USUAL]) * params[WEIGHT]
            floats[USUAL] = max(usual, 1.0)
        if seek(params[ON], limits, ints, floats, out[found]):
            found += 1
            if found == out.shape[0]:
                ints[TAKEN] = i + 1
                return found
    return found


@compiled
def seek(
    on: float,
    limits: NDArray[Any],
    ints: NDArray[Any],
    floats: FloatArray,
    span: FloatArray,
) -> bool:
    """Look for the end of the regime; True when `span` was filled in."""
    slots = ints[TRIGGER:OWN]
    longest = limits[trigger.LONGEST]
    border = ints[TICKS] - limits[WINDOW]
    floats[PEAK] = max(floats[PEAK], floats[NOW])
    if floats[NOW] >= on and floats[NOW] > floats[HIGHEST] and border >= ints[AGAIN]:
        ints[CHANGE] = border
        floats[HIGHEST] = floats[NOW]
    near(on, border, ints, floats)
    known = border if ints[CHANGE] == NONE else ints[CHANGE]
    if known - slots[trigger.ONSET] >= longest:
        return end(slots[trigger.ONSET] + longest, limits, ints, floats, span)
    if ints[CHANGE] == NONE:
        return False
    if border - ints[CHANGE] < limits[WINDOW] and floats[NOW] > PAST * floats[HIGHEST]:
        return False
    # until then the older window still shows what was before
    ints[AGAIN] = ints[CHANGE] + limits[WINDOW]
    return end(ints[CHANGE], limits, ints, floats, span)


@compiled
def near(on: float, border: int, ints: NDArray[Any], floats: FloatArray) -> None:
    """Note how near to a change the border came; nothing where there is a change."""
    slots = ints[TRIGGER:OWN]
    share = (floats[NOW] - 1.0) / (on - 1.0)
    if ints[CHANGE] != NONE or border < ints[AGAIN]:
        slots[trigger.NEAR_BEGIN] = trigger.NEVER
    elif share >= trigger.NEAR:
        if slots[trigger.NEAR_BEGIN] < 0:
            slots[trigger.NEAR_BEGIN] = border
            slots[trigger.NEAR_PEAK] = 0
        peak = int(1000 * min(share, 1.0))
        slots[trigger.NEAR_PEAK] = max(slots[trigger.NEAR_PEAK], peak)
    elif slots[trigger.NEAR_BEGIN] >= 0:
        trigger.keep(slots[trigger.NEAR_BEGIN], border, slots[trigger.NEAR_PEAK], slots)
        slots[trigger.NEAR_BEGIN] = trigger.NEVER


@compiled
def end(
    at: int,
    limits: NDArray[Any],
    ints: NDArray[Any],
    floats: FloatArray,
    span: FloatArray,
) -> bool:
    """End the regime there and begin the next; True if `span` was filled in."""
    slots = ints[TRIGGER:OWN]
    length = at - slots[trigger.ONSET]
    span[trigger.SPAN_ONSET] = slots[trigger.ONSET]
    span[trigger.SPAN_OFFSET] = at
    span[trigger.SPAN_PEAK] = max(floats[PEAK], 1.0)
    span[trigger.SPAN_TRUNCATED] = 1.0 if length >= limits[trigger.LONGEST] else 0.0
    floats[PEAK] = 0.0
    if ints[CHANGE] <= at:
        ints[CHANGE] = NONE
        floats[HIGHEST] = 0.0
    long_enough = length >= limits[trigger.SHORTEST]
    if not long_enough:
        trigger.keep(slots[trigger.ONSET], at, 1000, slots)
    slots[trigger.ONSET] = at
    return bool(long_enough)


@compiled
def flush(memory: int) -> int:
    """End the regime that is open, at a change that is not certain yet if there is."""
    _, limits, ints, floats, _, out = arrays(memory)
    if ints[COUNT] == 0:
        return 0
    slots = ints[TRIGGER:OWN]
    last = -(-ints[COUNT] // limits[TICK])
    found = 0
    if ints[CHANGE] > slots[trigger.ONSET] and end(
        ints[CHANGE], limits, ints, floats, out[found]
    ):
        found += 1
    while last > slots[trigger.ONSET]:
        at = min(last, slots[trigger.ONSET] + limits[trigger.LONGEST])
        if end(at, limits, ints, floats, out[found]):
            found += 1
    slots[trigger.PHASE] = trigger.IDLE
    return found
