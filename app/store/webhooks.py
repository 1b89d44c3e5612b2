"""Webhooks: who is told of what happens, and how far they have been told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, NotFound
from app.store import events
from app.store.hooks import webhooks
from app.store.tables import promotions

MAX_WEBHOOKS = 100
_NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told.

    Parameters
    ----------
    types : tuple of str
        Which CloudEvents types are sent.
    profile : str or None
        Only of this one.
    position, promotion : int
        The last event and the last promotion that deliveries were made of.
    failing_since : datetime or None
        When the last delivery succeeded no more.
    disabled : str or None
        Why nothing is sent any more.
    """

    id: int
    url: str
    secret: bytes
    types: tuple[str, ...]
    profile: str | None
    position: int
    promotion: int
    failing_since: datetime | None
    disabled: str | None
    created_at: datetime


async def add(
    conn: AsyncConnection,
    url: str,
    secret: bytes,
    types: Sequence[str],
    profile: str | None,
) -> Webhook:
    """Tell a URL of what happens from now on.

    Raises
    ------
    Conflict
        If there are `MAX_WEBHOOKS` already.
    """
    count = await conn.scalar(select(func.count()).select_from(webhooks)) or 0
    if count >= MAX_WEBHOOKS:
        raise Conflict(f"there are {count} webhooks already, {MAX_WEBHOOKS} at most")
    newest = select(func.coalesce(func.max(promotions.c.id), 0)).scalar_subquery()
    row = await conn.execute(
        insert(webhooks)
        .values(
            url=url,
            secret=secret,
            types=list(types),
            profile=profile,
            position=await events.last_position(conn),
            promotion=newest,
        )
        .returning(webhooks)
    )
    return _webhook(row.one())


async def get(conn: AsyncConnection, webhook: int) -> Webhook:
    """Return a webhook, or raise `NotFound`."""
    row = (
        await conn.execute(select(webhooks).where(webhooks.c.id == webhook))
    ).one_or_none()
    if row is None:
        raise NotFound(f"no webhook {webhook}")
    return _webhook(row)


async def list_(conn: AsyncConnection) -> list[Webhook]:
    """Return all webhooks, oldest first."""
    rows = await conn.execute(select(webhooks).order_by(webhooks.c.id))
    return [_webhook(row) for row in rows]


async def remove(conn: AsyncConnection, webhook: int) -> None:
    """Forget a webhook and its deliveries, or raise `NotFound`."""
    gone = await conn.execute(
        delete(webhooks).where(webhooks.c.id == webhook).returning(webhooks.c.id)
    )
    if gone.one_or_none() is None:
        raise NotFound(f"no webhook {webhook}")


async def enable(conn: AsyncConnection, webhook: int) -> Webhook:
    """Send again to a webhook that was given up; or raise `NotFound`."""
    changed = await conn.execute(
        update(webhooks)
        .where(webhooks.c.id == webhook)
        .values(disabled=None, failing_since=None)
        .returning(webhooks)
    )
    row = changed.one_or_none()
    if row is None:
        raise NotFound(f"no webhook {webhook}")
    return _webhook(row)


async def claim_cursor(conn: AsyncConnection, webhook: int) -> Webhook | None:
    """Lock a webhook to make its next deliveries; None: somebody else does."""
    row = (
        await conn.execute(
            select(webhooks)
            .where(webhooks.c.id == webhook, webhooks.c.disabled.is_(None))
            .with_for_update(skip_locked=True)
        )
    ).one_or_none()
    return None if row is None else _webhook(row)


async def give_up(conn: AsyncConnection, after_seconds: float) -> list[int]:
    """Disable webhooks that have failed for so long; return which."""
    since = _NOW - timedelta(seconds=after_seconds)
    rows = await conn.scalars(
        update(webhooks)
        .where(webhooks.c.disabled.is_(None), webhooks.c.failing_since < since)
        .values(disabled=f"no delivery succeeded for {after_seconds / 3600:g} hours")
        .returning(webhooks.c.id)
    )
    return list(rows)


def _webhook(row: Row[Any]) -> Webhook:
    fields = dict(row._mapping)
    return Webhook(**fields | {"types": tuple(row.types)})
