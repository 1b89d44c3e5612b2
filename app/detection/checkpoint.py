"""A stream's state as bytes: all but the readings of an event that is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.detection.clean import KEPT
from app.detection.state import pack, split
from app.domain import Float32Array, FloatArray, Readings, Span

MAGIC = b"STRM"
VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """What a stream needs to go on.

    Parameters
    ----------
    next_seq, origin : int
        Number of the next reading, and of the one with index 0.
    fed : bool
        Whether the detector is fed, or the stream is in a gap since `gap_from`.
    first : int
        Index of the first reading in `values`, or of the first that is needed.
    clock : float
        Device time of the last reading, or NaN.
    counters, good
        As in `clean`.
    waiting : tuple of Span
        Final, but their post-roll is not complete.
    before : (n_channels,)
        Cleaned values of the reading before `first`; NaN for a dead channel.
    values, times : (n, n_channels), (n,)
        Readings from `first` on; empty when an event is open.
    jumps : indices from `first` on at which the clock jumped
    detector : bytes
    """

    next_seq: int
    origin: int
    fed: bool
    gap_from: int
    first: int
    clock: float
    counters: NDArray[np.int64]
    good: Float32Array
    waiting: tuple[Span, ...]
    before: Float32Array
    values: Float32Array
    times: FloatArray
    jumps: NDArray[np.int64]
    detector: bytes

    def to_bytes(self) -> bytes:
        """Write it down."""
        numbers = [self.next_seq, self.origin, self.fed, self.gap_from, self.first]
        spans = [(s.onset, s.offset, s.truncated + 2 * s.stuck) for s in self.waiting]
        return pack(
            MAGIC,
            VERSION,
            [
                np.array(numbers, np.int64),
                np.array([self.clock, *(s.peak for s in self.waiting)]),
                np.array(spans, np.int64),
                self.counters,
                self.good,
                self.before,
                self.values,
                self.times,
                self.jumps,
                np.frombuffer(self.detector, np.uint8),
            ],
        )

    @classmethod
    def from_bytes(cls, state: bytes, n_channels: int) -> Checkpoint:
        """Read it back.

        Raises
        ------
        ValueError
            If the bytes are of another version or another number of channels.
        """
        parts = split(state, MAGIC, VERSION)
        numbers = np.frombuffer(parts[0], "<i8").tolist()
        clock, *peaks = np.frombuffer(parts[1], "<f8").tolist()
        spans = np.frombuffer(parts[2], "<i8").reshape(-1, 3).tolist()
        good = np.frombuffer(parts[4], "<f4").astype(np.float32)
        if good.size != n_channels:
            raise ValueError(f"state of {good.size} channels, not {n_channels}")
        return cls(
            next_seq=numbers[0],
            origin=numbers[1],
            fed=bool(numbers[2]),
            gap_from=numbers[3],
            first=numbers[4],
            clock=clock,
            counters=np.frombuffer(parts[3], "<i8")
            .astype(np.int64)
            .reshape(KEPT, n_channels),
            good=good,
            waiting=tuple(
                Span(onset, offset, peak, bool(marks & 1), bool(marks & 2))
                for (onset, offset, marks), peak in zip(spans, peaks, strict=True)
            ),
            before=np.frombuffer(parts[5], "<f4").astype(np.float32),
            values=np.frombuffer(parts[6], "<f4")
            .astype(np.float32)
            .reshape(-1, n_channels),
            times=np.frombuffer(parts[7], "<f8").astype(np.float64),
            jumps=np.frombuffer(parts[8], "<i8").astype(np.int64),
            detector=parts[9],
        )


def joined(
    parts: Sequence[Readings], first_seq: int, next_seq: int
) -> tuple[Float32Array, FloatArray]:
    """Put readings ``[first_seq, next_seq)`` together."""
    at = first_seq
    values, times = [], []
    for part in sorted(parts, key=lambda p: p.first_seq):
        if part.first_seq > at or part.next_seq <= at:
            continue
        rows = slice(at - part.first_seq, next_seq - part.first_seq)
        values.append(part.values[rows])
        times.append(part.times[rows])
        at = min(part.next_seq, next_seq)
    if at != next_seq:
        raise ValueError(f"readings {at}..{next_seq - 1} of the open event are missing")
    return np.concatenate(values), np.concatenate(times)
