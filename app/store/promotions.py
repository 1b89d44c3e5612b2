"""The ledger of which model version served when, and who made it so.

The champion of a profile is one column of its row; a promotion is a compare-and-set of
it under the row's lock, so of two that begin from the same champion one loses.  A
version may also serve one device, instead of its profile's champion: a column of the
device's row, in the same ledger.  So it does for each device of a canary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import ChampionMoved, Conflict, NotFound
from app.store import canary_devices, trials
from app.store.canary_devices import CANARY
from app.store.engine import notify
from app.store.ledgers import shadows
from app.store.tables import devices, model_versions, profiles, promotions

CHANNEL = "onset_models"
"""Says profile, version and act: added, shadow, unshadow, canary, end_canary, promote,
rollback, release; and the device, if it is about one."""

PROMOTE = "promote"
ROLLBACK = "rollback"
RELEASE = "release"
"""A device goes by its profile's champion again."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """One entry of the ledger.

    Parameters
    ----------
    version : int or None
        None: the device goes by its profile from now on.
    until : datetime, aware, UTC, or None
        When the next one followed; None: it serves.
    device : str or None
        The one that it is about; None: all of the profile without an own model.
    """

    id: int
    profile: str
    version: int | None
    previous: int | None
    act: str
    by: str
    reason: str
    at: datetime
    until: datetime | None
    device: str | None = None


async def promote(
    conn: AsyncConnection,
    profile: str,
    version: int,
    expected: int | None,
    by: str,
    reason: str,
    device: str | None = None,
) -> None:
    """Let a version serve.

    Parameters
    ----------
    expected : int or None
        The version that this follows; None: there is none yet.
    device : str or None
        Let it serve this device only; `expected` is then its own version so far.

    Raises
    ------
    NotFound
        If the profile has no such version or no such device.
    ChampionMoved
        If another one serves by now.
    Conflict
        If the version serves already, or was made for another device.
    """
    present = await _lock(conn, profile, device)
    v = model_versions.c
    made = select(v.device).where(v.version == version, v.profile == profile)
    row = (await conn.execute(made)).one_or_none()
    if row is None:
        raise NotFound(f"profile {profile!r} has no model version {version}")
    if row.device not in (None, device):
        raise Conflict(f"version {version} is made for device {row.device!r} alone")
    whose = _whose(profile, device)
    if present != expected:
        raise ChampionMoved(
            f"the champion of {whose} is {_said(present)}, not {_said(expected)}"
        )
    if present == version:
        raise Conflict(f"version {version} is the champion of {whose} already")
    await _move(conn, profile, version, present, PROMOTE, by, reason, device)


async def rollback(
    conn: AsyncConnection,
    profile: str,
    by: str,
    reason: str,
    device: str | None = None,
) -> int | None:
    """Let the version serve again that was promoted before the champion.

    Doing it again goes further back, never forth.  A device goes back to its profile
    in the end.

    Returns
    -------
    int or None
        The version that serves; None: the device goes by its profile.

    Raises
    ------
    NotFound
        If there is no such profile or device.
    Conflict
        If nothing served before.
    """
    present = await _lock(conn, profile, device)
    former = _stack(await history(conn, profile, device=device))
    if device is None:
        if present is None or len(former) < 2:
            raise Conflict(f"profile {profile!r} has no earlier champion to go back to")
    elif present is None:
        raise Conflict(f"device {device!r} goes by the model of {profile!r} already")
    version = former[-2] if len(former) > 1 else None
    await _move(conn, profile, version, present, ROLLBACK, by, reason, device)
    return version


async def release(
    conn: AsyncConnection, profile: str, device: str, by: str, reason: str
) -> int:
    """Let a device go by its profile's champion again; return what was its own.

    Raises
    ------
    NotFound
        If the profile has no such device.
    Conflict
        If it has no model of its own.
    """
    present = await _lock(conn, profile, device)
    if present is None:
        raise Conflict(f"device {device!r} goes by the model of {profile!r} already")
    await _move(conn, profile, None, present, RELEASE, by, reason, device)
    return present


async def history(
    conn: AsyncConnection,
    profile: str,
    at: datetime | None = None,
    device: str | None = None,
) -> list[Promotion]:
    """Return the ledger of a profile, or of one of its devices, newest first.

    Parameters
    ----------
    at : datetime, aware, UTC, or None
        Only the entry that was in force then: one, or none.
    device : str or None
        What served this device instead of the champion.
    """
    following = func.lead(promotions.c.at).over(order_by=promotions.c.id)
    query = (
        select(promotions, following.label("until"))
        .where(
            promotions.c.profile == profile,
            promotions.c.device.is_not_distinct_from(device),
        )
        .order_by(promotions.c.id.desc())
    )
    found = [Promotion(**row._mapping) for row in await conn.execute(query)]
    if at is None:
        return found
    return [p for p in found if p.at <= at and (p.until is None or at < p.until)]


async def after(conn: AsyncConnection, number: int, limit: int) -> list[Promotion]:
    """Return the entries of all profiles after a number, oldest first.

    Without those of devices that join a canary, or leave it: there may be thousands.
    Numbers are not given in commit order: one that was drawn earlier may come later.
    """
    p = promotions.c
    query = select(promotions).where(p.id > number, p.act != CANARY)
    rows = await conn.execute(query.order_by(promotions.c.id).limit(limit))
    return [Promotion(**row._mapping, until=None) for row in rows]


def _stack(ledger: Sequence[Promotion]) -> list[int]:
    """Return the champions that a rollback goes back through, the present one last."""
    stack: list[int] = []
    for entry in reversed(ledger):
        if entry.act == ROLLBACK:
            stack.pop()
            continue
        if entry.previous is None or entry.version is None:
            stack.clear()  # of a device: it goes, or went, by its profile
        if entry.version is not None:
            stack.append(entry.version)
    return stack


async def _lock(
    conn: AsyncConnection, profile: str, device: str | None = None
) -> int | None:
    """Lock what serves a profile, or a device of its own, and return it."""
    p, d = profiles.c, devices.c
    query = select(p.champion_version.label("version")).where(p.name == profile)
    if device is not None:
        query = select(d.model_version.label("version"))
        query = query.where(d.id == device, d.profile == profile)
    # key_share: inserts that refer to it need not wait
    found = await conn.execute(query.with_for_update(key_share=True))
    row = found.one_or_none()
    if row is None and device is not None:
        raise NotFound(f"profile {profile!r} has no device {device!r}")
    if row is None:
        raise NotFound(f"no profile {profile!r}")
    number: int | None = row.version
    return number


async def _move(
    conn: AsyncConnection,
    profile: str,
    version: int | None,
    previous: int | None,
    act: str,
    by: str,
    reason: str,
    device: str | None,
) -> None:
    served = update(profiles).where(profiles.c.name == profile)
    served = served.values(champion_version=version)
    if device is not None:
        served = update(devices).where(devices.c.id == device)
        served = served.values(model_version=version)
    await conn.execute(served)
    if device is None and version is not None:
        await trials.end(conn, shadows, version, by)
        why = f"version {version} serves all of {profile!r}"
        await canary_devices.end(conn, profile, version, by, why)
    await conn.execute(
        insert(promotions).values(
            profile=profile,
            version=version,
            previous=previous,
            act=act,
            by=by,
            reason=reason,
            device=device,
        )
    )
    await say(conn, profile, version, act, device)


async def say(
    conn: AsyncConnection,
    profile: str,
    version: int | None,
    act: str,
    device: str | None = None,
) -> None:
    """Tell every process what became of a version."""
    said = {"profile": profile, "version": version, "act": act}
    if device is not None:
        said["device"] = device
    await notify(conn, CHANNEL, said)


def _said(version: int | None) -> str:
    return "none" if version is None else f"version {version}"


def _whose(profile: str, device: str | None) -> str:
    return repr(profile) if device is None else f"device {device!r}"
