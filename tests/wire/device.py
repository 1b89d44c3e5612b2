"""The device's side of the resume tests: the client's own buffer, without any line."""

import numpy as np

from app.client.buffer import Buffer
from app.client.pieces import Chunk, Piece, message
from app.wire.frames import MSGPACK

BOOT = "b"


class MemoryJournal:
    """What a file would keep."""

    def __init__(self) -> None:
        self.acked, self.pieces = 0, list[Piece]()

    def add(self, piece: Piece) -> None:
        self.pieces.append(piece)

    def forget(self, acked: int, before: int) -> None:
        self.acked = acked
        self.pieces = [p for p in self.pieces if p.next_seq > before]

    def renumber(self, first_seq: int, pieces: list[Piece]) -> None:
        self.pieces = [p for p in self.pieces if p.first_seq < first_seq] + list(pieces)


class ForgetfulBuffer(Buffer):
    """A planted fault: forgets what is sent, not what is durable."""

    def take(self, most: int, window: int, rate_hz: float) -> Piece | None:
        piece = super().take(most, window, rate_hz)
        self._in_flight.clear()
        return piece


class Device:
    """A buffer, and what it ever said."""

    def __init__(self, fault: str) -> None:
        self.journal = MemoryJournal()
        kind = ForgetfulBuffer if fault == "device_forgets_early" else Buffer
        self.buffer = kind(BOOT, journal=self.journal)
        self.said: dict[int, tuple[float, float]] = {}
        self.announced: list[tuple[int, int]] = []
        self.made = self.heard = 0

    def make(self, values: list[int]) -> None:
        rows = [(v, self.made + i) for i, v in enumerate(values, 1)]
        self.made += len(values)
        self.buffer.add(np.array(rows, np.float32))

    def next_frame(self, most: int) -> str | bytes | None:
        piece = self.buffer.take(most, 16, 10.0)
        if piece is None:
            return None
        if isinstance(piece, Chunk):
            for offset, (value, number) in enumerate(piece.values.tolist()):
                self.said[piece.first_seq + offset] = (value, number)
        else:
            self.announced.append((piece.first_seq, piece.next_seq))
        return MSGPACK.encode_device(message(piece, blocks=True))

    def hear(self, ack: int) -> None:
        self.buffer.ack(ack)
        self.heard = max(self.heard, ack)

    def restart(self, lost_pieces: int) -> None:
        """Come back from the journal, its last pieces lost by a power cut."""
        kept = self.journal.pieces
        if lost_pieces:
            del kept[len(kept) - min(lost_pieces, len(kept)) :]
        acked = self.journal.acked
        self.buffer = Buffer(BOOT, acked=acked, pieces=list(kept), journal=self.journal)
