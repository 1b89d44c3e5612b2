"""Trials: what a version goes through before it serves everybody, unheard or in part.

    begin   one of a kind in a profile, from the newest event on
    end     by hand, or because the version was promoted; the row stays

A shadow answers beside the champion (`shadows`), a canary serves a share of the devices
(`canaries`); the table says which.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import FromClause, Row, Subquery, Table, func, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, NotFound
from app.store.ledgers import labels, model_versions
from app.store.tables import events, profiles

COMPARED = 10_000
"""Newest answers of a version that are compared, so that the cost is bounded."""


async def contender(conn: AsyncConnection, version: int) -> Row[Any, Any, Any]:
    """Return what a version that may be tried is for, and lock its profile.

    Returns
    -------
    Row
        `profile`, `device` (None: all of them) and the profile's `champion_version`.

    Raises
    ------
    NotFound
        If there is no such version.
    Conflict
        If it serves the profile already.
    """
    v, p = model_versions.c, profiles.c
    row = (
        await conn.execute(
            select(v.profile, v.device, p.champion_version)
            .join(profiles, p.name == v.profile)
            .where(v.version == version)
            .with_for_update(of=profiles, key_share=True)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"no model version {version}")
    if row.champion_version == version:
        raise Conflict(f"version {version} is the champion of {row.profile!r}")
    return row


async def begin(
    conn: AsyncConnection, table: Table, profile: str, version: int, **values: object
) -> Row[Any]:
    """Begin a trial after the newest event of the profile; return its row."""
    e = events.c
    newest = select(func.coalesce(func.max(e.position), 0)).where(e.profile == profile)
    new = insert(table).values(
        profile=profile, version=version, position=newest.scalar_subquery(), **values
    )
    row: Row[Any] = (await conn.execute(new.returning(table))).one()
    return row


async def end(
    conn: AsyncConnection, table: Table, version: int, by: str
) -> Row[Any] | None:
    """End the trial of a version; return its row, None if there is none."""
    t = table.c
    ended = (
        update(table)
        .where(t.version == version, t.ended_at.is_(None))
        .values(ended_at=func.clock_timestamp(), ended_by=by)
    )
    row: Row[Any] | None = (await conn.execute(ended.returning(table))).one_or_none()
    return row


async def present(conn: AsyncConnection, table: Table, profile: str) -> Row[Any] | None:
    """Return the trial that goes on in a profile, or None."""
    t = table.c
    query = select(table).where(t.profile == profile, t.ended_at.is_(None))
    return (await conn.execute(query)).one_or_none()


async def newest(conn: AsyncConnection, table: Table, version: int) -> Row[Any] | None:
    """Return the last trial of a version, or None."""
    t = table.c
    query = select(table).where(t.version == version).order_by(t.id.desc()).limit(1)
    return (await conn.execute(query)).one_or_none()


def truth(said: FromClause) -> Subquery:
    """Find the label that counts, or null, of each event that was answered."""
    told = func.nullif(labels.c.label, "").label("label")
    return (
        select(labels.c.event, told)
        .ext(distinct_on(labels.c.event))
        .join(said, said.c.event == labels.c.event)
        .order_by(labels.c.event, labels.c.id.desc())
        .subquery("truth")
    )
