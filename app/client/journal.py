"""A buffer that survives the device's restart: one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np

from app.client.buffer import Buffer
from app.client.pieces import Chunk, Piece
from app.domain import Gap
from app.errors import Conflict

_SCHEMA = """
CREATE TABLE IF NOT EXISTS stream(boot TEXT NOT NULL, acked INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pieces(
    first_seq INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL, why TEXT,
    "values" BLOB, n_channels INTEGER, times BLOB);
"""


class FileJournal:
    """Pieces in a SQLite file that one process at a time may open.

    What was added survives a killed process.  A power cut may cost the last moments;
    the numbers stay right even then, because `Buffer.resume` asks the server.

    Parameters
    ----------
    path : Path
        Made if there is none.

    Raises
    ------
    Conflict
        If another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=0.5, isolation_level=None)
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            self._db.close()
            raise Conflict(f"{path.name} is in use: {error}") from error

    def buffer(self) -> Buffer:
        """Go on with the boot of the file, or begin one."""
        row = self._db.execute("SELECT boot, acked FROM stream").fetchone()
        if row is None:
            row = (uuid4().hex, 0)
            self._db.execute("INSERT INTO stream VALUES (?, ?)", row)
        boot, acked = row
        return Buffer(boot, acked=acked, pieces=self._pieces(), journal=self)

    def add(self, piece: Piece) -> None:
        """Keep a new piece."""
        kept: tuple[object, ...]
        if isinstance(piece, Chunk):
            times = None if piece.times is None else piece.times.tobytes()
            kept = (None, piece.values.tobytes(), piece.values.shape[1], times)
        else:
            kept = (piece.why, None, None, None)
        self._db.execute(
            "INSERT OR REPLACE INTO pieces VALUES (?, ?, ?, ?, ?, ?)",
            (piece.first_seq, piece.next_seq, *kept),
        )

    def forget(self, acked: int, before: int) -> None:
        """Note what is acknowledged; drop pieces that end at or before `before`."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("UPDATE stream SET acked = ?", (acked,))
            self._db.execute("DELETE FROM pieces WHERE next_seq <= ?", (before,))

    def renumber(self, first_seq: int, pieces: Sequence[Piece]) -> None:
        """Replace all pieces from `first_seq` on."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM pieces WHERE first_seq >= ?", (first_seq,))
            for piece in pieces:
                self.add(piece)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _pieces(self) -> list[Piece]:
        pieces: list[Piece] = []
        for first, stop, why, values, n_channels, times in self._db.execute(
            "SELECT * FROM pieces ORDER BY first_seq"
        ):
            if values is None:
                pieces.append(Gap(first, stop, why))
                continue
            rows = np.frombuffer(values, np.float32).reshape(-1, n_channels)
            when = None if times is None else np.frombuffer(times, np.float64)
            pieces.append(Chunk(first, rows, when))
        return pieces
