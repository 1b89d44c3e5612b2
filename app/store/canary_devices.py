"""The devices that a canary serves, in their rows and in the ledger of each.

A device of a canary has the version as its own, like any device with a model of its
own: whatever serves, tells or verifies by device needs to know nothing of canaries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import (
    Integer,
    exists,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import trials
from app.store.ledgers import canaries, promotions
from app.store.many import one_of
from app.store.tables import devices

CANARY = "canary"
"""A device joins a canary; without a version, it leaves it."""


def chosen(version: int, share: float, devices: Collection[str]) -> list[str]:
    """Choose about a share of some devices, by their names.

    A device that is chosen for a share is chosen for each greater one, whoever else is
    there.  Another version chooses others, so that it is not always the same people who
    try what is new.

    Examples
    --------
    >>> bands = [f"band-{n}" for n in range(1000)]
    >>> few, more = chosen(7, 0.1, bands), chosen(7, 0.3, bands)
    >>> len(few), len(more), set(few) < set(more), few == chosen(7, 0.1, bands)
    (111, 305, True, True)
    """
    return [one for one in devices if _place(version, one) < share * 2.0**64]


def _place(version: int, device: str) -> int:
    digest = hashlib.sha256(f"{version}/{device}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


async def members(conn: AsyncConnection, profile: str, version: int) -> list[str]:
    """Return, and lock, the devices that have a version because of its canary."""
    d, p = devices.c, promotions.c
    act = (
        select(p.act)
        .where(p.device == d.id, p.profile == d.profile)
        .order_by(p.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    served = select(d.id).where(d.profile == profile, d.model_version == version)
    found = served.where(act == CANARY).order_by(d.id)
    return list(await conn.scalars(found.with_for_update(of=devices, key_share=True)))


async def free(conn: AsyncConnection, profile: str, since: datetime) -> list[str]:
    """Return, and lock, the devices that go by their profile.

    Those that somebody took out of the canary after `since` are left alone.
    """
    d, p = devices.c, promotions.c
    taken_out = exists().where(
        p.device == d.id, p.act.in_(("release", "rollback")), p.at >= since
    )
    query = select(d.id).where(d.profile == profile, d.model_version.is_(None))
    found = query.where(~taken_out).order_by(d.id)
    return list(await conn.scalars(found.with_for_update(of=devices, key_share=True)))


async def move(
    conn: AsyncConnection,
    names: Sequence[str],
    previous: int | None,
    version: int | None,
    by: str,
    reason: str,
) -> None:
    """Let devices have a version of their own, or none any more; they are locked."""
    d = devices.c
    these = one_of(d.id, names)
    await conn.execute(update(devices).where(these).values(model_version=version))
    rows = select(
        d.profile,
        literal(version, Integer) if version is not None else null(),
        literal(previous, Integer) if previous is not None else null(),
        literal(CANARY),
        literal(by),
        literal(reason),
        d.id,
    ).where(these)
    columns = ["profile", "version", "previous", "act", "by", "reason", "device"]
    await conn.execute(insert(promotions).from_select(columns, rows))


async def end(
    conn: AsyncConnection, profile: str, version: int, by: str, reason: str
) -> bool:
    """End the canary of a version, if it is one: its devices go by their profile."""
    if await trials.end(conn, canaries, version, by) is None:
        return False
    leaving = await members(conn, profile, version)
    await move(conn, leaving, version, None, by, reason)
    return True
