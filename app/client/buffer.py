"""What a device keeps until the server says that it is durable.  No I/O.

acked+1          sent                next_seq
   |--- in flight --|---- to send ------|
   ack() drops from the left;  resume() makes all of it "to send" again;
   drop_oldest() turns the left end into a gap, which is said as `skip`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from app.client.pieces import Chunk, Piece, join
from app.domain import Float32Array, FloatArray, Gap
from app.errors import Conflict

OVERFLOW = "overflow"
REGRESSED = "server_regressed"
RESTARTED = "device_restarted"


class Journal(Protocol):
    """Keeps pieces beyond the end of the process."""

    def add(self, piece: Piece) -> None:
        """Keep a new piece."""

    def forget(self, acked: int, before: int) -> None:
        """Note what is acknowledged; drop pieces that end at or before `before`."""

    def renumber(self, first_seq: int, pieces: Sequence[Piece]) -> None:
        """Replace all pieces from `first_seq` on."""


class Buffer:
    """Numbered readings of one boot, from the first that may be needed again.

    Parameters
    ----------
    boot : str
        What the numbers count from.
    acked : int >= 0
        The last number known to be durable.
    pieces : sequence of Chunk or Gap
        What a former run left behind, in order.
    journal : Journal or None
        Told of every change; None keeps everything in memory only.
    """

    def __init__(
        self,
        boot: str,
        *,
        acked: int = 0,
        pieces: Sequence[Piece] = (),
        journal: Journal | None = None,
    ) -> None:
        self.boot = boot
        self.acked = acked
        self._unsent: deque[Piece] = deque(pieces)
        self._in_flight: deque[Piece] = deque()
        self._journal = journal
        self.next_seq = pieces[-1].next_seq if pieces else acked + 1
        self.sent = self._most_sent = acked
        self._held = sum(len(p) for p in pieces if isinstance(p, Chunk))
        self._fresh_from: int | None = self.next_seq
        self.skipped = 0
        if self.next_seq > 1:
            self.gap(1, RESTARTED)

    @property
    def held(self) -> int:
        """Readings that are kept."""
        return self._held

    @property
    def empty(self) -> bool:
        """Whether everything is acknowledged."""
        return self.acked + 1 == self.next_seq

    @property
    def all_sent(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._unsent

    def add(self, values: Float32Array, times: FloatArray | None = None) -> int:
        """Give new readings their numbers; return the first one.

        Parameters
        ----------
        values : float32 array (n_readings, n_channels)
        times : float64 array (n_readings,) or (1,), seconds since the epoch, or None
        """
        return self._append(Chunk(self.next_seq, values, times))

    def gap(self, n_readings: int, why: str) -> int:
        """Leave out readings that were made but will never come."""
        self.skipped += n_readings
        return self._append(Gap(self.next_seq, self.next_seq + n_readings, why))

    def drop_oldest(self, capacity: int) -> int:
        """Give up the oldest readings until `capacity` is kept; return how many."""
        first = to = self._first()
        before = self._held
        while self._held > capacity and len(self._in_flight) + len(self._unsent) > 1:
            piece = (self._in_flight or self._unsent).popleft()
            to = piece.next_seq
            if isinstance(piece, Chunk):
                self._held -= len(piece)
        if to > first:
            line = self._in_flight if to <= self.sent + 1 else self._unsent
            line.appendleft(Gap(first, to, OVERFLOW))
            if self._journal:
                self._journal.forget(self.acked, to)
        self.skipped += before - self._held
        return before - self._held

    def take(self, most: int, window: int, rate_hz: float) -> Piece | None:
        """Hand out what to send next; None if nothing, or if the window is full.

        Parameters
        ----------
        most : int > 0
            Readings of one message.
        window : int > 0
            Readings that may be unacknowledged.
        rate_hz : float > 0
            Spaces readings of which only the first has a time.
        """
        if not self._unsent:
            return None
        if isinstance(self._unsent[0], Gap):
            piece: Piece = self._unsent.popleft()
            self._in_flight.append(piece)
        else:
            room = min(most, window - (self.sent - self.acked))
            if room <= 0:
                return None
            chunks = self._gather(room, rate_hz)
            self._in_flight.extend(chunks)
            piece = join(chunks)
        self.sent = piece.next_seq - 1
        self._most_sent = max(self._most_sent, self.sent)
        return piece

    def ack(self, ack: int) -> None:
        """Forget what is durable.

        Raises
        ------
        Conflict
            If it was never sent: then two devices share a boot.
        """
        if ack > self._most_sent:
            raise Conflict(
                f"the server has reading {ack} of boot {self.boot!r}, but "
                f"{self._most_sent} was the last that was sent: is the boot in use "
                "elsewhere?"
            )
        if ack > self.acked:
            self.acked = ack
            self.sent = max(self.sent, ack)
            self._prune()

    def resume(self, ack: int, rate_hz: float) -> None:
        """Go on from where the server stands: all that it does not have is unsent.

        Readings of this run that were never sent are renumbered when the server has
        their numbers already: a former run sent more than its journal remembers.

        Raises
        ------
        Conflict
            If the server has more than this run has ever sent.
        """
        if self._fresh_from is not None:
            if ack >= self._fresh_from:
                self._renumber(self._fresh_from, ack + 1 - self._fresh_from)
            self._most_sent = max(self._most_sent, ack)
            self._fresh_from = None
        why = REGRESSED if ack < self.acked else OVERFLOW
        self._unsent.extendleft(reversed(self._in_flight))
        self._in_flight.clear()
        self.ack(ack)
        self.acked = self.sent = ack
        if self._first() > ack + 1:
            self._unsent.appendleft(Gap(ack + 1, self._first(), why))
        elif self._unsent:
            self._trim(self._unsent.popleft(), rate_hz)

    def rewind(self, seq: int) -> None:
        """Send again from reading `seq` on, as far as it is still kept."""
        while self._in_flight and self._in_flight[-1].next_seq > seq:
            self._unsent.appendleft(self._in_flight.pop())
            self.sent = self._unsent[0].first_seq - 1

    def _append(self, piece: Piece) -> int:
        self._unsent.append(piece)
        self.next_seq = piece.next_seq
        if isinstance(piece, Chunk):
            self._held += len(piece)
        if self._journal:
            self._journal.add(piece)
        return piece.first_seq

    def _first(self) -> int:
        line = self._in_flight or self._unsent
        return line[0].first_seq if line else self.next_seq

    def _gather(self, most: int, rate_hz: float) -> list[Chunk]:
        """Take chunks off the unsent ones that make one message of at most `most`."""
        gathered: list[Chunk] = []
        while most and self._unsent:
            chunk = self._unsent[0]
            if isinstance(chunk, Gap):
                break
            if gathered and not chunk.follows(gathered[-1]):
                break
            self._unsent.popleft()
            if len(chunk) > most:
                cut = chunk.first_seq + most
                self._unsent.appendleft(chunk.part(cut, chunk.next_seq, rate_hz))
                chunk = chunk.part(chunk.first_seq, cut, rate_hz)
            gathered.append(chunk)
            most -= len(chunk)
        return gathered

    def _prune(self) -> None:
        for line in (self._in_flight, self._unsent):
            while line and line[0].next_seq <= self.acked + 1:
                piece = line.popleft()
                if isinstance(piece, Chunk):
                    self._held -= len(piece)
        if self._journal:
            self._journal.forget(self.acked, self.acked + 1)

    def _trim(self, piece: Piece, rate_hz: float) -> None:
        """Put the first piece back without what the server has of it."""
        if piece.first_seq <= self.acked:
            begin = self.acked + 1
            if isinstance(piece, Chunk):
                self._held -= begin - piece.first_seq
                piece = piece.part(begin, piece.next_seq, rate_hz)
            else:
                piece = Gap(begin, piece.next_seq, piece.why)
        self._unsent.appendleft(piece)

    def _renumber(self, first_seq: int, by: int) -> None:
        moved: list[Piece] = []
        for piece in self._unsent:
            if piece.next_seq <= first_seq:
                moved.append(piece)
            elif isinstance(piece, Chunk):
                moved.append(replace(piece, first_seq=piece.first_seq + by))
            else:
                begin = piece.first_seq + (by if piece.first_seq >= first_seq else 0)
                moved.append(Gap(begin, piece.next_seq + by, piece.why))
        self._unsent = deque(moved)
        self.next_seq += by
        if self._journal:
            fresh = [piece for piece in moved if piece.next_seq > first_seq]
            self._journal.renumber(first_seq, fresh)
