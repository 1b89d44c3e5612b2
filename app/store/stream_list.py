"""Streams as people see them: how far they are, and what is missing in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Gap
from app.store.tables import detector_versions, gaps, streams


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream as people see it."""

    device: str
    boot: str
    generation: int
    watermark: int
    detector_version: int
    missing: tuple[int, ...]
    created_at: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True, eq=False)
class StreamState:
    """The state of a stream's detector, as last committed."""

    device: str
    boot: str
    detector_version: int
    state: bytes


async def list_(conn: AsyncConnection, device: str) -> list[StreamInfo]:
    """Return the streams of a device, newest first."""
    s = streams.c
    rows = await conn.execute(
        select(
            s.device,
            s.boot,
            s.generation,
            s.watermark,
            s.detector_version,
            s.missing,
            s.created_at,
            s.last_seen,
        )
        .where(s.device == device)
        .order_by(s.created_at.desc(), s.boot)
    )
    return [
        StreamInfo(*row[:5], tuple(row.missing), row.created_at, row.last_seen)
        for row in rows
    ]


async def states(
    conn: AsyncConnection, *, device: str | None, profile: str | None, limit: int
) -> list[StreamState]:
    """Return the states of the newest streams of a device or of a profile."""
    s, d = streams.c, detector_versions.c
    query = select(s.device, s.boot, s.detector_version, s.state).where(
        s.state.is_not(None)
    )
    if device is not None:
        query = query.where(s.device == device)
    if profile is not None:
        query = query.join(detector_versions, d.number == s.detector_version)
        query = query.where(d.profile == profile)
    query = query.order_by(s.last_seen.desc(), s.device, s.boot).limit(limit)
    return [StreamState(*row) for row in await conn.execute(query)]


async def list_gaps(conn: AsyncConnection, device: str, boot: str) -> list[Gap]:
    """Return the gaps of a stream, in its order."""
    g = gaps.c
    rows = await conn.execute(
        select(g.first_seq, g.next_seq, g.why)
        .where(g.device == device, g.boot == boot)
        .order_by(g.first_seq, g.next_seq)
    )
    return [Gap(*row) for row in rows]
