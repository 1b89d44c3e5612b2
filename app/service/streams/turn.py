"""What one turn of the event loop brought for all sockets, in one compiled call.

For each chunk of bytes that a socket gave, in order: frames are found, unmasked and
read, numbered, timed, cleaned, kept and detected, as long as they are what nearly all
are.  A stream's row says where its arrays are; what is not plain is left, with
everything that follows it in the chunk, to the objects that do the same with every
rule (`DeviceSocket.receive`), and so is the row until `READY` is set again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import direct
from app.domain import FloatArray
from app.domain.addresses import float64_at
from app.domain.compiled import compiled
from app.wire import plain
from app.wire.messages import MAX_SEQ

# a row of `table`, behind what `direct` keeps there
(
    READY,
    FIRST_BYTE,
    NUMBERED,
    ARRIVALS,
    WATERMARK,
    WINDOW,
    PROVISIONAL_AT,
    DIRTY,
    RECEIVED,
    ALLOWED,
    KEPT,
) = range(direct.FIELDS, direct.FIELDS + 11)
FIELDS = direct.FIELDS + 11
# a row of `numbers`
RATE, LATEST_FIRST, HEARD = range(3)
NUMBERS = 3
# a row of `outcomes`: what is due, and where the chunk's readings are
DUE, USED, N, LAST_N, VALUES_AT, TIMES_AT, FOUND, DEVICE_TIMES = range(8)
OUTCOMES = 8
# what may be due
SHOW, COMMIT, TELL, LOOK, REST = 1, 2, 4, 8, 16
"""Somebody wants the readings; there is something to commit, for the first time since
the last; there is something to tell; the row is no longer ready; bytes are left."""


@compiled
def turn(
    data: NDArray[Any],
    ends: NDArray[Any],
    rows: NDArray[Any],
    table: NDArray[Any],
    numbers: FloatArray,
    limits: NDArray[Any],
    clocks: FloatArray,
    text: NDArray[Any],
    block: NDArray[Any],
    values: FloatArray,
    times: FloatArray,
    outcomes: NDArray[Any],
) -> int:
    """Take all chunks; count those with something due.

    Parameters
    ----------
    data : uint8, all chunks in a row
    ends : (n,) where each ends
    rows : (n,) of which stream each is, a row of `table`
    table : int64 (., FIELDS)
    numbers : float64 (., NUMBERS)
    limits : (3,) most bytes and most readings of a message; whether all are watched
    clocks : (2,) seconds since the epoch; seconds of the loop
    text, block : uint8, longer than the longest chunk by `plain.PAD`; scratch
    values : float64, half as long as `data`: filled in, readings one after another
    times : the same, one for each reading
    outcomes : int64 (n, OUTCOMES), filled in
    """
    said = np.empty(plain.SAID)
    begin, values_at, times_at, due = 0, 0, 0, 0
    for k in range(ends.size):
        row, number, outcome = table[rows[k]], numbers[rows[k]], outcomes[k]
        outcome[:] = 0
        outcome[VALUES_AT], outcome[TIMES_AT] = values_at, times_at
        outcome[DEVICE_TIMES] = -1
        at, end = begin, ends[k]
        while at < end and row[READY] == 1:
            body, size = plain.frame(data, at, end, row[FIRST_BYTE], limits[0])
            if size == 0 or row[ALLOWED] <= 0:
                break
            plain.unmask(data, body, size, text)
            n = _read(row, text, size, values[values_at:], said, block, limits[1])
            if n == 0 or not _time(row, number, n, said, clocks[0], times[times_at:]):
                break
            device_times = 0 if np.isnan(said[plain.TIME]) else 1
            if outcome[N] > 0 and outcome[DEVICE_TIMES] != device_times:
                break
            n_values = n * row[direct.CHANNELS]
            before = direct.onset(row)
            found = direct.take(
                row,
                values[values_at : values_at + n_values].reshape(n, -1),
                times[times_at : times_at + n],
                device_times == 1,
            )
            if found < 0:
                break
            if device_times == 0:
                float64_at(row[ARRIVALS], 1)[0] = times[times_at + n - 1]
            at = body + size
            values_at += n_values
            times_at += n
            row[RECEIVED] += n
            row[ALLOWED] -= 1
            outcome[N] += n
            outcome[LAST_N] = n
            outcome[FOUND] = found
            outcome[DEVICE_TIMES] = device_times
            following = direct.next_seq(row)
            full = following - 1 - row[WATERMARK] >= row[WINDOW]
            spoke = found > 0 or direct.onset(row) != before
            if spoke or following >= row[PROVISIONAL_AT]:
                row[READY] = 0
                outcome[DUE] |= TELL | LOOK
            elif full:
                row[READY] = 0
                outcome[DUE] |= LOOK
            if row[DIRTY] == 0:
                row[DIRTY] = 1
                outcome[DUE] |= COMMIT
        if at > begin:
            number[HEARD] = clocks[1]
            if row[KEPT] == 1 or limits[2] == 1:
                outcome[DUE] |= SHOW
        if at < end:
            row[READY] = 0
            outcome[DUE] |= REST
        outcome[USED] = at - begin
        due += outcome[DUE] != 0
        begin = end
    return due


@compiled
def _read(
    row: NDArray[Any],
    text: NDArray[Any],
    size: int,
    values: FloatArray,
    said: FloatArray,
    block: NDArray[Any],
    most: int,
) -> int:
    """Read a message whose readings come next; give how many, 0 if it is not plain."""
    n_channels = row[direct.CHANNELS]
    if values.size < size // 2 + 1:
        return 0
    if row[FIRST_BYTE] == plain.TEXT:
        n = plain.json_readings(text, size, values, said)
        if n == 0 or said[plain.COLUMNS] != n_channels:
            return 0
    else:
        n_values = plain.msgpack_readings(text, size, values, said, block)
        n = n_values // n_channels
        counted = said[plain.COLUMNS]
        if n * n_channels != n_values or (counted > 0 and counted != n):
            return 0
    following = direct.next_seq(row)
    expected = following if row[NUMBERED] == 1 else -1
    if n > most or said[plain.SEQ] != expected or following + n - 1 > MAX_SEQ:
        return 0
    return n


@compiled
def _time(
    row: NDArray[Any],
    number: FloatArray,
    n: int,
    said: FloatArray,
    now: float,
    times: FloatArray,
) -> bool:
    """Give `n` readings their times, as `values.Clock` would; False if it may not."""
    if times.size < n:
        return False
    rate, first = number[RATE], said[plain.TIME]
    if np.isnan(first):
        latest = float64_at(row[ARRIVALS], 1)[0]
        if n == 1:
            times[0] = max(now, latest)
            return True
        begun = now - (n - 1) / rate
        late = begun < latest  # as `Clock` does, all or none are looked at
        for i in range(n):
            times[i] = i / rate + begun
            if late and times[i] < latest:
                times[i] = latest
        return True
    if not 0.0 <= first <= number[LATEST_FIRST]:
        return False
    times[0] = first
    for i in range(1, n):
        times[i] = i / rate + first
    return True
