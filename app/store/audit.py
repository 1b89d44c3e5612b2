"""Who did what to which object: written in the transaction of the act itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Json
from app.store.pages import cursor_of, number_in
from app.store.tables import audit


@dataclass(frozen=True, slots=True)
class Entry:
    """One act."""

    id: int
    at: datetime
    actor: str
    act: str
    object: str
    before: Json | None
    after: Json | None


async def record(
    conn: AsyncConnection,
    actor: str,
    act: str,
    object_: str,
    before: Json | None = None,
    after: Json | None = None,
) -> None:
    """Write an entry; it stays if and only if this transaction does.

    Parameters
    ----------
    object_ : str
        Kind and name of what it was done to, like ``profile:arm-band``.
    """
    row: dict[str, object] = {"actor": actor, "act": act, "object": object_}
    if before is not None:
        row["before"] = dict(before)
    if after is not None:
        row["after"] = dict(after)
    await conn.execute(insert(audit).values(row))


async def list_(
    conn: AsyncConnection,
    limit: int = 100,
    cursor: str | None = None,
    *,
    object_: str | None = None,
) -> tuple[list[Entry], str | None]:
    """Return a page of entries, newest first, and the cursor of the next page."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(audit.c.id < number_in(cursor))
    if object_ is not None:
        query = query.where(audit.c.object == object_)
    rows = [_entry(row) for row in await conn.execute(query)]
    more = len(rows) > limit
    return rows[:limit], cursor_of(rows[limit - 1].id) if more else None


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.id, row.at, row.actor, row.act, row.object, row.before, row.after)
