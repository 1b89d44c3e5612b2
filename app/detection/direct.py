"""The usual step of a stream without its objects: readings with nothing to mend.

A stream that could take its next readings like that writes down where its arrays are
(`write`); then a kernel that serves many streams in one call takes them with
`take`, which does to the arrays what `Stream.receive` would.  It changes nothing and
says so where anything is to be mended, cut off or made room for beyond what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import clean, energy, trigger
from app.detection import held as holding
from app.detection.detector import TRIGGER
from app.detection.held import SMALLEST
from app.detection.memory import arrays as kernel_arrays
from app.domain import FloatArray
from app.domain.addresses import address, bool_at, float32_at, float64_at, int64_at
from app.domain.compiled import compiled

# a stream's row: where its arrays are, in the order of `Stream.arrays`
NEXT_SEQ, HELD, HELD_TIMES, HELD_JUMPED, HELD_MARKS, HELD_BEFORE = range(6)
CLOCK, COUNTERS, LIMITS, GOOD, DETECTOR = range(6, 11)
ARRAYS = 11
# then how many readings may be held, and what `Stream.constants` says
HELD_ROWS = 11
CHANNELS, LOOK_BACK, PRE, TICK = range(12, 16)
FIELDS = 16

NOT_PLAIN = -1


def write(
    row: NDArray[np.int64], arrays: Sequence[NDArray[Any]], constants: Sequence[int]
) -> None:
    """Write down a stream's `arrays` and `constants`."""
    row[:ARRAYS] = [address(array) for array in arrays]
    row[HELD_ROWS] = arrays[HELD_TIMES].size
    row[CHANNELS:FIELDS] = constants


@compiled
def next_seq(row: NDArray[Any]) -> Any:
    """Give the number of the next reading to come."""
    return int64_at(row[NEXT_SEQ], 1)[0]


@compiled
def onset(row: NDArray[Any]) -> Any:
    """Give the tick at which the open event began, -1 if there is none."""
    _, _, slots, _, _, _ = kernel_arrays(row[DETECTOR])
    if slots[TRIGGER + trigger.PHASE] == trigger.IDLE:
        return -1
    return slots[TRIGGER + trigger.ONSET]


@compiled
def take(
    row: NDArray[Any], values: FloatArray, times: FloatArray, device_times: bool
) -> int:
    """Take the next readings of a stream.

    Parameters
    ----------
    row : int64 (FIELDS,)
    values : float64 (n, n_channels), each a float32
    times : float64 (n,) seconds since the epoch
    device_times : bool
        Whether the device said them.

    Returns
    -------
    int
        How many spans are now in the detector's `out`; `NOT_PLAIN` if nothing was done.
    """
    n, n_channels = values.shape
    clock = float64_at(row[CLOCK], 4)
    counters = int64_at(row[COUNTERS], clean.COUNTERS * n_channels)
    for c in range(n_channels):
        missing = counters[clean.RUN * n_channels + c] != 0
        if missing or counters[clean.ALIVE * n_channels + c] != 1:
            return NOT_PLAIN
    limits = float32_at(row[LIMITS], 2 * n_channels).reshape(2, n_channels)
    before = clock[0] if device_times else np.nan
    for i in range(n):
        for c in range(n_channels):
            if not clean.is_good(values[i, c], c, limits):
                return NOT_PLAIN
        if times[i] - before > clock[1]:
            return NOT_PLAIN
        if device_times:
            before = times[i]
    if not _make_room(row, n):
        return NOT_PLAIN
    # From here on it is done.
    marks = int64_at(row[HELD_MARKS], holding.MARKS)
    end = marks[holding.END]
    held = float32_at(row[HELD], row[HELD_ROWS] * n_channels)
    held_times = float64_at(row[HELD_TIMES], row[HELD_ROWS])
    jumped = bool_at(row[HELD_JUMPED], row[HELD_ROWS])
    before = clock[0] if device_times else np.nan
    for i in range(n):
        for c in range(n_channels):
            held[(end + i) * n_channels + c] = values[i, c]
        held_times[end + i] = times[i]
        apart = times[i] - before
        jumped[end + i] = apart < 0.0 or apart > clock[2]
        if device_times:
            before = times[i]
    clock[0] = before
    clock[3] = 1.0 if device_times else 0.0
    good = float32_at(row[GOOD], n_channels)
    for c in range(n_channels):
        good[c] = values[n - 1, c]
    marks[holding.END] = end + n
    int64_at(row[NEXT_SEQ], 1)[0] += n
    return energy.step(values, row[DETECTOR])


@compiled
def _make_room(row: NDArray[Any], n: int) -> bool:
    """Have room for `n` readings in what is held, as `Segment.reserve` would."""
    marks = int64_at(row[HELD_MARKS], holding.MARKS)
    rows = row[HELD_ROWS]
    if marks[holding.END] + n <= rows:
        return True
    newest = marks[holding.FIRST] + marks[holding.END] - marks[holding.START]
    needed = newest - row[LOOK_BACK]
    opened = onset(row)
    if opened >= 0:
        needed = min(needed, opened * row[TICK])
    drop = max(0, needed - row[PRE]) - marks[holding.FIRST]
    size = newest - marks[holding.FIRST] - max(drop, 0)
    room = max(SMALLEST, 2 * (size + n))
    if not room <= rows <= 4 * room:
        return False
    n_channels = row[CHANNELS]
    held = float32_at(row[HELD], rows * n_channels).reshape(-1, n_channels)
    start = marks[holding.START]
    if drop > 0:
        last = float32_at(row[HELD_BEFORE], n_channels)
        holding.newest(held, start, start + drop, last)
        start += drop
        marks[holding.FIRST] += drop
    held_times = float64_at(row[HELD_TIMES], rows)
    jumped = bool_at(row[HELD_JUMPED], rows)
    holding.move(held, held_times, jumped, start, size)
    marks[holding.START], marks[holding.END] = 0, size
    return True
