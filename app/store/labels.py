"""Labels: what people say events are.  Append-only; the latest of an event counts.

An empty label withdraws what was said before.  The order of labels is that of their
numbers: two labels of one event in the same microsecond still have one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Label, LabelledWindow
from app.errors import InvalidInput, NotFound
from app.store import gold
from app.store.arrays import labelled_windows
from app.store.engine import notify
from app.store.tables import events, labels

CHANNEL = "onset_labels"
"""Says each label: event, label, by, source, at, profile."""

LONGEST_LABEL = 200
RECENT = 10_000
_DISPUTED = text(
    """
    WITH recent AS (
        SELECT l.event FROM labels l JOIN events e ON e.id = l.event
        WHERE e.profile = :profile ORDER BY l.id DESC LIMIT :recent
    ), said AS (
        SELECT DISTINCT ON (l.event, l.by) l.* FROM labels l
        WHERE l.event IN (SELECT event FROM recent)
        ORDER BY l.event, l.by, l.id DESC
    ), disputes AS (
        SELECT event, max(id) AS newest FROM said WHERE label <> ''
        GROUP BY event HAVING count(DISTINCT label) > 1
        ORDER BY newest DESC LIMIT :limit
    )
    SELECT said.* FROM said JOIN disputes USING (event)
    WHERE said.label <> '' ORDER BY disputes.newest DESC, said.id
    """
)


async def add(
    conn: AsyncConnection, event: UUID, label: str, by: str, source: str
) -> Label:
    """Say what an event is.

    Raises
    ------
    InvalidInput
        If the label is longer than 200 characters or holds a NUL.
    NotFound
        If there is no such event.
    """
    return (await add_many(conn, [(event, label)], by, source))[0]


async def add_many(
    conn: AsyncConnection, said: Sequence[tuple[UUID, str]], by: str, source: str
) -> list[Label]:
    """Say what many events are: all of it or nothing, in the order given.

    Raises
    ------
    InvalidInput, NotFound
        As `add`, for the first that is wrong.
    """
    if not said:
        return []
    for _, label in said:
        if len(label) > LONGEST_LABEL or "\0" in label:
            raise InvalidInput(
                f"a label has at most {LONGEST_LABEL} characters, no NUL"
            )
    profiles = await _profiles(conn, [event for event, _ in said])
    rows = await conn.execute(
        insert(labels).returning(labels, sort_by_parameter_order=True),
        [
            {"event": event, "label": label, "by": by, "source": source}
            for event, label in said
        ],
    )
    added = [_label(row) for row in rows]
    for one in added:
        await notify(
            conn,
            CHANNEL,
            {
                "event": str(one.event),
                "label": one.label,
                "by": one.by,
                "source": one.source,
                "at": one.at.isoformat(),
                "profile": profiles[one.event],
            },
        )
    return added


async def history(conn: AsyncConnection, event: UUID) -> list[Label]:
    """Return everything that was said of an event, oldest first."""
    rows = await conn.execute(
        select(labels).where(labels.c.event == event).order_by(labels.c.id)
    )
    return [_label(row) for row in rows]


async def disputed(
    conn: AsyncConnection, profile: str, limit: int
) -> list[tuple[UUID, list[Label]]]:
    """Return events of which people say different things, the newest dispute first.

    What somebody says is their last label, unless they withdrew it.  Only events among
    the `RECENT` newest labels of the profile are looked at.
    """
    found = await conn.execute(
        _DISPUTED, {"profile": profile, "recent": RECENT, "limit": limit}
    )
    said: dict[UUID, list[Label]] = {}
    for row in found:
        said.setdefault(row.event, []).append(_label(row))
    return list(said.items())


async def latest(conn: AsyncConnection, wanted: Sequence[UUID]) -> dict[UUID, Label]:
    """Return the labels that count; events without one are left out."""
    rows = await conn.execute(
        select(labels)
        .ext(distinct_on(labels.c.event))
        .where(labels.c.event.in_(wanted))
        .order_by(labels.c.event, labels.c.id.desc())
    )
    return {row.event: _label(row) for row in rows if row.label}


async def rows(
    conn: AsyncConnection,
    profile: str,
    as_of: datetime | None = None,
    *,
    newest: int | None = None,
    with_gold: bool = False,
) -> list[LabelledWindow]:
    """Return what a model of a profile can be trained on.

    Parameters
    ----------
    as_of : datetime, aware, UTC, or None
        The labels as known then; None: as known now.
    newest : int > 0 or None
        Only so many events, those that were labelled last; None: all.
    with_gold : bool
        Whether events of the gold set too, which no model may be trained on.

    Returns
    -------
    list of LabelledWindow, by onset
        With the onset of the event as `at`.
    """
    e, said = events.c, labels.c
    known = (
        select(said.event, said.label, said.by, said.id.label("said"))
        .ext(distinct_on(said.event))
        .join(events, e.id == said.event)
        .where(e.profile == profile)
        .order_by(said.event, said.id.desc())
    )
    if as_of is not None:
        known = known.where(said.at <= as_of)
    counts = known.subquery("known")
    wanted = (
        select(
            e.id,
            e.device,
            e.onset,
            e.window,
            e.n_readings,
            e.n_channels,
            e.pre_roll,
            e.post_roll,
            e.context,
            counts.c.label,
            counts.c.by,
        )
        .join(counts, counts.c.event == e.id)
        .where(counts.c.label != "")
    )
    if not with_gold:
        wanted = wanted.where(e.id.not_in(gold.marked(profile, as_of)))
    if newest is not None:
        last = wanted.order_by(counts.c.said.desc()).limit(newest).subquery("last")
        wanted = select(last)
    found = await conn.execute(
        wanted.order_by(wanted.selected_columns.onset, wanted.selected_columns.id)
    )
    return labelled_windows(found)


@dataclass(frozen=True, slots=True)
class Known:
    """An event with the label that counted at a time, and who said it."""

    event: UUID
    device: str
    at: datetime
    label: str
    by: str


async def known(conn: AsyncConnection, profile: str, as_of: datetime) -> list[Known]:
    """Return the labelled events of a profile as known at a time, without windows."""
    e, said = events.c, labels.c
    latest = (
        select(said.event, e.device, e.onset.label("at"), said.label, said.by)
        .ext(distinct_on(said.event))
        .join(events, e.id == said.event)
        .where(e.profile == profile, said.at <= as_of)
        .order_by(said.event, said.id.desc())
        .subquery("latest")
    )
    found = await conn.execute(select(latest).where(latest.c.label != ""))
    return [Known(**row._mapping) for row in found]


async def count_by_class(conn: AsyncConnection, profile: str) -> Counter[str]:
    """Count the events of a profile by the label that counts."""
    e, said = events.c, labels.c
    latest = (
        select(said.event, said.label)
        .ext(distinct_on(said.event))
        .join(events, e.id == said.event)
        .where(e.profile == profile)
        .order_by(said.event, said.id.desc())
        .subquery("latest")
    )
    query = select(latest.c.label, func.count()).group_by(latest.c.label)
    rows = await conn.execute(query.where(latest.c.label != ""))
    return Counter({label: count for label, count in rows})


async def count_since(
    conn: AsyncConnection, profile: str, at: datetime | None = None
) -> int:
    """Count the labels of a profile that came after `at` (None: all)."""
    query = (
        select(func.count())
        .select_from(labels)
        .join(events, events.c.id == labels.c.event)
        .where(events.c.profile == profile)
    )
    if at is not None:
        query = query.where(labels.c.at > at)
    return int(await conn.scalar(query) or 0)


async def _profiles(conn: AsyncConnection, wanted: Sequence[UUID]) -> dict[UUID, str]:
    found = await conn.execute(
        select(events.c.id, events.c.profile).where(events.c.id.in_(set(wanted)))
    )
    profiles = {row.id: row.profile for row in found}
    for event in wanted:
        if event not in profiles:
            raise NotFound(f"no event {event}")
    return profiles


def _label(row: Row[Any]) -> Label:
    return Label(row.event, row.label, row.by, row.source, row.at)
