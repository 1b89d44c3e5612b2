"""Hysteresis: from a characteristic function to spans, one tick at a time.

    idle --(y >= on)--> open --(y <= off)--> closing --(merge gap over)--> idle, span
                          ^                     |
                          +--(y >= on again)----+

A span begins where the function last rose above ``off`` (at most `REACH` ticks back,
never before the end of the span before), and ends where it fell to ``off``.  Two
spans closer than ``MERGE`` are one.  An open span that reaches ``LONGEST`` is cut off
there, and the next may begin on the very next tick.

What rises to half of ``on`` or above and is no event, or is one for too short, is a
near miss; the newest are remembered, so that thresholds can be chosen on evidence.

The state is a slice of `SLOTS` integers and one float (the peak), so that a kernel
keeps it inside its own arrays.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from app.domain import FloatArray
from app.domain.compiled import compiled

IDLE, OPEN, CLOSING = 0, 1, 2
PHASE, RISE, ONSET, END, LAST_END = 0, 1, 2, 3, 4
NEAR_BEGIN, NEAR_PEAK, NEAR_COUNT = 5, 6, 7
NEAR_KEPT = 8
"""Near misses that are remembered, the newest."""
NEAR_FIELDS = 3
"""Of a near miss: begin and end in ticks, how near in thousandths of the threshold."""
NEARS = 8
"""Where they are."""
SLOTS = NEARS + NEAR_KEPT * NEAR_FIELDS
NEAR = 0.5
"""Of the threshold: what comes nearer and is no event is a near miss."""
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
    ints[NEAR_BEGIN] = NEVER
    ints[NEAR_COUNT] = 0


@compiled
def near(share: float, tick: int, ints: NDArray[Any]) -> None:
    """Note how near to its threshold a tick came; nothing while an event is open."""
    if ints[PHASE] != IDLE:
        ints[NEAR_BEGIN] = NEVER
    elif share >= NEAR:
        if ints[NEAR_BEGIN] < 0:
            ints[NEAR_BEGIN] = tick
            ints[NEAR_PEAK] = 0
        ints[NEAR_PEAK] = max(ints[NEAR_PEAK], int(1000 * min(share, 1.0)))
    elif ints[NEAR_BEGIN] >= 0:
        keep(ints[NEAR_BEGIN], tick, ints[NEAR_PEAK], ints)
        ints[NEAR_BEGIN] = NEVER


@compiled
def keep(begin: int, end: int, peak: int, ints: NDArray[Any]) -> None:
    """Remember a near miss in the place of the oldest."""
    at = NEARS + ints[NEAR_COUNT] % NEAR_KEPT * NEAR_FIELDS
    ints[at] = begin
    ints[at + 1] = end
    ints[at + 2] = peak
    ints[NEAR_COUNT] += 1


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
    near(y / on, tick, ints)
    return found


@compiled
def at_rest(y: float, on: float, off: float, ints: NDArray[Any]) -> bool:
    """Say whether `step` would do nothing but forget where the function rose."""
    # `near` divides: that y / on is below one half says the same, to the last bit
    low = y <= off and y < NEAR * on
    return bool(low and ints[PHASE] == IDLE and ints[NEAR_BEGIN] == NEVER)


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
    if not long_enough:
        keep(ints[ONSET], ints[END], 1000, ints)
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
