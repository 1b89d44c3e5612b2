"""Hysteresis: from a characteristic function to spans, one tick at a time.

    idle --(y >= on)--> open --(y <= off)--> closing --(merge gap over)--> idle, span
                          ^                     |
                          +--(y >= on again)----+

A span begins where the function last rose above ``off`` (at most `REACH` ticks back,
never before the end of the span before), and ends where it fell to ``off``.  Two
spans closer than ``MERGE`` are one.  An open span that reaches ``LONGEST`` is cut off
there, and the next may begin on the very next tick.

The state is a slice of `SLOTS` integers and one float (the peak), so that a kernel
keeps it inside its own arrays.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from app.detection.compiled import compiled
from app.domain import FloatArray

IDLE, OPEN, CLOSING = 0, 1, 2
PHASE, RISE, ONSET, END, LAST_END = 0, 1, 2, 3, 4
SLOTS = 5
SHORTEST, LONGEST, MERGE, REACH = 0, 1, 2, 3
LIMITS = 4
SPAN_ONSET, SPAN_OFFSET, SPAN_PEAK, SPAN_TRUNCATED, SPAN_STUCK = range(5)
SPAN_FIELDS = 5
NEVER = -1


@compiled
def start(ints: NDArray[Any]) -> None:
    """Write the state of a trigger that has seen nothing."""
    ints[PHASE] = IDLE
    ints[RISE] = NEVER
    ints[ONSET] = NEVER
    ints[END] = NEVER
    ints[LAST_END] = 0


@compiled
def step(
    y: float,
    on: float,
    off: float,
    tick: int,
    ints: NDArray[Any],
    peak: FloatArray,
    limits: NDArray[Any],
    span: FloatArray,
) -> bool:
    """Take the value of one tick; True when `span` was filled in."""
    found = False
    if y <= off:
        ints[RISE] = NEVER
    elif ints[RISE] < 0:
        ints[RISE] = tick
    begin = tick
    if ints[RISE] >= 0:
        begin = max(ints[RISE], tick - limits[REACH], ints[LAST_END])
    if ints[PHASE] == OPEN:
        if y <= off:
            ints[PHASE] = CLOSING
            ints[END] = tick
        elif y > peak[0]:
            peak[0] = y
    elif ints[PHASE] == CLOSING:
        apart = begin - ints[END] > limits[MERGE]
        if apart or tick - ints[ONSET] >= limits[LONGEST]:
            found = finish(ints, peak, limits, span)
            begin = max(begin, ints[LAST_END])
        elif y >= on:
            ints[PHASE] = OPEN
            peak[0] = max(peak[0], y)
    if ints[PHASE] == IDLE and y >= on and y > off:
        ints[PHASE] = OPEN
        ints[ONSET] = begin
        peak[0] = y
    if ints[PHASE] == OPEN and tick + 1 - ints[ONSET] >= limits[LONGEST]:
        # A span was found in this tick only if it ended before this one began.
        ints[END] = ints[ONSET] + limits[LONGEST]
        write(ints, peak, True, span)
        found = True
    return found


@compiled
def write(
    ints: NDArray[Any], peak: FloatArray, truncated: bool, span: FloatArray
) -> None:
    """Hand over the span that ends at END and be idle."""
    span[SPAN_ONSET] = ints[ONSET]
    span[SPAN_OFFSET] = ints[END]
    span[SPAN_PEAK] = peak[0]
    span[SPAN_TRUNCATED] = 1.0 if truncated else 0.0
    ints[PHASE] = IDLE
    ints[LAST_END] = ints[END]
    ints[RISE] = NEVER


@compiled
def finish(
    ints: NDArray[Any], peak: FloatArray, limits: NDArray[Any], span: FloatArray
) -> bool:
    """Close a span whose end is known; False if it was too short to count."""
    long_enough = ints[END] - ints[ONSET] >= limits[SHORTEST]
    rise = ints[RISE]
    write(ints, peak, False, span)
    ints[RISE] = rise
    return bool(long_enough)


@compiled
def flush(
    tick: int,
    ints: NDArray[Any],
    peak: FloatArray,
    limits: NDArray[Any],
    span: FloatArray,
) -> bool:
    """End of the stream before `tick`: close what is open; True if that is a span."""
    if ints[PHASE] == IDLE:
        return False
    if ints[PHASE] == OPEN:
        ints[END] = min(tick, ints[ONSET] + limits[LONGEST])
    return finish(ints, peak, limits, span)
