"""The latest readings of a stream, as far back as an event may still need them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled

SMALLEST = 64
"""Rows to begin with: an idle stream should cost little."""
NOWHERE: NDArray[np.int64] = np.empty(0, np.int64)
START, END, FIRST = range(3)
MARKS = 3


class HeldReadings:
    """Readings as they came (missing: NaN), by index; the oldest can be dropped.

    Parameters
    ----------
    n_channels : int
    """

    def __init__(self, n_channels: int) -> None:
        self.values: Float32Array = np.empty((SMALLEST, n_channels), np.float32)
        self.times: FloatArray = np.empty(SMALLEST)
        self.jumped: NDArray[np.bool_] = np.empty(SMALLEST, np.bool_)
        self.marks: NDArray[np.int64] = np.zeros(MARKS, np.int64)
        """What the three properties below say, where a kernel reaches it."""
        self.last_before: Float32Array = np.full(n_channels, np.nan, np.float32)
        """The cleaned values of the reading before the oldest; NaN where dead."""

    @property
    def start(self) -> int:
        """Row of the oldest reading held."""
        return int(self.marks[START])

    @property
    def end(self) -> int:
        """Row behind the newest reading: where `clean.advance` writes."""
        return int(self.marks[END])

    @property
    def first(self) -> int:
        """Index of the oldest reading held."""
        return int(self.marks[FIRST])

    @property
    def next(self) -> int:
        """Index behind the newest reading."""
        start, end, first = self.marks.tolist()
        return int(first + end - start)

    def clear(self, index: int, living: Float32Array) -> None:
        """Drop everything; the next reading is `index`.

        `living` has the channels' last values, NaN where a channel is dead.
        """
        self.marks[:] = 0, 0, index
        self.last_before[...] = living

    def full(self, n: int) -> bool:
        """Whether `n` more readings need room to be made."""
        return self.end + n > len(self.times)

    def reserve(self, n: int) -> None:
        """Make room for `n` more rows behind `end`."""
        if not self.full(n):
            return
        size = self.end - self.start
        room = max(SMALLEST, 2 * (size + n))
        if room <= len(self.times) <= 4 * room:
            room = len(self.times)
        if room == len(self.times):
            move(self.values, self.times, self.jumped, self.start, size)
        else:
            keep = slice(self.start, self.end)
            values = np.empty((room, self.values.shape[1]), np.float32)
            times = np.empty(room)
            jumped = np.empty(room, np.bool_)
            values[:size] = self.values[keep]
            times[:size] = self.times[keep]
            jumped[:size] = self.jumped[keep]
            self.values, self.times, self.jumped = values, times, jumped
        self.marks[START], self.marks[END] = 0, size

    def drop(self, index: int) -> None:
        """Forget the readings before `index`; costs a pass, so seldom."""
        n = min(index, self.next) - self.first
        if n <= 0:
            return
        self.last_before[...] = self.before(self.first + n)
        self.marks[START] += n
        self.marks[FIRST] += n

    def before(self, index: int) -> Float32Array:
        """Give the cleaned values of the reading before `index`, NaN where dead."""
        last = self.last_before.copy()
        newest(self.values, self.start, self.start + index - self.first, last)
        return last

    def cleaned(self, first: int, last: int) -> tuple[Float32Array, bool]:
        """Give readings ``[first, last)`` with missing values held, and whether any."""
        at = self.start - self.first
        rows = self.values[at + first : at + last]
        filled = np.empty_like(rows)
        repaired = fill(rows, self.before(first), filled)
        return filled, bool(repaired)

    def raw(self, first: int, last: int) -> tuple[Float32Array, FloatArray]:
        """Give readings ``[first, last)`` as they came, and their times."""
        rows = slice(self.start + first - self.first, self.start + last - self.first)
        return self.values[rows].copy(), self.times[rows].copy()

    def time(self, index: int) -> float:
        """Give the time of one reading, seconds since the epoch."""
        return float(self.times[self.start + index - self.first])

    def jumps(self, first: int, last: int) -> NDArray[np.int64]:
        """Give the indices in ``[first, last)`` at which the clock jumped."""
        rows = slice(self.start + first - self.first, self.start + last - self.first)
        jumped = self.jumped[rows]
        if True not in jumped.tobytes():  # nearly always, and ten times as quick
            return NOWHERE
        return np.flatnonzero(jumped).astype(np.int64) + first

    def put(
        self, values: Float32Array, times: FloatArray, jumps: NDArray[np.int64]
    ) -> None:
        """Append readings as they came; `jumps` are indices."""
        n = len(times)
        self.reserve(n)
        rows = slice(self.end, self.end + n)
        at = self.next
        self.values[rows] = np.where(np.isfinite(values), values, np.float32(np.nan))
        self.times[rows] = times
        self.jumped[rows] = False
        self.jumped[jumps - at + self.end] = True
        self.marks[END] += n


@compiled
def move(
    values: Float32Array, times: FloatArray, jumped: NDArray[Any], start: int, n: int
) -> None:
    """Move `n` rows from `start` to the beginning."""
    for i in range(n):
        for c in range(values.shape[1]):
            values[i, c] = values[start + i, c]
        times[i] = times[start + i]
        jumped[i] = jumped[start + i]


@compiled
def newest(held: Float32Array, start: int, end: int, last: Float32Array) -> None:
    """Bring `last`, the values before row `start`, up to before row `end`.

    Missing values are NaN in `held`; a dead channel stays NaN in `last`.
    """
    for c in range(last.size):
        if not math.isnan(last[c]):
            for i in range(end - 1, start - 1, -1):
                if not math.isnan(held[i, c]):
                    last[c] = held[i, c]
                    break


@compiled
def fill(held: Float32Array, before: Float32Array, filled: Float32Array) -> bool:
    """Write readings with every missing value held; True if there was one.

    Parameters
    ----------
    held : (n, n_channels), missing values are NaN
    before : (n_channels,) values of the reading before; NaN for a dead channel
    filled : (n, n_channels), filled in
    """
    repaired = False
    for c in range(held.shape[1]):
        last = before[c]
        dead = math.isnan(last)
        for i in range(held.shape[0]):
            v = held[i, c]
            if not math.isnan(v):
                last = v
            elif not dead:
                repaired = True
            filled[i, c] = 0.0 if dead else last
    return repaired
