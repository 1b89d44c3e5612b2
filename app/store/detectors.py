"""Detector versions, which are never changed, and the ledger of which served when.

candidate --promote--> serving --another is--> retired --promote, rollback--> serving
rejected: its verdict was "reject" and nobody has promoted it all the same
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Json
from app.errors import ChampionMoved, Conflict, NotFound
from app.store.engine import notify
from app.store.tables import detector_promotions, detector_versions, profiles

CHANNEL = "onset_detectors"
"""Says profile and number of the detector that serves from now on."""

SET, PROMOTE, ROLLBACK = "set", "promote", "rollback"


@dataclass(frozen=True, slots=True)
class NewDetector:
    """A detector version to be.

    Parameters
    ----------
    source : {"set", "learnt"}
    parent : int or None
        The version that it was compared with.
    verdict, reason, report
        What came of that; None for settings that somebody put.
    """

    profile: str
    settings: Json
    source: str = "set"
    parent: int | None = None
    verdict: str | None = None
    reason: str | None = None
    report: Json | None = None


@dataclass(frozen=True, slots=True)
class DetectorRow:
    """A detector version; `state` is one of those in the module's docstring."""

    number: int
    profile: str
    settings: Json
    source: str
    parent: int | None
    verdict: str | None
    reason: str | None
    report: Json | None
    created_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class DetectorServed:
    """One entry of the ledger; `until` None: it serves."""

    number: int
    previous: int | None
    act: str
    by: str
    reason: str
    at: datetime
    until: datetime | None


async def add(conn: AsyncConnection, new: NewDetector) -> int:
    """Keep a version; it does not serve yet."""
    number = await conn.scalar(
        insert(detector_versions)
        .values(
            profile=new.profile,
            settings=dict(new.settings),
            source=new.source,
            parent=new.parent,
            verdict=new.verdict,
            reason=new.reason,
            report=None if new.report is None else dict(new.report),
        )
        .returning(detector_versions.c.number)
    )
    return int(number or 0)


async def promote(
    conn: AsyncConnection,
    profile: str,
    number: int,
    expected: int | None,
    by: str,
    reason: str,
) -> int:
    """Let a version serve; return the one that did before.

    Parameters
    ----------
    expected : int or None
        The version that this follows; None: whichever serves.

    Raises
    ------
    NotFound
        If the profile has no such version.
    ChampionMoved
        If another one serves by now.
    Conflict
        If the version serves already.
    """
    present = await _hold(conn, profile)
    d = detector_versions.c
    known = select(d.number).where(d.number == number, d.profile == profile)
    if await conn.scalar(known) is None:
        raise NotFound(f"profile {profile!r} has no detector version {number}")
    if expected not in (None, present):
        raise ChampionMoved(
            f"the detector of {profile!r} is version {present}, not {expected}"
        )
    if present == number:
        raise Conflict(f"detector version {number} serves {profile!r} already")
    await move(conn, profile, number, present, PROMOTE, by, reason)
    return present


async def rollback(
    conn: AsyncConnection, profile: str, by: str, reason: str
) -> tuple[int, int]:
    """Let the version serve again that did before; return it and the present one.

    Doing it again goes further back, never forth.

    Raises
    ------
    NotFound
        If there is no such profile.
    Conflict
        If nothing served before.
    """
    present = await _hold(conn, profile)
    former: list[int] = []
    for entry in reversed(await history(conn, profile)):
        if entry.act == ROLLBACK:
            former.pop()
        else:
            former.append(entry.number)
    if len(former) < 2:
        raise Conflict(f"profile {profile!r} has no earlier detector to go back to")
    await move(conn, profile, former[-2], present, ROLLBACK, by, reason)
    return former[-2], present


async def move(
    conn: AsyncConnection,
    profile: str,
    number: int,
    previous: int | None,
    act: str,
    by: str,
    reason: str,
) -> None:
    """Make a version serve, and say so, in the ledger and to every process."""
    await conn.execute(
        update(profiles)
        .where(profiles.c.name == profile)
        .values(detector_version=number)
    )
    await conn.execute(
        insert(detector_promotions).values(
            profile=profile,
            number=number,
            previous=previous,
            act=act,
            by=by,
            reason=reason,
        )
    )
    await notify(conn, CHANNEL, {"profile": profile, "number": number})


async def list_(conn: AsyncConnection, profile: str) -> list[DetectorRow]:
    """Return all versions of a profile, newest first."""
    d, p = detector_versions.c, detector_promotions.c
    serving = await conn.scalar(
        select(profiles.c.detector_version).where(profiles.c.name == profile)
    )
    ever = set(await conn.scalars(select(p.number).where(p.profile == profile)))
    rows = await conn.execute(
        select(
            d.number,
            d.profile,
            d.settings,
            d.source,
            d.parent,
            d.verdict,
            d.reason,
            d.report,
            d.created_at,
        )
        .where(d.profile == profile)
        .order_by(d.number.desc())
    )
    return [
        DetectorRow(*row, _state(row.number, row.verdict, serving, ever))
        for row in rows
    ]


async def history(conn: AsyncConnection, profile: str) -> list[DetectorServed]:
    """Return the ledger of a profile, newest first."""
    p = detector_promotions.c
    following = func.lead(p.at).over(order_by=p.id)
    rows = await conn.execute(
        select(p.number, p.previous, p.act, p.by, p.reason, p.at, following)
        .where(p.profile == profile)
        .order_by(p.id.desc())
    )
    return [DetectorServed(*row) for row in rows]


async def serving(conn: AsyncConnection) -> dict[str, int]:
    """Return the number of the version that serves each profile."""
    p = profiles.c
    rows = await conn.execute(
        select(p.name, p.detector_version).where(p.detector_version.is_not(None))
    )
    return {name: number for name, number in rows}


def _state(
    number: int,
    verdict: str | None,
    serving: int | None,
    ever: Sequence[int] | set[int],
) -> str:
    if number == serving:
        return "serving"
    if number in ever:
        return "retired"
    return "rejected" if verdict == "reject" else "candidate"


async def _hold(conn: AsyncConnection, profile: str) -> int:
    present = await conn.scalar(
        select(profiles.c.detector_version)
        .where(profiles.c.name == profile)
        .with_for_update(key_share=True)
    )
    if present is None:
        raise NotFound(f"no profile {profile!r}")
    return int(present)
