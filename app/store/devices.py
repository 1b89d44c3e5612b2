"""Devices: what streams, and under which profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Json
from app.errors import InvalidInput, NotFound
from app.store import canaries
from app.store.many import one_of
from app.store.pages import cursor_of, text_in
from app.store.tables import devices, model_versions, profiles, streams

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Device:
    """A registered device.

    Parameters
    ----------
    last_seen : datetime, aware, UTC, or None
        When it last connected or had readings committed.
    detector_version : int or None
        Its own; None: it goes by its profile.
    paused : Pause or None
        Who said that its readings are not taken for the time being.
    model_version : int or None
        Its own; None: it goes by its profile's champion.
    adaptation : JSON object or None
        What came of it when a model of its own was last judged.
    """

    id: str
    profile: str
    created_at: datetime
    last_seen: datetime | None
    detector_version: int | None
    paused: Pause | None
    model_version: int | None
    adaptation: Json | None


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused a device, when and why."""

    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How far a device is with a model of its own.

    Parameters
    ----------
    version : int or None
        What it has of its own.
    by_hand : bool
        Whether that is a version that is not made for it: somebody chose it.
    said : JSON object
        The last judgement, empty if there was none.
    """

    version: int | None
    by_hand: bool
    said: Json


def require_name(what: str, name: str) -> None:
    """Check the name of a device or a boot.

    Raises
    ------
    InvalidInput
        If it is empty, too long, or holds a control character (one of them separates
        the parts of an event's identity).
    """
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"{what} must have 1 to {LONGEST_NAME} printable characters")


async def put(conn: AsyncConnection, device: str, profile: str) -> bool:
    """Register a device or give it another profile.

    A detector and a model of its own do not go with it to another profile, whose canary
    it may join.

    Returns
    -------
    bool
        Whether it is new.

    Raises
    ------
    NotFound
        If there is no such profile.
    """
    require_name("device", device)
    known = select(profiles.c.name).where(profiles.c.name == profile)
    # a canary that begins meanwhile either sees this device, or is seen here
    if await conn.scalar(known.with_for_update(read=True)) is None:
        raise NotFound(f"no profile {profile!r}")
    made = await conn.execute(
        upsert(devices)
        .values(id=device, profile=profile)
        .on_conflict_do_nothing()
        .returning(devices.c.id)
    )
    is_new = made.one_or_none() is not None
    moved = False
    if not is_new:
        d = devices.c
        lost = dict.fromkeys(("detector_version", "model_version", "adaptation"))
        change = update(devices).where(d.id == device, d.profile != profile)
        done = await conn.execute(change.values(profile=profile, **lost))
        moved = bool(done.rowcount)
    if is_new or moved:
        await canaries.meet(conn, device, profile)
    return is_new


async def get(conn: AsyncConnection, device: str) -> Device:
    """Return a device, or raise `NotFound`."""
    row = (await conn.execute(_select().where(devices.c.id == device))).one_or_none()
    if row is None:
        raise NotFound(f"no device {device!r}")
    return _device(row)


async def require(conn: AsyncConnection, device: str, profile: str) -> None:
    """Check that a profile has a device.

    Raises
    ------
    NotFound
    """
    d = devices.c
    known = select(d.id).where(d.id == device, d.profile == profile)
    if await conn.scalar(known) is None:
        raise NotFound(f"profile {profile!r} has no device {device!r}")


async def pause(conn: AsyncConnection, device: str, by: str, reason: str) -> bool:
    """Take no readings of a device until it is resumed, or raise `NotFound`.

    Returns
    -------
    bool
        Whether it was not paused before; who paused it first stays.
    """
    values = {"paused_at": func.clock_timestamp(), "paused_by": by}
    return await _turn(conn, device, values | {"paused_why": reason}, paused=False)


async def resume(conn: AsyncConnection, device: str) -> bool:
    """Take readings of a device again, or raise `NotFound`; say if it was paused."""
    values = dict.fromkeys(("paused_at", "paused_by", "paused_why"))
    return await _turn(conn, device, values, paused=True)


async def paused(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """Return which of some devices are paused, each with the reason."""
    d = devices.c
    held = one_of(d.id, ids) & d.paused_at.is_not(None)
    wanted = select(d.id, d.paused_why).where(held)
    return {row.id: row.paused_why for row in await conn.execute(wanted)}


async def profiles_of(conn: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """Return the profile of each of some devices; those not registered are left out."""
    wanted = select(devices.c.id, devices.c.profile).where(one_of(devices.c.id, ids))
    return {row.id: row.profile for row in await conn.execute(wanted)}


async def detectors_of(
    conn: AsyncConnection, ids: Sequence[str]
) -> dict[tuple[str, str], int]:
    """Return the detector versions that devices have of their own.

    Returns
    -------
    dict
        (profile, device) -> number.
    """
    d = devices.c
    wanted = select(d.profile, d.id, d.detector_version).where(
        one_of(d.id, ids), d.detector_version.is_not(None)
    )
    return {(row.profile, row.id): row[2] for row in await conn.execute(wanted)}


async def adaptations(conn: AsyncConnection, profile: str) -> dict[str, Adaptation]:
    """Return how far a profile's devices are with models of their own."""
    d, v = devices.c, model_versions.c
    by_hand = d.model_version.is_not(None) & v.device.is_distinct_from(d.id)
    query = (
        select(d.id, d.model_version, by_hand.label("by_hand"), d.adaptation)
        .outerjoin(model_versions, v.version == d.model_version)
        .where(d.profile == profile)
    )
    return {
        row.id: Adaptation(row.model_version, row.by_hand, row.adaptation or {})
        for row in await conn.execute(query)
    }


async def adapted(conn: AsyncConnection, device: str, said: Json) -> None:
    """Keep what came of judging a model of a device's own."""
    kept = update(devices).where(devices.c.id == device).values(adaptation=dict(said))
    await conn.execute(kept)


async def list_(
    conn: AsyncConnection, limit: int = 100, cursor: str | None = None
) -> tuple[list[Device], str | None]:
    """Return a page of devices by id, and the cursor of the next page."""
    query = _select().order_by(devices.c.id).limit(limit + 1)
    if cursor is not None:
        query = query.where(devices.c.id > text_in(cursor))
    rows = [_device(row) for row in await conn.execute(query)]
    more = len(rows) > limit
    return rows[:limit], cursor_of(rows[limit - 1].id) if more else None


async def _turn(
    conn: AsyncConnection, device: str, values: Mapping[str, Any], *, paused: bool
) -> bool:
    """Set what says whether a device is paused, if it says the opposite."""
    at = devices.c.paused_at
    done = await conn.execute(
        update(devices)
        .where(devices.c.id == device, at.is_not(None) if paused else at.is_(None))
        .values(**values)
    )
    if not done.rowcount:
        await get(conn, device)
    return bool(done.rowcount)


def _select() -> Select[Any]:
    streamed = (
        select(func.max(streams.c.last_seen))
        .where(streams.c.device == devices.c.id)
        .scalar_subquery()
    )
    return select(
        devices.c.id,
        devices.c.profile,
        devices.c.created_at,
        func.greatest(devices.c.last_seen, streamed).label("last_seen"),
        devices.c.detector_version,
        devices.c.paused_at,
        devices.c.paused_by,
        devices.c.paused_why,
        devices.c.model_version,
        devices.c.adaptation,
    )


def _device(row: Row[Any]) -> Device:
    held = None
    if row.paused_at is not None:
        held = Pause(row.paused_by, row.paused_at, row.paused_why)
    return Device(
        row.id,
        row.profile,
        row.created_at,
        row.last_seen,
        row.detector_version,
        held,
        row.model_version,
        row.adaptation,
    )
