"""The gold set of a profile: labelled events that judge models and teach none.

A mark freezes the label that counted when it was made; what is said of the event later
does not change it.  Marks are append-only, an empty one takes the event out again, and
the latest counts, so the set as it was at any time can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import LabelledWindow
from app.errors import InvalidInput, NotFound
from app.store.arrays import labelled_windows
from app.store.tables import events, gold, labels


@dataclass(frozen=True, slots=True)
class Mark:
    """An event of the gold set, with its frozen label."""

    event: UUID
    label: str
    by: str
    at: datetime


async def mark(
    conn: AsyncConnection, profile: str, wanted: Sequence[UUID], by: str
) -> None:
    """Put events into the gold set, with the labels that count now.

    Raises
    ------
    NotFound
        If the profile has no such event.
    InvalidInput
        If nobody has labelled it.
    """
    said = await _labels_of(conn, profile, wanted)
    for event in wanted:
        if not said[event]:
            raise InvalidInput(f"event {event} has no label: gold needs one")
    await _add(conn, [(event, said[event]) for event in dict.fromkeys(wanted)], by)


async def unmark(
    conn: AsyncConnection, profile: str, wanted: Sequence[UUID], by: str
) -> None:
    """Take events out of the gold set: they may be trained on again.

    Raises
    ------
    NotFound
        If the profile has no such event.
    """
    await _labels_of(conn, profile, wanted)
    present = set(await conn.scalars(marked(profile)))
    gone = [event for event in dict.fromkeys(wanted) if event in present]
    await _add(conn, [(event, "") for event in gone], by)


async def list_(
    conn: AsyncConnection, profile: str, limit: int, after: UUID | None = None
) -> list[Mark]:
    """Return a page of the gold set, by event id, after that of the page before."""
    known = _known(profile).subquery("known")
    query = select(known).where(known.c.label != "").order_by(known.c.event)
    if after is not None:
        query = query.where(known.c.event > after)
    rows = await conn.execute(query.limit(limit))
    return [Mark(row.event, row.label, row.by, row.at) for row in rows]


async def count(conn: AsyncConnection, profile: str) -> int:
    """Count the events of the gold set."""
    chosen = marked(profile).subquery("chosen")
    return int(await conn.scalar(select(func.count()).select_from(chosen)) or 0)


async def known(
    conn: AsyncConnection, profile: str, as_of: datetime
) -> dict[UUID, str]:
    """Return the frozen label of every event that was gold at a time."""
    said = _known(profile, as_of).subquery("said")
    found = await conn.execute(select(said).where(said.c.label != ""))
    return {row.event: row.label for row in found}


def marked(profile: str, as_of: datetime | None = None) -> Select[tuple[UUID]]:
    """Ask for the events of a gold set (`as_of`: as it was then)."""
    known = _known(profile, as_of).subquery("gold_known")
    return select(known.c.event).where(known.c.label != "")


async def rows(
    conn: AsyncConnection, profile: str, as_of: datetime | None = None
) -> list[LabelledWindow]:
    """Return the windows of a gold set with their frozen labels, by onset."""
    e = events.c
    known = _known(profile, as_of).subquery("known")
    found = await conn.execute(
        select(events, known.c.label, known.c.by)
        .join(known, known.c.event == e.id)
        .where(known.c.label != "")
        .order_by(e.onset, e.id)
    )
    return labelled_windows(found)


def _known(profile: str, as_of: datetime | None = None) -> Select[Any]:
    query = (
        select(gold)
        .ext(distinct_on(gold.c.event))
        .join(events, events.c.id == gold.c.event)
        .where(events.c.profile == profile)
        .order_by(gold.c.event, gold.c.id.desc())
    )
    return query if as_of is None else query.where(gold.c.at <= as_of)


async def _labels_of(
    conn: AsyncConnection, profile: str, wanted: Sequence[UUID]
) -> dict[UUID, str]:
    """Return the label that counts of each event, "" where there is none."""
    e = events.c
    of_it = select(e.id).where(e.id.in_(set(wanted)), e.profile == profile)
    said = dict.fromkeys(await conn.scalars(of_it), "")
    for event in wanted:
        if event not in said:
            raise NotFound(f"profile {profile!r} has no event {event}")
    latest = (
        select(labels.c.event, labels.c.label)
        .ext(distinct_on(labels.c.event))
        .where(labels.c.event.in_(said))
        .order_by(labels.c.event, labels.c.id.desc())
    )
    return said | {row.event: row.label for row in await conn.execute(latest)}


async def _add(
    conn: AsyncConnection, said: Sequence[tuple[UUID, str]], by: str
) -> None:
    if said:
        await conn.execute(
            insert(gold),
            [{"event": event, "label": label, "by": by} for event, label in said],
        )
