"""Moved boundaries: the event says the newest ones, this table what it said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Event
from app.errors import NotFound
from app.store.arrays import pack
from app.store.tables import detector_versions, event_revisions, events, streams

_KEPT = (
    "onset_seq",
    "offset_seq",
    "onset",
    "offset",
    "window",
    "n_readings",
    "pre_roll",
    "post_roll",
)


@dataclass(frozen=True, slots=True)
class Revision:
    """What the boundaries of an event were, until somebody moved them.

    Parameters
    ----------
    number : int >= 1
    by, at : who moved them, and when
    """

    number: int
    onset_seq: int
    offset_seq: int
    onset: datetime
    offset: datetime
    by: str
    at: datetime


async def hold(conn: AsyncConnection, event: UUID) -> None:
    """Let nobody else change an event in this transaction, or raise `NotFound`."""
    query = select(events.c.id).where(events.c.id == event)
    if await conn.scalar(query.with_for_update(key_share=True)) is None:
        raise NotFound(f"no event {event}")


async def move(conn: AsyncConnection, event: UUID, cut: Event, by: str) -> None:
    """Give a held event the boundaries and the window of `cut`; keep the former."""
    e, r = events.c, event_revisions.c
    last = select(func.coalesce(func.max(r.number), 0)).where(r.event == event)
    former = select(
        e.id,
        last.scalar_subquery() + 1,
        *(e[name] for name in _KEPT),
        literal(by),
    ).where(e.id == event)
    await conn.execute(
        insert(event_revisions).from_select(["event", "number", *_KEPT, "by"], former)
    )
    await conn.execute(
        update(events)
        .where(e.id == event)
        .values(
            onset_seq=cut.onset_seq,
            offset_seq=cut.offset_seq,
            onset=cut.onset,
            offset=cut.offset,
            window=pack(cut.window),
            n_readings=len(cut.window),
            pre_roll=cut.pre_roll,
            post_roll=cut.post_roll,
            flags=[str(flag) for flag in cut.flags],
        )
    )


async def of_event(conn: AsyncConnection, event: UUID) -> list[Revision]:
    """Return what the boundaries were, oldest first."""
    r = event_revisions.c
    rows = await conn.execute(
        select(r.number, r.onset_seq, r.offset_seq, r.onset, r.offset, r.by, r.at)
        .where(r.event == event)
        .order_by(r.number)
    )
    return [Revision(*row) for row in rows]


async def as_found(
    conn: AsyncConnection, wanted: Sequence[UUID]
) -> dict[UUID, tuple[int, int]]:
    """Return (onset_seq, offset_seq) as they first were, of events that were moved."""
    r = event_revisions.c
    rows = await conn.execute(
        select(r.event, r.onset_seq, r.offset_seq).where(
            r.event.in_(wanted), r.number == 1
        )
    )
    return {row.event: (row.onset_seq, row.offset_seq) for row in rows}


async def profile_of(conn: AsyncConnection, device: str, boot: str) -> str:
    """Return the profile that a stream is read with, or raise `NotFound`."""
    s, d = streams.c, detector_versions.c
    name = await conn.scalar(
        select(d.profile)
        .join(streams, s.detector_version == d.number)
        .where(s.device == device, s.boot == boot)
    )
    if name is None:
        raise NotFound(f"device {device!r} has no stream {boot!r}")
    return str(name)
