"""Canaries: versions that serve a share of a profile's devices before all of them.

Devices with a model of their own keep it.  A profile has at most one canary.

    candidate, shadow, retired --begin--> canary --end--> what it was
                                             '--promote--> champion
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, NotFound
from app.store import canary_devices, trials
from app.store.canary_devices import CANARY
from app.store.ledgers import canaries, shadows
from app.store.promotions import say
from app.store.tables import (
    devices,
    events,
    model_versions,
    predictions,
    profiles,
    promotions,
)


@dataclass(frozen=True, slots=True)
class Canary:
    """A time during which a version serves, or served, a share of the devices.

    Parameters
    ----------
    share : float in (0, 1)
    position : int
        Commit-ordered position of the last event before it.
    ended_at, ended_by : None while it serves
    """

    id: int
    profile: str
    version: int
    share: float
    by: str
    reason: str
    at: datetime
    position: int
    ended_at: datetime | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Arm:
    """What a version answered first, since a canary began.

    Parameters
    ----------
    devices, events, unknown : int >= 0
        Events that it answered, of so many devices; so many of them as unknown.
    labelled, right : int >= 0
        Those with a label by now, and those where that is what it answered.
    """

    version: int
    devices: int
    events: int
    unknown: int
    labelled: int
    right: int


async def begin(
    conn: AsyncConnection, version: int, share: float, by: str, reason: str
) -> Canary:
    """Let a version serve a share of its profile's devices; again: another share.

    Raises
    ------
    NotFound
        If there is no such version.
    Conflict
        If it serves the profile already, is made for one device, or the profile has
        another canary, or no champion beside which it could serve.
    """
    row = await trials.contender(conn, version)
    if row.device is not None:
        raise Conflict(f"version {version} is made for device {row.device!r} alone")
    if row.champion_version is None:
        raise Conflict(f"profile {row.profile!r} has no champion: promote the version")
    present = await of_profile(conn, row.profile)
    if present is not None and present.version != version:
        raise Conflict(f"version {present.version} is the canary of {row.profile!r}")
    if present is not None:
        this = update(canaries).where(canaries.c.id == present.id).values(share=share)
        made = (await conn.execute(this.returning(canaries))).one()
    else:
        await trials.end(conn, shadows, version, by)
        said = {"share": share, "by": by, "reason": reason}
        made = await trials.begin(conn, canaries, row.profile, version, **said)
    canary = _canary(made)
    await _spread(conn, canary, by, reason)
    await say(conn, canary.profile, version, CANARY)
    return canary


async def end(conn: AsyncConnection, version: int, by: str) -> str:
    """Let the champion serve the devices of a canary again; return the profile.

    Raises
    ------
    NotFound
        If there is no such version.
    Conflict
        If it is no canary.
    """
    v = model_versions.c
    query = select(v.profile).where(v.version == version)
    profile: str | None = await conn.scalar(query)
    if profile is None:
        raise NotFound(f"no model version {version}")
    lock = select(profiles.c.name).where(profiles.c.name == profile)
    await conn.execute(lock.with_for_update(key_share=True))
    why = f"the canary of version {version} has ended"
    if not await canary_devices.end(conn, profile, version, by, why):
        raise Conflict(f"version {version} is no canary")
    await say(conn, profile, version, "end_canary")
    return profile


async def meet(conn: AsyncConnection, device: str, profile: str) -> None:
    """Let a device that came to a profile join its canary, if it is chosen."""
    canary = await of_profile(conn, profile)
    if canary is None:
        return
    if canary_devices.chosen(canary.version, canary.share, [device]):
        why = f"chosen for the canary: {canary.reason}"
        await canary_devices.move(conn, [device], None, canary.version, canary.by, why)
        await say(conn, profile, canary.version, CANARY, device)


async def of_profile(conn: AsyncConnection, profile: str) -> Canary | None:
    """Return the canary of a profile, or None."""
    row = await trials.present(conn, canaries, profile)
    return None if row is None else _canary(row)


async def newest(conn: AsyncConnection, version: int) -> Canary | None:
    """Return the last time that a version was a canary, or None."""
    row = await trials.newest(conn, canaries, version)
    return None if row is None else _canary(row)


async def count(conn: AsyncConnection, canary: Canary) -> tuple[int, int]:
    """Return how many devices it serves by now, and how many its profile has."""
    d = devices.c
    mine = func.count().filter(d.model_version == canary.version)
    query = select(mine, func.count()).where(d.profile == canary.profile)
    served, of = (await conn.execute(query)).one()
    return served, of


async def arms(conn: AsyncConnection, canary: Canary) -> tuple[Arm, Arm | None]:
    """Return what a canary answered, and what the champion did meanwhile."""
    other = await conn.scalar(_beside(canary))
    mine = await _arm(conn, canary, canary.version)
    return mine, None if other is None else await _arm(conn, canary, other)


def _beside(canary: Canary) -> Any:
    """Find the champion, or the one before the canary was promoted."""
    r = promotions.c
    return (
        select(case((r.version == canary.version, r.previous), else_=r.version))
        .where(r.profile == canary.profile, r.device.is_(None))
        .order_by(r.id.desc())
        .limit(1)
    )


async def _arm(conn: AsyncConnection, canary: Canary, version: int) -> Arm:
    p, e = predictions.c, events.c
    mine = select(p.event, p.label, p.unknown).where(
        p.first, p.model_version == version, p.position > canary.position
    )
    if canary.ended_at is not None:
        mine = mine.where(p.at < canary.ended_at)
    said = mine.order_by(p.position.desc()).limit(trials.COMPARED).subquery("said")
    truth = trials.truth(said)
    row = (
        await conn.execute(
            select(
                func.count(e.device.distinct()).label("devices"),
                func.count().label("events"),
                func.count().filter(said.c.unknown).label("unknown"),
                func.count(truth.c.label).label("labelled"),
                func.count().filter(truth.c.label == said.c.label).label("right"),
            )
            .select_from(said)
            .join(events, e.id == said.c.event)
            .outerjoin(truth, truth.c.event == said.c.event)
        )
    ).one()
    return Arm(version, **row._mapping)


async def _spread(conn: AsyncConnection, canary: Canary, by: str, reason: str) -> None:
    """Let exactly the chosen devices have the version, of those that are free."""
    version, share = canary.version, canary.share
    members = await canary_devices.members(conn, canary.profile, version)
    stay = set(canary_devices.chosen(version, share, members))
    leave = [device for device in members if device not in stay]
    there = await canary_devices.free(conn, canary.profile, canary.at)
    join = canary_devices.chosen(version, share, there)
    await canary_devices.move(conn, leave, version, None, by, reason)
    await canary_devices.move(conn, join, None, version, by, reason)


def _canary(row: Row[Any]) -> Canary:
    return Canary(**row._mapping)
