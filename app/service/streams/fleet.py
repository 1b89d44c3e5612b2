"""The streams of this process that are taken together, a turn of the loop at a time.

    socket --put(chunk)--> Fleet --turn()--> everything plain, in one kernel call
                                     |
                                     +--> Lane.attend: what is left, stream by stream

A `Lane` is ready while its stream has nothing open but readings.  Everybody who touches
the stream in another way holds the lane first; its socket releases it again.
"""

from __future__ import annotations

import asyncio
import time
from operator import is_not
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from app.detection import direct
from app.domain import FloatArray, Readings
from app.domain.addresses import address
from app.service.notify.hub import Hub
from app.service.streams import turn as one
from app.service.streams.connection import Connection
from app.service.streams.live import LiveStream
from app.wire import closes, plain
from app.wire.actions import Limits
from app.wire.intake import Intake

log = structlog.get_logger()

AT_ONCE_BYTES = 4 * 2**20
"""Chunks that wait for the turn; with more it does not wait."""
LONGEST_FRAME = 2**16
SOME_ROWS = 16


class Shell(Protocol):
    """The socket of a lane."""

    def receive(self, data: bytes) -> None:
        """Take bytes in the careful way."""

    def attend(self) -> None:
        """Look again whether to read, and whether the lane may be released."""


class Fleet:
    """All lanes of a process, and what their sockets received in this turn."""

    def __init__(self, limits: Limits, hub: Hub) -> None:
        self._hub = hub
        self.table = np.zeros((SOME_ROWS, one.FIELDS), np.int64)
        self.numbers = np.zeros((SOME_ROWS, one.NUMBERS))
        self._lanes: dict[int, Lane] = {}
        self._free = list(range(SOME_ROWS))
        longest = min(limits.max_message_bytes, LONGEST_FRAME)
        self._limits = np.array([longest, limits.max_readings, 0])
        self._text = np.zeros(LONGEST_FRAME + plain.PAD, np.uint8)
        self._block = np.zeros(LONGEST_FRAME + plain.PAD, np.uint8)
        self._values: FloatArray = np.empty(0)
        self._times: FloatArray = np.empty(0)
        self._rows: list[int] = []
        self._chunks: list[bytes] = []
        self._n_bytes = 0

    def join(
        self,
        live: LiveStream,
        connection: Connection,
        intake: Intake,
        shell: Shell,
    ) -> Lane:
        """Give a stream a lane; it is not ready yet."""
        if not self._free:
            n = len(self.table)
            self.table = np.concatenate([self.table, np.zeros_like(self.table)])
            self.numbers = np.concatenate([self.numbers, np.zeros_like(self.numbers)])
            self._free = list(range(n, 2 * n))
        lane = Lane(self, self._free.pop(), live, connection, intake, shell)
        self._lanes[lane.row] = lane
        live.lane = connection.lane = lane
        return lane

    def leave(self, row: int) -> None:
        """Give the row away."""
        self.table[row] = 0
        del self._lanes[row]
        self._free.append(row)

    def put(self, row: int, chunk: bytes) -> None:
        """Take bytes of a socket, at the end of this turn of the loop."""
        if not self._rows:
            asyncio.get_running_loop().call_soon(self.turn)
        self._rows.append(row)
        self._chunks.append(chunk)
        self._n_bytes += len(chunk)
        if self._n_bytes > AT_ONCE_BYTES:
            self.turn()

    def waits(self, row: int) -> bool:
        """Whether bytes of a socket wait for the next turn."""
        return row in self._rows

    def turn(self) -> None:
        """Take everything that has come."""
        if not self._rows:
            return
        rows, chunks = self._rows, self._chunks
        self._rows, self._chunks, self._n_bytes = [], [], 0
        due, outcomes = self._take(rows, chunks)
        if not due:
            return
        values, times, lanes = self._values, self._times, self._lanes
        for k in outcomes[:, one.DUE].nonzero()[0].tolist():
            lane = lanes.get(rows[k])
            if lane is not None:
                lane.attend(chunks[k], outcomes[k].tolist(), values, times)

    def warm(self) -> None:
        """Compile the kernel, or load it from numba's cache."""
        self._take([0], [b"not a frame"])

    def _take(
        self, rows: list[int], chunks: list[bytes]
    ) -> tuple[int, NDArray[np.int64]]:
        data = np.frombuffer(b"".join(chunks), np.uint8)
        most = len(data) // 2 + len(chunks)
        if len(self._values) < most:
            self._values, self._times = np.empty(most), np.empty(most)
        self._limits[2] = self._hub.watched
        outcomes = np.empty((len(chunks), one.OUTCOMES), np.int64)
        due = one.turn(
            data,
            np.array([len(chunk) for chunk in chunks]).cumsum(),
            np.array(rows),
            self.table,
            self.numbers,
            self._limits,
            np.array([time.time(), time.monotonic()]),
            self._text,
            self._block,
            self._values,
            self._times,
            outcomes,
        )
        return due, outcomes


class Lane:
    """One stream's place in the fleet, and what holds its arrays alive."""

    __slots__ = (
        "_allowed",
        "_arrays",
        "_clock",
        "_connection",
        "_fleet",
        "_live",
        "_shell",
        "row",
    )

    def __init__(
        self,
        fleet: Fleet,
        row: int,
        live: LiveStream,
        connection: Connection,
        intake: Intake,
        shell: Shell,
    ) -> None:
        self._fleet = fleet
        self.row = row
        self._live = live
        self._connection = connection
        self._shell = shell
        self._clock = intake.clock
        self._arrays: tuple[NDArray[Any], ...] = ()
        self._allowed = 0
        fields, numbers = fleet.table[row], fleet.numbers[row]
        fields[one.FIRST_BYTE] = plain.TEXT if connection.text else plain.BINARY
        fields[one.NUMBERED] = intake.numbered
        fields[one.ARRIVALS] = address(intake.clock.latest_arrival)
        fields[one.WATERMARK] = live.watermark
        fields[one.WINDOW] = connection.window
        fields[one.KEPT] = live.profile.record
        numbers[one.RATE] = live.profile.rate_hz
        numbers[one.LATEST_FIRST] = intake.clock.latest_first

    @property
    def heard(self) -> float:
        """When the last readings were taken here, in seconds of the loop."""
        return float(self._fleet.numbers[self.row, one.HEARD])

    @property
    def ready(self) -> bool:
        """Whether readings may be taken here."""
        return bool(self._fleet.table[self.row, one.READY])

    def put(self, chunk: bytes) -> None:
        """Take bytes, at the end of this turn of the loop."""
        self._fleet.put(self.row, chunk)

    def hold(self) -> None:
        """Take no more readings."""
        self._fleet.table[self.row, one.READY] = 0

    def counted(self) -> int:
        """Give how many messages were taken since this was last asked."""
        allowed = int(self._fleet.table[self.row, one.ALLOWED])
        counted, self._allowed = self._allowed - allowed, allowed
        return counted

    def release(self, allowed: int) -> None:
        """Take readings from now on, if the stream is one that can be taken here.

        Parameters
        ----------
        allowed : int
            Messages until the shell is asked whether they are too many.
        """
        stream = self._live.direct()
        arrays = None if stream is None else stream.arrays()
        if stream is None or arrays is None:
            return
        fields = self._fleet.table[self.row]
        if len(self._arrays) != len(arrays) or any(map(is_not, self._arrays, arrays)):
            direct.write(fields, arrays, stream.constants())
            self._arrays = arrays
        fields[one.PROVISIONAL_AT] = self._live.provisional_at
        fields[one.DIRTY] = self._live.dirty
        fields[one.ALLOWED] = self._allowed = allowed
        fields[one.READY] = 1

    def acknowledged(self, watermark: int) -> None:
        """Hear what is durable."""
        self._fleet.table[self.row, one.WATERMARK] = watermark

    def collect(self) -> int:
        """Give how many readings were taken since this was last asked."""
        fields = self._fleet.table[self.row]
        received = int(fields[one.RECEIVED])
        fields[one.RECEIVED] = fields[one.DIRTY] = 0
        return received

    def leave(self) -> None:
        """Take what has come, and give the place away."""
        self._fleet.turn()
        self._live.part()
        self._connection.lane = None
        self._fleet.leave(self.row)

    def attend(
        self, chunk: bytes, outcome: list[int], values: FloatArray, times: FloatArray
    ) -> None:
        """Do what a turn left to be done."""
        due = outcome[one.DUE]
        try:
            if due & (one.SHOW | one.COMMIT | one.TELL):
                self._tell(outcome, values, times)
        except Exception:
            log.exception("socket_failed", device=self._live.device)
            self._connection.end(closes.FAILED, "a fault of the server")
        if due & one.REST:
            rest = chunk[outcome[one.USED] :]
            if self._fleet.waits(self.row):  # behind what the shell put back meanwhile
                self.put(rest)
            else:
                self._shell.receive(rest)
        elif due & one.LOOK:
            self._shell.attend()

    def _tell(self, outcome: list[int], values: FloatArray, times: FloatArray) -> None:
        live = self._live
        n, at = outcome[one.N], outcome[one.VALUES_AT]
        n_channels = live.profile.n_channels
        taken = values[at : at + n * n_channels].reshape(n, n_channels)
        if outcome[one.DUE] & one.SHOW:
            began = outcome[one.TIMES_AT]
            live.show(
                Readings(
                    live.next_seq - n,
                    taken.astype(np.float32),
                    times[began : began + n].copy(),
                    outcome[one.DEVICE_TIMES] == 1,
                )
            )
        if outcome[one.DUE] & one.TELL:
            newest = taken[n - outcome[one.LAST_N] :]
            self._connection.say(live.stepped(outcome[one.FOUND], newest))
        elif outcome[one.DUE] & one.COMMIT:
            live.touch()
