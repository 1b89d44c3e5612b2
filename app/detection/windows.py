"""Events by rule, for readings that are events already: loans, trades, visits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import trigger
from app.detection.detector import (
    COUNT,
    OWN,
    SPANS_A_CALL,
    TAKEN,
    TRIGGER,
    CompiledDetector,
    Plan,
)
from app.detection.memory import arrays
from app.detection.settings import MOST_OVERLAPPING, number
from app.domain import FloatArray, Json, Span
from app.domain.compiled import compiled

NONE = -1
"""In place of an index: no reading yet."""
LONGEST_STEP = 1e9
"""Seconds between two readings that count at most: a clock gone wild is no overflow."""

# params, in seconds; 0 is unused
HOP_SECONDS, GAP_SECONDS = range(2)
# limits, in readings; SIZE 0 is unused
SIZE, HOP, FEWEST, MOST = range(4)
# ints, behind those of every detector; then the first reading of each pane
CLOSED, SLOT = range(OWN, OWN + 2)
INTS = OWN + 2
# floats
NOW, LAST, PANE = range(3)
FLOATS = 3


def windows(settings: Json, rate_hz: float, n_channels: int) -> Windows:
    """Cut the stream into events by a rule, whatever the values are.

    With ``size_readings`` an event has that many readings, and the next begins
    ``hop_readings`` later.  With ``size_seconds`` windows lie on multiples of
    ``hop_seconds`` since the epoch, by the times of the readings, and one that begins
    without a reading is left out, since the next shows all of it.  Without a hop one
    window begins where the other ends.  With ``gap_seconds`` an event ends where no
    reading comes for longer than that.  Without any of them, every reading is an event.
    A window of ``max_readings`` is cut off there, one of fewer than ``min_readings`` is
    no event; at the end of the stream the oldest open one is closed.  A clock that runs
    backwards stands still.  Memory is constant.

    Parameters
    ----------
    settings : complete settings of kind ``windows``
    rate_hz : float, readings per second
        Of readings without times.
    n_channels : int

    Examples
    --------
    >>> from app.detection.settings import complete
    >>> def cut(times, **rule):
    ...     detector = windows(complete({"kind": "windows", **rule}), 1.0, 1)
    ...     found = detector.update(np.zeros((len(times), 1)), np.array(times))
    ...     return [(s.onset, s.offset) for s in found + detector.flush()]
    >>> cut([0.0, 1.0, 2.0])
    [(0, 1), (1, 2), (2, 3)]
    >>> cut([0.0, 1.0, 2.0, 3.0, 4.0], size_readings=3, hop_readings=2)
    [(0, 3), (2, 5), (4, 5)]
    >>> cut([0.0, 9.0, 11.0, 31.0], size_seconds=10)
    [(0, 2), (2, 3), (3, 4)]
    >>> cut([0.0, 9.0, 11.0, 31.0], gap_seconds=5)
    [(0, 1), (1, 3), (3, 4)]

    References
    ----------
    Akidau et al. (2015), The dataflow model, Proc. VLDB Endow. 8(12), 1792-1803: fixed,
    sliding and session windows.
    """
    size_seconds = number(settings, "size_seconds")
    hop_seconds = number(settings, "hop_seconds") or size_seconds
    size = int(number(settings, "size_readings"))
    gap = number(settings, "gap_seconds")
    if not (size or size_seconds or gap):
        size = 1
    hop = int(number(settings, "hop_readings")) or size
    most = int(number(settings, "max_readings"))
    panes = round(size_seconds / hop_seconds) if size_seconds else 1
    overlapping = panes > 1 or hop < size
    plan = Plan(
        magic=b"WIND",
        version=2,
        step=step,
        flush=flush,
        params=np.array([hop_seconds, gap]),
        limits=np.array(
            [size, hop, int(number(settings, "min_readings")), most], np.int64
        ),
        tick=1,
        look_back=(size or most) if overlapping else 1,
    )
    return Windows(plan, panes, rate_hz)


class Windows(CompiledDetector):
    """The shell around a kernel that reads times only.

    Parameters
    ----------
    plan : Plan
    panes : int > 0
        Hops in a window of `size_seconds`.
    rate_hz : float
    """

    def __init__(self, plan: Plan, panes: int, rate_hz: float) -> None:
        ints = np.zeros(INTS + panes, np.int64)
        ints[INTS:] = NONE
        # one reading may end every window that is open
        super().__init__(
            plan,
            ints,
            np.zeros(FLOATS),
            np.zeros(0, np.float32),
            at_once=MOST_OVERLAPPING + 1,
        )
        self._period = 1.0 / rate_hz

    def update(self, values: FloatArray, times: FloatArray | None = None) -> list[Span]:
        """Take readings (n, n_channels) at those times; give the spans now final."""
        if times is None:
            first = int(self._ints[COUNT])
            numbers = np.arange(first, first + len(values), dtype=np.float64)
            times = numbers * self._period
        return super().update(np.reshape(times, (-1, 1)))


@compiled
def step(values: FloatArray, memory: int) -> int:
    """Take times until all are taken or `out` is full; count the spans found."""
    params, limits, ints, floats, _, out = arrays(memory)
    firsts = ints[INTS:]
    found = 0
    for i in range(ints[TAKEN], values.shape[0]):
        at = ints[COUNT]
        apart = advance(values[i, 0], at, floats)
        if limits[SIZE] == 0 and at > 0:
            if params[GAP_SECONDS] > 0.0:
                if apart > params[GAP_SECONDS]:
                    found += close(0, at, False, limits, ints, out[found])
            else:
                found = close_panes(at, params, limits, ints, floats, out, found)
        elif at == 0 and params[HOP_SECONDS] > 0.0:
            floats[PANE] = math.floor(floats[NOW] / params[HOP_SECONDS])
        ints[COUNT] = at + 1
        if limits[SIZE] > 0:
            firsts[0] = ints[CLOSED] * limits[HOP]
            if at + 1 - firsts[0] == limits[SIZE]:
                found += close(0, at + 1, False, limits, ints, out[found])
                ints[CLOSED] += 1
                first = ints[CLOSED] * limits[HOP]
                firsts[0] = first if first <= at else NONE
        else:
            if firsts[ints[SLOT]] == NONE:
                firsts[ints[SLOT]] = at
            for pane in range(firsts.size):
                if firsts[pane] != NONE and at + 1 - firsts[pane] >= limits[MOST]:
                    found += close(pane, at + 1, True, limits, ints, out[found])
        say_open(ints, firsts)
        if found >= SPANS_A_CALL:
            ints[TAKEN] = i + 1
            return found
    return found


@compiled
def advance(time: float, at: int, floats: FloatArray) -> float:
    """Move the clock, which never runs backwards; give the seconds since before."""
    if at == 0:
        floats[NOW] = min(max(time, 0.0), LONGEST_STEP * LONGEST_STEP)
        if not math.isfinite(floats[NOW]):
            floats[NOW] = 0.0
        floats[LAST] = time
        return 0.0
    apart = time - floats[LAST]
    apart = min(apart, LONGEST_STEP) if apart > 0.0 else 0.0
    floats[LAST] = time
    floats[NOW] += apart
    return apart


@compiled
def close_panes(
    at: int,
    params: FloatArray,
    limits: NDArray[Any],
    ints: NDArray[Any],
    floats: FloatArray,
    out: FloatArray,
    found: int,
) -> int:
    """End the windows that end before this reading; count the spans with `found`."""
    firsts = ints[INTS:]
    pane = math.floor(floats[NOW] / params[HOP_SECONDS])
    passed = int(min(pane - floats[PANE], firsts.size))
    floats[PANE] = pane
    for _ in range(passed):
        # the oldest pane: its window ends, and its place is the next pane's
        ints[SLOT] = (ints[SLOT] + 1) % firsts.size
        found += close(ints[SLOT], at, False, limits, ints, out[found])
    return found


@compiled
def close(
    pane: int,
    end: int,
    truncated: bool,
    limits: NDArray[Any],
    ints: NDArray[Any],
    span: FloatArray,
) -> int:
    """End the window that begins with a pane; 1 if it is an event.

    One of half of the fewest readings or more, but not as many, is a near miss.
    """
    first = ints[INTS + pane]
    ints[INTS + pane] = NONE
    if first == NONE:
        return 0
    if end - first < limits[FEWEST]:
        share = (end - first) / limits[FEWEST]
        if share >= trigger.NEAR:
            trigger.keep(first, end, int(1000 * share), ints[TRIGGER:OWN])
        return 0
    span[trigger.SPAN_ONSET] = first
    span[trigger.SPAN_OFFSET] = end
    span[trigger.SPAN_PEAK] = end - first
    span[trigger.SPAN_TRUNCATED] = 1.0 if truncated else 0.0
    return 1


@compiled
def say_open(ints: NDArray[Any], firsts: NDArray[Any]) -> None:
    """Say as a trigger would where the oldest open window began."""
    oldest = NONE
    for first in firsts:
        if first != NONE and (oldest == NONE or first < oldest):
            oldest = first
    ints[TRIGGER + trigger.PHASE] = trigger.IDLE if oldest == NONE else trigger.OPEN
    ints[TRIGGER + trigger.ONSET] = oldest


@compiled
def flush(memory: int) -> int:
    """Close the oldest window that is open: it shows all that the others would."""
    _, limits, ints, _, _, out = arrays(memory)
    firsts = ints[INTS:]
    oldest = 0
    for pane in range(firsts.size):
        if firsts[pane] != NONE and (
            firsts[oldest] == NONE or firsts[pane] < firsts[oldest]
        ):
            oldest = pane
    found = close(oldest, ints[COUNT], False, limits, ints, out[0])
    ints[TRIGGER + trigger.PHASE] = trigger.IDLE
    return found
