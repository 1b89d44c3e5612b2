"""Detector versions, which are never changed, and the ledger of which served when.

A version serves a profile, and instead of it, where it is so decided, one device.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Json
from app.errors import ChampionMoved, Conflict, NotFound
from app.store.detector_list import (
    DetectorRow,
    DetectorServed,
    Serving,
    history,
    list_,
    serving,
)
from app.store.engine import notify
from app.store.tables import (
    detector_promotions,
    detector_versions,
    devices,
    profiles,
)

__all__ = [
    "CHANNEL",
    "PROMOTE",
    "ROLLBACK",
    "SET",
    "DetectorRow",
    "DetectorServed",
    "NewDetector",
    "Serving",
    "add",
    "history",
    "list_",
    "move",
    "promote",
    "rollback",
    "serving",
]

CHANNEL = "onset_detectors"
"""Says profile, device and number of the detector that serves from now on."""

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
    device : str or None
        The one that it is made for.
    """

    profile: str
    settings: Json
    source: str = "set"
    parent: int | None = None
    verdict: str | None = None
    reason: str | None = None
    report: Json | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """What serves, locked: the profile's number, and the device's own or None."""

    profile: int
    own: int | None

    @property
    def number(self) -> int:
        return self.profile if self.own is None else self.own


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
            device=new.device,
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
    device: str | None = None,
) -> int:
    """Let a version serve; return the one that did before.

    Parameters
    ----------
    expected : int or None
        The version that this follows; None: whichever serves.
    device : str or None
        Let it serve this device only, whatever serves its profile.

    Raises
    ------
    NotFound
        If the profile has no such version or no such device.
    ChampionMoved
        If another one serves by now.
    Conflict
        If the version serves already.
    """
    held = await _hold(conn, profile, device)
    d = detector_versions.c
    known = select(d.number).where(d.number == number, d.profile == profile)
    if await conn.scalar(known) is None:
        raise NotFound(f"profile {profile!r} has no detector version {number}")
    whose = _whose(profile, device)
    if expected not in (None, held.number):
        raise ChampionMoved(
            f"the detector of {whose} is version {held.number}, not {expected}"
        )
    if number == (held.profile if device is None else held.own):
        raise Conflict(f"detector version {number} serves {whose} already")
    previous = held.profile if device is None else held.own
    await move(conn, profile, number, previous, PROMOTE, by, reason, device)
    return held.number


async def rollback(
    conn: AsyncConnection,
    profile: str,
    by: str,
    reason: str,
    device: str | None = None,
) -> tuple[int, int]:
    """Let the version serve again that did before; return it and the present one.

    Doing it again goes further back, never forth.  A device goes back to its profile
    in the end.

    Raises
    ------
    NotFound
        If there is no such profile or device.
    Conflict
        If nothing served before.
    """
    held = await _hold(conn, profile, device)
    former: list[int] = []
    for entry in reversed(await history(conn, profile, device)):
        if entry.act == ROLLBACK:
            former.pop()
            continue
        if entry.previous is None:
            former.clear()  # of a device: it went by its profile before
        if entry.number is not None:
            former.append(entry.number)
    if device is None:
        if len(former) < 2:
            raise Conflict(f"profile {profile!r} has no earlier detector to go back to")
        await move(conn, profile, former[-2], held.profile, ROLLBACK, by, reason)
        return former[-2], held.profile
    if held.own is None:
        raise Conflict(f"device {device!r} goes by the detector of {profile!r} already")
    number = former[-2] if len(former) > 1 else None
    await move(conn, profile, number, held.own, ROLLBACK, by, reason, device)
    return (held.profile if number is None else number), held.own


async def move(
    conn: AsyncConnection,
    profile: str,
    number: int | None,
    previous: int | None,
    act: str,
    by: str,
    reason: str,
    device: str | None = None,
) -> None:
    """Make a version serve, and say so, in the ledger and to every process.

    Parameters
    ----------
    number : int or None
        None: the device goes by its profile.
    """
    served = update(profiles).where(profiles.c.name == profile)
    if device is not None:
        served = update(devices).where(devices.c.id == device)
    await conn.execute(served.values(detector_version=number))
    await conn.execute(
        insert(detector_promotions).values(
            profile=profile,
            number=number,
            previous=previous,
            act=act,
            by=by,
            reason=reason,
            device=device,
        )
    )
    said = {"profile": profile, "device": device, "number": number}
    await notify(conn, CHANNEL, said)


def _whose(profile: str, device: str | None) -> str:
    return repr(profile) if device is None else f"device {device!r}"


async def _hold(conn: AsyncConnection, profile: str, device: str | None) -> _Held:
    p, d = profiles.c, devices.c
    present = select(p.detector_version).where(p.name == profile)
    if device is None:
        present = present.with_for_update(key_share=True)
    number = await conn.scalar(present)
    if number is None:
        raise NotFound(f"no profile {profile!r}")
    if device is None:
        return _Held(int(number), None)
    own = (
        await conn.execute(
            select(d.detector_version)
            .where(d.id == device, d.profile == profile)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if own is None:
        raise NotFound(f"profile {profile!r} has no device {device!r}")
    return _Held(int(number), own.detector_version)
