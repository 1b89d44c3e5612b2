"""Windows of many events at once: what a model learnt from, and what came since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Uuid,
    all_,
    any_,
    exists,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import LabelledWindow
from app.store.arrays import context_of, unpack_values
from app.store.labels import latest
from app.store.tables import devices, events, predictions

LOOK_BACK = 20_000
"""Newest events among which answers are looked for, so that the cost is bounded."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of a profile, or of one of its devices.

    `shared`: without those of devices that have a model of their own.
    """

    profile: str
    device: str | None = None
    shared: bool = False

    def _holds(self) -> list[ColumnElement[bool]]:
        of_it = [events.c.profile == self.profile]
        if self.device is not None:
            of_it.append(events.c.device == self.device)
        if self.shared:
            own = exists().where(
                devices.c.id == events.c.device, devices.c.model_version.is_not(None)
            )
            of_it.append(~own)
        return of_it


async def present(
    conn: AsyncConnection, stream: Stream, wanted: Sequence[UUID]
) -> list[UUID]:
    """Return those of the events that are still stored, by onset."""
    e = events.c
    rows = await conn.scalars(
        select(e.id)
        .where(e.id == any_(_ids(wanted)), *stream._holds())
        .order_by(e.onset, e.id)
    )
    return list(rows)


async def of(conn: AsyncConnection, wanted: Sequence[UUID]) -> list[LabelledWindow]:
    """Return the windows of events, by onset; label "" where nobody said any."""
    e = events.c
    return await _rows(
        conn, _select().where(e.id == any_(_ids(wanted))).order_by(e.onset, e.id)
    )


async def newest(
    conn: AsyncConnection, stream: Stream, limit: int, without: Sequence[UUID] = ()
) -> list[LabelledWindow]:
    """Return the newest events but those in `without`, newest first; as `of`."""
    e = events.c
    query = _select().where(*stream._holds(), e.id != all_(_ids(without)))
    return await _rows(conn, query.order_by(e.position.desc()).limit(limit))


async def first_answers(
    conn: AsyncConnection,
    stream: Stream,
    version: int,
    limit: int,
    without: Sequence[UUID] = (),
) -> list[float]:
    """Return how sure a version was of its first answers, oldest event first.

    Only events among the newest `LOOK_BACK` of the stream, but those in `without`.
    """
    e, p = events.c, predictions.c
    last = (
        select(e.id, e.position)
        .where(*stream._holds())
        .order_by(e.position.desc())
        .limit(LOOK_BACK)
        .subquery("last")
    )
    rows = await conn.scalars(
        select(p.probability)
        .join(last, last.c.id == p.event)
        .where(p.model_version == version, p.event != all_(_ids(without)))
        .order_by(last.c.position)
        .limit(limit)
    )
    return list(rows)


def _ids(wanted: Sequence[UUID]) -> ColumnElement[Any]:
    """One parameter for any number of events."""
    return literal(list(wanted), ARRAY(Uuid()))


def _select() -> Select[Any]:
    e = events.c
    return select(
        e.id,
        e.device,
        e.onset,
        e.window,
        e.n_readings,
        e.n_channels,
        e.pre_roll,
        e.post_roll,
        e.context,
    )


async def _rows(conn: AsyncConnection, query: Select[Any]) -> list[LabelledWindow]:
    found = list(await conn.execute(query))
    said = await latest(conn, [row.id for row in found])
    return [
        LabelledWindow(
            row.id,
            row.device,
            row.onset,
            unpack_values(row.window, (row.n_readings, row.n_channels)),
            said[row.id].label if row.id in said else "",
            row.pre_roll,
            row.post_roll,
            context=context_of(row.context),
        )
        for row in found
    ]
