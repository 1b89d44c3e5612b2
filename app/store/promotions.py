"""The ledger of which model version served when, and who made it so.

The champion of a profile is one column of its row; a promotion is a compare-and-set of
it under the row's lock, so of two that begin from the same champion one loses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import ChampionMoved, Conflict, NotFound
from app.store.engine import notify
from app.store.ledgers import shadows
from app.store.tables import model_versions, profiles, promotions

CHANNEL = "onset_models"
"""Says profile, version and act: added, shadow, unshadow, promote or rollback."""

PROMOTE = "promote"
ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Promotion:
    """One entry of the ledger.

    Parameters
    ----------
    until : datetime, aware, UTC, or None
        When the next one followed; None: it serves.
    """

    id: int
    profile: str
    version: int
    previous: int | None
    act: str
    by: str
    reason: str
    at: datetime
    until: datetime | None


async def promote(
    conn: AsyncConnection,
    profile: str,
    version: int,
    expected: int | None,
    by: str,
    reason: str,
) -> None:
    """Let a version serve.

    Parameters
    ----------
    expected : int or None
        The champion that this follows; None: there is none yet.

    Raises
    ------
    NotFound
        If the profile has no such version.
    ChampionMoved
        If the champion is another one by now.
    Conflict
        If the version serves already.
    """
    present = await _lock(conn, profile)
    known = select(model_versions.c.version).where(
        model_versions.c.version == version, model_versions.c.profile == profile
    )
    if await conn.scalar(known) is None:
        raise NotFound(f"profile {profile!r} has no model version {version}")
    if present != expected:
        raise ChampionMoved(
            f"the champion of {profile!r} is {_said(present)}, not {_said(expected)}"
        )
    if present == version:
        raise Conflict(f"version {version} is the champion of {profile!r} already")
    await _move(conn, profile, version, present, PROMOTE, by, reason)


async def rollback(conn: AsyncConnection, profile: str, by: str, reason: str) -> int:
    """Let the version serve again that was promoted before the champion.

    Doing it again goes further back, never forth.

    Raises
    ------
    NotFound
        If there is no such profile.
    Conflict
        If nothing served before.
    """
    present = await _lock(conn, profile)
    former = _stack(await history(conn, profile))
    if present is None or len(former) < 2:
        raise Conflict(f"profile {profile!r} has no earlier champion to go back to")
    version = former[-2]
    await _move(conn, profile, version, present, ROLLBACK, by, reason)
    return version


async def history(
    conn: AsyncConnection, profile: str, at: datetime | None = None
) -> list[Promotion]:
    """Return the ledger of a profile, newest first.

    Parameters
    ----------
    at : datetime, aware, UTC, or None
        Only the entry that was in force then: one, or none.
    """
    following = func.lead(promotions.c.at).over(order_by=promotions.c.id)
    query = (
        select(promotions, following.label("until"))
        .where(promotions.c.profile == profile)
        .order_by(promotions.c.id.desc())
    )
    found = [Promotion(**row._mapping) for row in await conn.execute(query)]
    if at is None:
        return found
    return [p for p in found if p.at <= at and (p.until is None or at < p.until)]


async def after(conn: AsyncConnection, number: int, limit: int) -> list[Promotion]:
    """Return the entries of all profiles after a number, oldest first.

    Numbers are not given in commit order: one that was drawn earlier may come later.
    """
    query = select(promotions).where(promotions.c.id > number)
    rows = await conn.execute(query.order_by(promotions.c.id).limit(limit))
    return [Promotion(**row._mapping, until=None) for row in rows]


def _stack(ledger: Sequence[Promotion]) -> list[int]:
    """Return the champions that a rollback goes back through, the present one last."""
    stack: list[int] = []
    for entry in reversed(ledger):
        if entry.act == ROLLBACK:
            stack.pop()
        else:
            stack.append(entry.version)
    return stack


async def _lock(conn: AsyncConnection, profile: str) -> int | None:
    row = (
        await conn.execute(
            select(profiles.c.champion_version)
            .where(profiles.c.name == profile)
            .with_for_update(key_share=True)  # inserts that refer to it need not wait
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"no profile {profile!r}")
    number: int | None = row.champion_version
    return number


async def _move(
    conn: AsyncConnection,
    profile: str,
    version: int,
    previous: int | None,
    act: str,
    by: str,
    reason: str,
) -> None:
    await conn.execute(
        update(profiles)
        .where(profiles.c.name == profile)
        .values(champion_version=version)
    )
    await conn.execute(
        update(shadows)
        .where(shadows.c.version == version, shadows.c.ended_at.is_(None))
        .values(ended_at=func.clock_timestamp(), ended_by=by)
    )
    await conn.execute(
        insert(promotions).values(
            profile=profile,
            version=version,
            previous=previous,
            act=act,
            by=by,
            reason=reason,
        )
    )
    await say(conn, profile, version, act)


async def say(conn: AsyncConnection, profile: str, version: int, act: str) -> None:
    """Tell every process what became of a version."""
    said = {"profile": profile, "version": version, "act": act}
    await notify(conn, CHANNEL, said)


def _said(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
