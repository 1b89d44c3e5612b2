"""Raw readings of streams: those of an open event, and all of profiles that record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Readings
from app.store.arrays import pack, unpack_times, unpack_values
from app.store.tables import detector_versions, recordings, streams

_APPEND = text(
    'INSERT INTO recordings (device, boot, first_seq, next_seq, "values", times,'
    " device_times, kept) "
    "SELECT CAST(:device AS text), CAST(:boot AS text), CAST(:first_seq AS bigint),"
    " CAST(:next_seq AS bigint), CAST(:values AS bytea), CAST(:times AS bytea),"
    " CAST(:device_times AS boolean), p.record "
    "FROM detector_versions d JOIN profiles p ON p.name = d.profile "
    "WHERE d.number = :detector_version AND (p.record OR CAST(:held AS boolean)) "
    "ON CONFLICT DO NOTHING"
)
_FORGET = text(
    "DELETE FROM recordings r USING unnest(CAST(:devices AS text[]),"
    " CAST(:boots AS text[]), CAST(:keep_from AS bigint[]))"
    " AS b (device, boot, keep_from) "
    "WHERE r.device = b.device AND r.boot = b.boot AND NOT r.kept"
    " AND (b.keep_from IS NULL OR r.next_seq <= b.keep_from)"
)


def rows_of(
    device: str,
    boot: str,
    readings: Sequence[Readings],
    *,
    detector_version: int,
    held: bool,
) -> list[dict[str, Any]]:
    """Make the rows that keep readings; consecutive ones share a row.

    Parameters
    ----------
    held : bool
        Keep them for an open event, even if the profile does not record.
    """
    return [
        {
            "device": device,
            "boot": boot,
            "first_seq": chunk.first_seq,
            "next_seq": chunk.next_seq,
            "values": pack(chunk.values),
            "times": pack(chunk.times),
            "device_times": chunk.device_times,
            "detector_version": detector_version,
            "held": held,
        }
        for chunk in joined(readings)
    ]


async def append(conn: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep the rows of `rows_of`; those that are there already are left alone."""
    if rows:
        await conn.execute(_APPEND, list(rows))


async def forget(
    conn: AsyncConnection, streams: Sequence[tuple[str, str, int | None]]
) -> None:
    """Drop what streams (device, boot, keep_from) need no longer and do not record."""
    devices, boots, keep_from = zip(*streams, strict=True)
    await conn.execute(
        _FORGET,
        {"devices": list(devices), "boots": list(boots), "keep_from": list(keep_from)},
    )


async def read(
    conn: AsyncConnection,
    device: str,
    boot: str,
    first_seq: int = 1,
    next_seq: int | None = None,
) -> list[Readings]:
    """Return the kept readings of ``[first_seq, next_seq)``, consecutive ones joined.

    Where none were kept, a `Readings` ends and the next one begins later.
    """
    r = recordings.c
    query = (
        select(recordings)
        .where(r.device == device, r.boot == boot, r.next_seq > first_seq)
        .order_by(r.first_seq)
    )
    if next_seq is not None:
        query = query.where(r.first_seq < next_seq)
    chunks = [_chunk(row, first_seq, next_seq) for row in await conn.execute(query)]
    return joined(chunks)


async def spans(conn: AsyncConnection, device: str) -> list[tuple[str, int, int]]:
    """Return (boot, first seq, next seq) of what is recorded of a device."""
    r = recordings.c
    rows = await conn.execute(
        select(r.boot, func.min(r.first_seq), func.max(r.next_seq))
        .where(r.device == device, r.kept)
        .group_by(r.boot)
        .order_by(r.boot)
    )
    return [(boot, first, after) for boot, first, after in rows]


async def missing(
    conn: AsyncConnection, device: str, boot: str
) -> list[tuple[int, int]]:
    """Return the readings ``[first, after)`` before the last that were not kept."""
    r = recordings.c
    before = func.max(r.next_seq).over(order_by=r.first_seq, rows=(None, -1))
    chunks = (
        select(r.first_seq, func.coalesce(before, 1).label("before"))
        .where(r.device == device, r.boot == boot)
        .subquery()
        .c
    )
    rows = await conn.execute(
        select(chunks.before, chunks.first_seq)
        .where(chunks.first_seq > chunks.before)
        .order_by(chunks.first_seq)
    )
    return [(first, after) for first, after in rows]


async def of_profile(
    conn: AsyncConnection, profile: str
) -> list[tuple[str, str, int, int]]:
    """Return (device, boot, first seq, next seq) of all that a profile recorded."""
    r, s, d = recordings.c, streams.c, detector_versions.c
    rows = await conn.execute(
        select(r.device, r.boot, func.min(r.first_seq), func.max(r.next_seq))
        .join(streams, (s.device == r.device) & (s.boot == r.boot))
        .join(detector_versions, d.number == s.detector_version)
        .where(d.profile == profile, r.kept)
        .group_by(r.device, r.boot)
        .order_by(r.device, r.boot)
    )
    return [(device, boot, first, after) for device, boot, first, after in rows]


def joined(readings: Sequence[Readings]) -> list[Readings]:
    """Join readings that follow one another.

    Examples
    --------
    >>> one = Readings(1, np.zeros((2, 1), np.float32), np.zeros(2))
    >>> two = Readings(3, np.zeros((2, 1), np.float32), np.zeros(2))
    >>> far = Readings(9, np.zeros((2, 1), np.float32), np.zeros(2))
    >>> [(r.first_seq, r.next_seq) for r in joined([one, two, far])]
    [(1, 5), (9, 11)]
    """
    groups: list[list[Readings]] = []
    for one in readings:
        if not len(one):
            continue
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and last.next_seq == one.first_seq
            and last.device_times == one.device_times
        ):
            groups[-1].append(one)
        else:
            groups.append([one])
    return [_joined(group) for group in groups]


def _joined(group: Sequence[Readings]) -> Readings:
    if len(group) == 1:
        return group[0]
    return Readings(
        group[0].first_seq,
        np.concatenate([one.values for one in group]),
        np.concatenate([one.times for one in group]),
        group[0].device_times,
    )


def _chunk(row: Row[Any], first_seq: int, next_seq: int | None) -> Readings:
    times = unpack_times(row.times)
    values = unpack_values(row._mapping["values"], (len(times), -1))
    begin = max(first_seq - row.first_seq, 0)
    end = len(times) if next_seq is None else min(next_seq - row.first_seq, len(times))
    return Readings(
        row.first_seq + begin, values[begin:end], times[begin:end], row.device_times
    )
