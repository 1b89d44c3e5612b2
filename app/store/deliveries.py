"""What webhooks are owed, and what became of it.

A delivery is written before anything is sent, in the transaction that moves the
webhook's cursors on: what was committed is delivered, through crashes and by whichever
replica comes first.  At least once: a receiver tells repetitions by the message's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.store.hooks import deliveries, webhooks
from app.store.pages import cursor_of, number_in
from app.store.webhooks import Webhook, list_

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
_NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one webhook, with what became of it."""

    id: int
    webhook: int
    message: str
    type: str
    body: str
    state: str
    attempts: int
    next_at: datetime
    status: int | None
    error: str | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A message to be sent; `message` is its identity for the receiver."""

    message: str
    type: str
    body: str


async def waiting(conn: AsyncConnection, webhook: int) -> int:
    """Count what a webhook is still owed."""
    query = select(func.count()).where(
        deliveries.c.webhook == webhook, deliveries.c.state == WAITING
    )
    return int(await conn.scalar(query) or 0)


async def known(
    conn: AsyncConnection, webhook: int, messages: Sequence[str]
) -> set[str]:
    """Return which messages a webhook was owed already."""
    query = select(deliveries.c.message).where(
        deliveries.c.webhook == webhook, deliveries.c.message.in_(messages)
    )
    return set(await conn.scalars(query))


async def add(conn: AsyncConnection, webhook: int, new: Sequence[NewDelivery]) -> None:
    """Write deliveries; one that is known already is one."""
    if not new:
        return
    await conn.execute(
        upsert(deliveries).on_conflict_do_nothing(),
        [
            {
                "webhook": webhook,
                "message": one.message,
                "type": one.type,
                "body": one.body,
            }
            for one in new
        ],
    )


async def owe(
    conn: AsyncConnection,
    webhook: int,
    new: Sequence[NewDelivery],
    *,
    position: int,
    promotion: int,
) -> None:
    """Write deliveries and move the webhook's cursors on; a known message is one."""
    await add(conn, webhook, new)
    await conn.execute(
        update(webhooks)
        .where(webhooks.c.id == webhook)
        .values(position=position, promotion=promotion)
    )


async def take_due(
    conn: AsyncConnection, limit: int, lease_seconds: float
) -> list[tuple[Webhook, Delivery]]:
    """Take deliveries that are due; untold, they come back after the lease."""
    due = (
        select(deliveries.c.id)
        .join(webhooks, webhooks.c.id == deliveries.c.webhook)
        .where(
            deliveries.c.state == WAITING,
            deliveries.c.next_at <= _NOW,
            webhooks.c.disabled.is_(None),
        )
        .order_by(deliveries.c.next_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=deliveries)
        .cte("due")  # not a subquery: a plan may run that again for each row
    )
    rows = await conn.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(select(due.c.id)))
        .values(
            attempts=deliveries.c.attempts + 1,
            next_at=_NOW + timedelta(seconds=lease_seconds),
        )
        .returning(deliveries)
    )
    taken = sorted((_delivery(row) for row in rows), key=lambda d: d.id)
    owners = {h.id: h for h in await list_(conn)} if taken else {}
    return [(owners[one.webhook], one) for one in taken]


async def delivered(conn: AsyncConnection, delivery: Delivery, status: int) -> None:
    """Say that the receiver has taken a delivery."""
    await _end(conn, delivery, DELIVERED, status=status, error=None)
    await conn.execute(
        update(webhooks)
        .where(webhooks.c.id == delivery.webhook, webhooks.c.failing_since.is_not(None))
        .values(failing_since=None)
    )


async def again(
    conn: AsyncConnection,
    delivery: Delivery,
    seconds: float | None,
    status: int | None,
    error: str,
) -> None:
    """Say that a delivery failed; it is due again in so many seconds, or never."""
    if seconds is None:
        await _end(conn, delivery, FAILED, status=status, error=error)
    else:
        await conn.execute(
            update(deliveries)
            .where(deliveries.c.id == delivery.id, deliveries.c.state == WAITING)
            .values(
                status=status, error=error, next_at=_NOW + timedelta(seconds=seconds)
            )
        )
    await conn.execute(
        update(webhooks)
        .where(webhooks.c.id == delivery.webhook, webhooks.c.failing_since.is_(None))
        .values(failing_since=_NOW)
    )


async def resend(conn: AsyncConnection, webhook: int, delivery: int) -> Delivery:
    """Make a delivery due now, whatever became of it; or raise `NotFound`."""
    row = (
        await conn.execute(
            update(deliveries)
            .where(deliveries.c.id == delivery, deliveries.c.webhook == webhook)
            .values(state=WAITING, next_at=_NOW, attempts=0, ended_at=None)
            .returning(deliveries)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"no delivery {delivery} of webhook {webhook}")
    return _delivery(row)


async def log(
    conn: AsyncConnection,
    webhook: int,
    limit: int = 100,
    cursor: str | None = None,
    *,
    state: str | None = None,
) -> tuple[list[Delivery], str | None]:
    """Return a page of a webhook's deliveries, newest first, and the next cursor."""
    query = (
        select(deliveries)
        .where(deliveries.c.webhook == webhook)
        .order_by(deliveries.c.id.desc())
        .limit(limit + 1)
    )
    if state is not None:
        query = query.where(deliveries.c.state == state)
    if cursor is not None:
        query = query.where(deliveries.c.id < number_in(cursor))
    rows = [_delivery(row) for row in await conn.execute(query)]
    more = len(rows) > limit
    return rows[:limit], cursor_of(rows[limit - 1].id) if more else None


async def of_message(conn: AsyncConnection, message: str) -> list[Delivery]:
    """Return what became of a message at each webhook that is owed it, for a week."""
    every = select(webhooks.c.id).scalar_subquery()
    wanted = select(deliveries).where(
        deliveries.c.webhook.in_(every), deliveries.c.message == message
    )
    rows = await conn.execute(wanted.order_by(deliveries.c.id))
    return [_delivery(row) for row in rows]


async def forget(conn: AsyncConnection, after_seconds: float) -> int:
    """Drop deliveries that ended so long ago; return how many."""
    before = _NOW - timedelta(seconds=after_seconds)
    done = await conn.execute(delete(deliveries).where(deliveries.c.ended_at < before))
    return int(done.rowcount)


async def _end(
    conn: AsyncConnection, delivery: Delivery, state: str, **columns: object
) -> None:
    await conn.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery.id)
        .values(state=state, ended_at=_NOW, **columns)
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**row._mapping)
