"""Profiles, and the immutable versions of their detector settings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.detection import check, complete
from app.detection.scores import digest, is_digest
from app.domain import (
    Channel,
    DetectorVersion,
    Json,
    Profile,
    RetentionPolicy,
    RetrainPolicy,
)
from app.errors import Conflict, InvalidDetector, NotFound
from app.store import detectors as versions
from app.store.tables import (
    detector_versions,
    devices,
    events,
    profiles,
    streams,
)


@dataclass(frozen=True, slots=True)
class Put:
    """What `put` made of a profile."""

    profile: Profile
    detector: DetectorVersion
    created: bool


async def put(
    conn: AsyncConnection, profile: Profile, settings: Json | None, by: str = "onset"
) -> Put:
    """Create a profile or change it.

    Parameters
    ----------
    settings : JSON object or None
        Detector settings; None keeps the present ones, or takes the default.
        Settings that differ from the present ones become a new detector version.
        A ``model`` may be named by its digest, if an earlier version has it.
    by : str
        Who is asking, for the ledger of detectors.

    Raises
    ------
    InvalidDetector
        If the settings cannot work at the profile's rate.
    Conflict
        If channels or rate change although there are readings already.
    """
    columns = _columns(profile)
    made = await conn.execute(
        upsert(profiles).values(columns).on_conflict_do_nothing().returning(profiles)
    )
    created = made.one_or_none() is not None
    row = (
        await conn.execute(
            select(profiles)
            .where(profiles.c.name == profile.name)
            .with_for_update(key_share=True)
        )
    ).one()
    if not created:
        await _require_same_readings(conn, _profile(row), profile)
        await conn.execute(
            update(profiles).where(profiles.c.name == profile.name).values(columns)
        )
    number = row.detector_version
    present = None if number is None else await detector_version(conn, number)
    detector = await _settle(conn, profile, settings, present, by)
    return Put(profile, detector, created)


async def get(conn: AsyncConnection, name: str) -> Profile:
    """Return a profile, or raise `NotFound`."""
    row = (
        await conn.execute(select(profiles).where(profiles.c.name == name))
    ).one_or_none()
    if row is None:
        raise NotFound(f"no profile {name!r}")
    return _profile(row)


async def known(conn: AsyncConnection, names: Collection[str]) -> set[str]:
    """Return those of some names that profiles have."""
    wanted = select(profiles.c.name).where(profiles.c.name.in_(names))
    return set(await conn.scalars(wanted))


async def list_(conn: AsyncConnection) -> list[Profile]:
    """Return all profiles by name."""
    rows = await conn.execute(select(profiles).order_by(profiles.c.name))
    return [_profile(row) for row in rows]


async def detector(
    conn: AsyncConnection, profile: str, device: str | None = None
) -> DetectorVersion:
    """Return the present detector version of a profile, or raise `NotFound`.

    Parameters
    ----------
    device : str or None
        Return that of this device, if it has one of its own.
    """
    if device is not None:
        d = detector_versions.c
        own = (
            await conn.execute(
                select(detector_versions)
                .join(devices, devices.c.detector_version == d.number)
                .where(devices.c.id == device, d.profile == profile)
            )
        ).one_or_none()
        if own is not None:
            return _detector(own)
    row = (
        await conn.execute(
            select(detector_versions)
            .join(profiles, profiles.c.detector_version == detector_versions.c.number)
            .where(profiles.c.name == profile)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"no profile {profile!r}")
    return _detector(row)


async def detector_version(conn: AsyncConnection, number: int) -> DetectorVersion:
    """Return a detector version by its number, or raise `NotFound`."""
    row = (
        await conn.execute(
            select(detector_versions).where(detector_versions.c.number == number)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"no detector version {number}")
    return _detector(row)


async def detector_versions_of(
    conn: AsyncConnection, numbers: Collection[int]
) -> dict[int, DetectorVersion]:
    """Return detector versions by their numbers; those there are not are left out."""
    if not numbers:
        return {}
    wanted = detector_versions.c.number.in_(numbers)
    rows = await conn.execute(select(detector_versions).where(wanted))
    return {row.number: _detector(row) for row in rows}


async def detectors(conn: AsyncConnection, profile: str) -> list[DetectorVersion]:
    """Return all detector versions of a profile, newest first."""
    rows = await conn.execute(
        select(detector_versions)
        .where(detector_versions.c.profile == profile)
        .order_by(detector_versions.c.number.desc())
    )
    return [_detector(row) for row in rows]


async def _settle(
    conn: AsyncConnection,
    profile: Profile,
    settings: Json | None,
    present: DetectorVersion | None,
    by: str,
) -> DetectorVersion:
    if settings is None and present is not None:
        wanted = dict(present.settings)
    else:
        wanted = complete(await with_model(conn, profile.name, settings))
    check(wanted, profile)
    if present is not None and wanted == present.settings:
        return present
    number = await versions.add(conn, versions.NewDetector(profile.name, wanted))
    former = None if present is None else present.number
    await versions.move(
        conn, profile.name, number, former, versions.SET, by, "the profile was put"
    )
    return DetectorVersion(number, profile.name, wanted)


async def with_model(
    conn: AsyncConnection, profile: str, settings: Json | None
) -> Json | None:
    """Put a model in the place of its digest.

    Raises
    ------
    InvalidDetector
        If no detector of the profile has it.
    """
    name = "" if settings is None else settings.get("model")
    if settings is None or not isinstance(name, str) or not is_digest(name):
        return settings
    for version in await detectors(conn, profile):
        model = version.settings.get("model", "")
        if model and digest(model) == name:
            return {**settings, "model": model}
    raise InvalidDetector(f"no detector of {profile!r} has a model {name}")


async def _require_same_readings(
    conn: AsyncConnection, old: Profile, new: Profile
) -> None:
    if (old.channels, old.rate_hz) == (new.channels, new.rate_hz):
        return
    streaming = (
        select(streams.c.device)
        .join(
            detector_versions, detector_versions.c.number == streams.c.detector_version
        )
        .where(detector_versions.c.profile == old.name)
    )
    storing = select(events.c.id).where(events.c.profile == old.name)
    used = await conn.scalar(select(or_(exists(streaming), exists(storing))))
    if used:
        raise Conflict(
            f"profile {old.name!r} has readings already: its channels and rate_hz "
            "cannot change; make another profile"
        )


def _columns(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "channels": [asdict(channel) for channel in profile.channels],
        "rate_hz": profile.rate_hz,
        "classes": list(profile.classes),
        "max_hold_seconds": profile.max_hold_seconds,
        "max_gap_seconds": profile.max_gap_seconds,
        "record": profile.record,
        "retrain": asdict(profile.retrain),
        "retention": asdict(profile.retention),
    }


def _profile(row: Row[Any]) -> Profile:
    return Profile(
        name=row.name,
        channels=tuple(Channel(**channel) for channel in row.channels),
        rate_hz=row.rate_hz,
        classes=tuple(row.classes),
        max_hold_seconds=row.max_hold_seconds,
        max_gap_seconds=row.max_gap_seconds,
        record=row.record,
        retrain=RetrainPolicy.from_json(row.retrain),
        retention=RetentionPolicy(**row.retention),
    )


def _detector(row: Row[Any]) -> DetectorVersion:
    return DetectorVersion(row.number, row.profile, row.settings)
