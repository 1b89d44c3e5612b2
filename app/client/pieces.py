"""What a buffer is made of: numbered readings, and gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from app.domain import Float32Array, FloatArray, Gap
from app.errors import InvalidReadings
from app.wire import messages


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Readings with their number and, if the device says so, their time.

    Parameters
    ----------
    first_seq : int >= 1
    values : float32 array (n_readings, n_channels)
    times : float64 array (n_readings,) or (1,), seconds since the epoch, or None
        Of each reading, or of the first.
    """

    first_seq: int
    values: Float32Array
    times: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def next_seq(self) -> int:
        """The number of the reading after the last one."""
        return self.first_seq + len(self.values)

    def part(self, first_seq: int, next_seq: int, rate_hz: float) -> Chunk:
        """Cut out the readings ``[first_seq, next_seq)``."""
        first, stop = first_seq - self.first_seq, next_seq - self.first_seq
        times = self.times
        if times is not None and len(times) == len(self.values):
            times = times[first:stop]
        elif times is not None:
            times = times + first / rate_hz
        return Chunk(first_seq, self.values[first:stop], times)

    def follows(self, other: Chunk) -> bool:
        """Whether both may go into one message, `other` first."""
        if self.times is None or other.times is None:
            return self.times is None and other.times is None
        return len(self.times) == len(self) and len(other.times) == len(other)


Piece: TypeAlias = Chunk | Gap


def join(chunks: Sequence[Chunk]) -> Chunk:
    """Make one chunk of several that follow each other."""
    if len(chunks) == 1:
        return chunks[0]
    times = [chunk.times for chunk in chunks if chunk.times is not None]
    return Chunk(
        chunks[0].first_seq,
        np.concatenate([chunk.values for chunk in chunks]),
        np.concatenate(times) if times else None,
    )


def message(piece: Piece, *, blocks: bool) -> messages.Readings | messages.Skip:
    """Say a piece in words of the protocol; `blocks`: values as one float32 block."""
    if isinstance(piece, Gap):
        return messages.Skip(piece.next_seq, piece.why)
    values: list[messages.Row] | bytes
    if blocks:
        values = piece.values.astype("<f4", copy=False).tobytes()
    else:
        values = piece.values.tolist()
    time: float | list[float] | None = None
    if piece.times is not None:
        times: list[float] = piece.times.tolist()
        time = times if len(times) == len(piece) else times[0]
    return messages.Readings(values, piece.first_seq, time, len(piece))


def matrix(values: ArrayLike, n_channels: int | None) -> Float32Array:
    """Take one reading ``(n_channels,)`` or several ``(n_readings, n_channels)``.

    Examples
    --------
    >>> matrix([1, None, 3], None)
    array([[ 1., nan,  3.]], dtype=float32)
    """
    with np.errstate(over="ignore"):
        taken = np.array(values, dtype=np.float32, ndmin=2)
    if taken.ndim != 2 or 0 in taken.shape:
        raise InvalidReadings(
            f"values of shape {taken.shape} must be (n_channels,) or "
            "(n_readings, n_channels) and not empty"
        )
    if n_channels is not None and taken.shape[1] != n_channels:
        raise InvalidReadings(
            f"{taken.shape[1]} values in a reading, but the stream has {n_channels} "
            "channels"
        )
    return taken


def clock(time: float | Sequence[float] | None, n: int) -> FloatArray | None:
    """Take the time of the first of `n` readings, or of each of them."""
    if time is None:
        return None
    times = np.array(time, dtype=np.float64, ndmin=1)
    if times.shape not in ((1,), (n,)):
        raise InvalidReadings(
            f"{times.size} times for {n} readings: one for the first, or one for each"
        )
    return times
