"""What is known of detector versions: listed with their state, and who let them serve.

The state is told of a profile, or of one device of it:

candidate --promote--> serving --another is--> retired --promote, rollback--> serving
device: it serves devices of the profile, but not the profile itself
rejected: its verdict was "reject" and nobody has promoted it all the same
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Json
from app.store.tables import (
    detector_promotions,
    detector_versions,
    devices,
    profiles,
)

MOST_NAMED = 20
"""Devices that a version names; the others are counted."""


@dataclass(frozen=True, slots=True)
class DetectorRow:
    """A detector version; `state` is one of those in the module's docstring.

    Parameters
    ----------
    device : str or None
        The one that it was made for.
    devices : tuple of str
        The first of those that it serves although it is not the profile's.
    n_devices : int
        How many those are.
    """

    number: int
    profile: str
    settings: Json
    source: str
    parent: int | None
    verdict: str | None
    reason: str | None
    report: Json | None
    device: str | None
    created_at: datetime
    state: str
    devices: tuple[str, ...]
    n_devices: int


@dataclass(frozen=True, slots=True)
class DetectorServed:
    """One entry of the ledger; `until` None: it serves.

    `number` None: the device goes by its profile again; `previous` None: it did.
    """

    number: int | None
    previous: int | None
    act: str
    by: str
    reason: str
    at: datetime
    until: datetime | None
    device: str | None


@dataclass(frozen=True, slots=True)
class Serving:
    """Numbers of the versions that serve, by profile, and by (profile, device)."""

    profiles: dict[str, int]
    devices: dict[tuple[str, str], int]


async def list_(
    conn: AsyncConnection, profile: str, device: str | None = None
) -> list[DetectorRow]:
    """Return the versions of a profile, newest first.

    Parameters
    ----------
    device : str or None
        Leave out what was made for other devices, and tell the states of this one.
    """
    d, p = detector_versions.c, detector_promotions.c
    own = await _own(conn, profile)
    serving = own.get(device) if device is not None else None
    if serving is None:
        serving = await conn.scalar(
            select(profiles.c.detector_version).where(profiles.c.name == profile)
        )
    whose: list[ColumnElement[bool]] = [p.device.is_(None)]
    made_for: list[ColumnElement[bool]] = [d.profile == profile]
    if device is not None:
        whose.append(p.device == device)
        made_for.append(or_(d.device.is_(None), d.device == device))
    ever = set(
        await conn.scalars(select(p.number).where(p.profile == profile, or_(*whose)))
    )
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
            d.device,
            d.created_at,
        )
        .where(*made_for)
        .order_by(d.number.desc())
    )
    users = defaultdict(list)
    for name, number in own.items():
        users[number].append(name)
    found = []
    for row in rows:
        number, verdict = row.number, row.verdict
        named = users[number]
        state = "rejected" if verdict == "reject" else "candidate"
        if number == serving:
            state = "serving"
        elif named:
            state = "device"
        elif number in ever:
            state = "retired"
        found.append(
            DetectorRow(
                **row._mapping,
                state=state,
                devices=tuple(named[:MOST_NAMED]),
                n_devices=len(named),
            )
        )
    return found


async def history(
    conn: AsyncConnection, profile: str, device: str | None = None
) -> list[DetectorServed]:
    """Return the ledger of a profile, or of one of its devices, newest first."""
    p = detector_promotions.c
    following = func.lead(p.at).over(order_by=p.id)
    rows = await conn.execute(
        select(p.number, p.previous, p.act, p.by, p.reason, p.at, following, p.device)
        .where(p.profile == profile, p.device.is_not_distinct_from(device))
        .order_by(p.id.desc())
    )
    return [DetectorServed(*row) for row in rows]


async def serving(conn: AsyncConnection) -> Serving:
    """Return the number of the version that serves each profile, and each device."""
    p, d = profiles.c, devices.c
    rows = await conn.execute(
        select(p.name, p.detector_version).where(p.detector_version.is_not(None))
    )
    own = await conn.execute(
        select(d.profile, d.id, d.detector_version).where(
            d.detector_version.is_not(None)
        )
    )
    return Serving(
        {name: number for name, number in rows},
        {(profile, device): number for profile, device, number in own},
    )


async def _own(conn: AsyncConnection, profile: str) -> dict[str, int]:
    d = devices.c
    rows = await conn.execute(
        select(d.id, d.detector_version)
        .where(d.detector_version.is_not(None), d.profile == profile)
        .order_by(d.id)
    )
    return {device: number for device, number in rows}
