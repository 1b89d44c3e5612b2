"""Shadows: versions that answer live events beside the champion, unheard.

What a shadow says is stored apart from predictions: no device is told, no page takes it
for what was answered, and nothing is trained on it.  A profile has at most one shadow.

    candidate, rejected, retired --begin--> shadow --end--> what it was
                                              '--promote--> champion
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Prediction
from app.errors import Conflict, NotFound
from app.store import trials
from app.store.events import UnclassifiedEvent, unclassified_of
from app.store.ledgers import shadow_predictions, shadows
from app.store.promotions import say
from app.store.tables import (
    events,
    model_versions,
    predictions,
    promotions,
)


@dataclass(frozen=True, slots=True)
class Shadow:
    """A time during which a version answers, or answered, beside the champion.

    Parameters
    ----------
    position : int
        Commit-ordered position of the last event that it was asked about.
    skipped : int >= 0
        Events that it was not asked about, because too many waited.
    ended_at, ended_by : None while it answers
    """

    id: int
    profile: str
    version: int
    by: str
    reason: str
    at: datetime
    position: int
    skipped: int
    ended_at: datetime | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What a shadow and the version that served said of one event.

    Parameters
    ----------
    served : str or None
        What a champion answered first; None if nothing was answered, or by a version
        that serves the device alone.
    truth : str or None
        The label that counts now.
    """

    event: UUID
    label: str
    served: str | None
    truth: str | None


async def begin(conn: AsyncConnection, version: int, by: str, reason: str) -> Shadow:
    """Let a version answer the events to come, beside the champion.

    Raises
    ------
    NotFound
        If there is no such version.
    Conflict
        If it is the champion, or the profile has a shadow.
    """
    row = await trials.contender(conn, version)
    present = await of_profile(conn, row.profile)
    if present is not None:
        raise Conflict(f"version {present.version} is the shadow of {row.profile!r}")
    made = await trials.begin(conn, shadows, row.profile, version, by=by, reason=reason)
    await say(conn, row.profile, version, "shadow")
    return _shadow(made)


async def end(conn: AsyncConnection, version: int, by: str) -> Shadow:
    """Let a shadow be what it was before.

    Raises
    ------
    NotFound
        If there is no such version.
    Conflict
        If it is no shadow.
    """
    row = await trials.end(conn, shadows, version, by)
    if row is None:
        known = select(model_versions.c.version)
        if await conn.scalar(known.where(model_versions.c.version == version)) is None:
            raise NotFound(f"no model version {version}")
        raise Conflict(f"version {version} is no shadow")
    await say(conn, row.profile, version, "unshadow")
    return _shadow(row)


async def of_profile(conn: AsyncConnection, profile: str) -> Shadow | None:
    """Return the shadow of a profile, or None."""
    row = await trials.present(conn, shadows, profile)
    return None if row is None else _shadow(row)


async def newest(conn: AsyncConnection, version: int) -> Shadow | None:
    """Return the last time that a version was a shadow, or None."""
    row = await trials.newest(conn, shadows, version)
    return None if row is None else _shadow(row)


async def present(conn: AsyncConnection) -> list[Shadow]:
    """Return the shadows of all profiles."""
    query = select(shadows).where(shadows.c.ended_at.is_(None))
    rows = await conn.execute(query.order_by(shadows.c.id))
    return [_shadow(row) for row in rows]


async def skip(conn: AsyncConnection, shadow: Shadow, most: int) -> int:
    """Pass over the oldest of the events that wait, so that at most `most` do.

    Returns
    -------
    int
        How many were passed over.
    """
    e, s = events.c, shadows.c
    waiting = e.profile == shadow.profile, e.position > shadow.position
    edge = await conn.scalar(
        select(e.position)
        .where(*waiting)
        .order_by(e.position.desc())
        .offset(most)
        .limit(1)
    )
    if edge is None:
        return 0
    passed = await conn.scalar(select(func.count()).where(*waiting, e.position <= edge))
    count = int(passed or 0)
    await conn.execute(
        update(shadows)
        .where(s.id == shadow.id)
        .values(position=edge, skipped=s.skipped + count)
    )
    return count


async def waiting(
    conn: AsyncConnection, shadow: int, limit: int
) -> tuple[list[UnclassifiedEvent], int]:
    """Return the next events that a shadow is to be asked about, and their last place.

    Of a shadow that has ended: none.
    """
    e, s = events.c, shadows.c
    rows = list(
        await conn.execute(
            select(events)
            .join(shadows, s.profile == e.profile)
            .where(s.id == shadow, s.ended_at.is_(None), e.position > s.position)
            .order_by(e.position)
            .limit(limit)
        )
    )
    found = [unclassified_of(row) for row in rows]
    return found, rows[-1].position if rows else 0


async def add(
    conn: AsyncConnection,
    shadow: int,
    said: Sequence[tuple[UUID, Prediction]],
    position: int,
) -> None:
    """Store what a shadow said; events that were erased meanwhile are passed over."""
    s = shadows.c
    await conn.execute(update(shadows).where(s.id == shadow).values(position=position))
    ids = [event for event, _ in said]
    there = set(await conn.scalars(select(events.c.id).where(events.c.id.in_(ids))))
    rows = [
        {
            "event": event,
            "model_version": one.model_version,
            "label": one.label,
            "probability": float(one.probability),
            "unknown": bool(one.unknown),
        }
        for event, one in said
        if event in there
    ]
    if rows:
        await conn.execute(upsert(shadow_predictions).on_conflict_do_nothing(), rows)


async def answered(conn: AsyncConnection, version: int) -> list[Answered]:
    """Return a shadow's newest answers, `trials.COMPARED`, beside what was served."""
    q, p = shadow_predictions.c, predictions.c
    chosen = (
        select(q.event, q.label, q.at)
        .where(q.model_version == version)
        .order_by(q.at.desc(), q.event)
        .limit(trials.COMPARED)
        .subquery("chosen")
    )
    truth = trials.truth(chosen)
    served = select(promotions.c.version).where(promotions.c.device.is_(None))
    query: Select[Any] = (
        select(
            chosen.c.event,
            chosen.c.label,
            p.label.label("served"),
            truth.c.label.label("truth"),
        )
        .select_from(chosen)
        .outerjoin(
            predictions,
            (p.event == chosen.c.event)
            & p.first
            & (p.model_version != version)
            & p.model_version.in_(served),
        )
        .outerjoin(truth, truth.c.event == chosen.c.event)
        .order_by(chosen.c.at.desc(), chosen.c.event)
    )
    return [Answered(**row._mapping) for row in await conn.execute(query)]


def _shadow(row: Row[Any]) -> Shadow:
    return Shadow(**row._mapping)
