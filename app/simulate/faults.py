"""Faults that are planted on purpose: what was wrong with real devices, as data.

A fault either spoils readings (`spike`, `drift`, `stuck`, `missing`), their clock
(`clock_skew`, `clock_jump`) or their way to the server (`gap`, `duplicate`,
`reorder`, `burst`).  `plan` turns a recording and its faults into what is sent when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from app.domain import Float32Array, FloatArray
from app.simulate.recording import Recording


class Kind(StrEnum):
    """What can go wrong."""

    SPIKE = "spike"
    """One reading is off by `size` standard deviations."""
    DRIFT = "drift"
    """The values wander off by `size` standard deviations within the span, and stay."""
    STUCK = "stuck"
    """The sensor repeats its last value."""
    MISSING = "missing"
    """The values are NaN."""
    CLOCK_SKEW = "clock_skew"
    """The device's clock runs `size` (0.1 = 10 %) too fast within the span."""
    CLOCK_JUMP = "clock_jump"
    """The device's clock jumps by `size` seconds; below 0: backwards."""
    GAP = "gap"
    """The readings are lost before they are sent; the device says so."""
    DUPLICATE = "duplicate"
    """The readings are sent twice."""
    REORDER = "reorder"
    """The line breaks; what was not acknowledged comes again, late, in other pieces."""
    BURST = "burst"
    """The readings are held back and come all at once."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: ``[at, at + seconds)`` after the first reading.

    `channel` is the index of the channel that is hit, None all of them.
    """

    kind: Kind
    at: float
    seconds: float = 0.5
    size: float = 8.0
    channel: int | None = None


class Way(StrEnum):
    """How readings go out."""

    NEW = "new"
    AGAIN = "again"
    """They were sent before, and are sent on purpose once more."""
    BROKEN = "broken"
    """The line is cut after they were sent."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Readings ``[first, stop)``, indices from 0, sent `at` seconds after the first."""

    first: int
    stop: int
    at: float
    way: Way = Way.NEW


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """What a device sends: its spoilt readings, its clock, and when what goes out.

    Parameters
    ----------
    values : float32 array (n_readings, n_channels)
    clock : float64 array (n_readings,), seconds
    deliveries : tuple of Delivery, in the order of sending
    """

    values: Float32Array
    clock: FloatArray
    deliveries: tuple[Delivery, ...]


def plan(recording: Recording, faults: Sequence[Fault], chunk_seconds: float) -> Script:
    """Lay out how a recording is sent, with its faults.

    Parameters
    ----------
    chunk_seconds : float > 0
        Readings of so much time go into one message.

    Examples
    --------
    >>> t = np.arange(4) / 2
    >>> r = Recording("d", "", ("x",), 2.0, t, np.ones((4, 1), np.float32))
    >>> [(d.first, d.stop, d.at) for d in plan(r, (), 1.0).deliveries]
    [(0, 2, 1.0), (2, 4, 2.0)]
    """
    values, clock = recording.values.copy(), recording.t.copy()
    since = recording.t - recording.t[0]
    for fault in faults:
        _spoil(recording, since, fault, values, clock)
    deliveries: list[Delivery] = []
    edges = [edge for f in faults for edge in (f.at, f.at + f.seconds)]
    for piece in _chunks(since, chunk_seconds, edges):
        deliveries.extend(_delivered(piece, since, faults))
    return Script(values, clock, tuple(deliveries))


def random_faults(
    seconds: float, n_channels: int, per_minute: float, rng: np.random.Generator
) -> tuple[Fault, ...]:
    """Plant faults of all kinds at random times, `per_minute` on average."""
    kinds = list(Kind)
    sizes = {Kind.CLOCK_SKEW: 0.05, Kind.CLOCK_JUMP: -2.0}
    faults = []
    for at in np.sort(rng.uniform(0, seconds, rng.poisson(per_minute * seconds / 60))):
        kind = kinds[rng.integers(len(kinds))]
        channel = int(rng.integers(n_channels)) if rng.uniform() < 0.7 else None
        length = float(rng.uniform(0.1, 2.0))
        faults.append(Fault(kind, float(at), length, sizes.get(kind, 8.0), channel))
    return tuple(faults)


def _spoil(
    recording: Recording,
    t: FloatArray,
    fault: Fault,
    values: Float32Array,
    clock: FloatArray,
) -> None:
    first, stop = np.searchsorted(t, (fault.at, fault.at + fault.seconds))
    if first == len(t):
        return
    columns = slice(None) if fault.channel is None else fault.channel
    size = fault.size * np.nanstd(recording.values[:, columns], axis=0)
    match fault.kind:
        case Kind.SPIKE:
            values[first, columns] += size
        case Kind.DRIFT:
            share = np.clip((t[first:] - t[first]) / max(fault.seconds, 1e-9), 0, 1)
            step = share[:, None] * size if fault.channel is None else share * size
            values[first:, columns] += step
        case Kind.STUCK:
            values[first:stop, columns] = values[first, columns]
        case Kind.MISSING:
            values[first:stop, columns] = np.nan
        case Kind.CLOCK_SKEW:
            inside = np.clip(t[first:] - t[first], 0, fault.seconds)
            clock[first:] += fault.size * inside
        case Kind.CLOCK_JUMP:
            clock[first:] += fault.size
        case _:
            pass


def _chunks(t: FloatArray, seconds: float, edges: Sequence[float]) -> list[Delivery]:
    """Cut into pieces of equal time, and where faults begin and end.

    Each is due when the time of its last reading is over.
    """
    piece = (t / seconds + 1e-9).astype(np.int64)
    cuts = {*(np.flatnonzero(np.diff(piece)) + 1), *np.searchsorted(t, edges)}
    inner = sorted(int(cut) for cut in cuts if 0 < cut < len(t))
    return [
        Delivery(a, b, float((piece[a] + 1) * seconds))
        for a, b in zip([0, *inner], [*inner, len(t)], strict=True)
    ]


def _delivered(
    piece: Delivery, t: FloatArray, faults: Sequence[Fault]
) -> list[Delivery]:
    """Say what becomes of one piece on its way."""
    begin = t[piece.first]
    hit = {f.kind: f for f in faults if f.at <= begin < f.at + f.seconds}
    if Kind.GAP in hit:
        return []
    if Kind.BURST in hit:
        fault = hit[Kind.BURST]
        return [Delivery(piece.first, piece.stop, fault.at + fault.seconds)]
    if Kind.DUPLICATE in hit:
        return [piece, replace(piece, way=Way.AGAIN)]
    if Kind.REORDER in hit:
        return [replace(piece, way=Way.BROKEN)]
    return [piece]
