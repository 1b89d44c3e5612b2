"""Keys of devices, people and services: ``ons_<id>_<secret>``, kept as a digest.

A secret has 256 random bits, so one fast SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Role
from app.domain.reach import EVERYTHING, Reach
from app.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from app.store.engine import notify
from app.store.many import one_of
from app.store.tables import api_keys, devices

CHANNEL = "onset_keys"
"""Says the id of a key that was revoked."""

_BASE62 = string.digits + string.ascii_letters
_SECRET_LENGTH = 43  # of 62 letters: 256 bits
_KEY = re.compile(r"ons_([0-9A-Za-z]{8})_[0-9A-Za-z]+", re.ASCII)
_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret.

    Parameters
    ----------
    device : str or None
        The only device that it may speak for; not None exactly for role ``device``.
    reach : Reach
        Which profiles and devices it may know of.
    """

    id: str
    role: Role
    name: str
    device: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    reach: Reach = EVERYTHING


async def create(
    conn: AsyncConnection,
    *,
    role: Role,
    name: str,
    device: str | None = None,
    expires_at: datetime | None = None,
    reach: Reach = EVERYTHING,
    secret: str | None = None,
) -> tuple[Key, str]:
    """Make a key.

    Parameters
    ----------
    secret : str or None
        The whole key as it will be presented, if somebody chose it already.

    Returns
    -------
    key : Key
    presented : str
        What to present; shown this once, never stored.

    Raises
    ------
    InvalidInput
        If a device key names no device, or another role names one; or if a key of
        role device or admin is limited.
    NotFound
        If there is no such device.
    Conflict
        If a chosen key exists already.
    """
    if (role is Role.DEVICE) != (device is not None):
        raise InvalidInput("a key of role device names its device, no other does")
    if reach.limited and role in (Role.DEVICE, Role.ADMIN):
        raise InvalidInput(f"a key of role {role} cannot be limited")
    if device is not None:
        known = select(devices.c.id).where(devices.c.id == device)
        if await conn.scalar(known) is None:
            raise NotFound(f"no device {device!r}")
    presented = secret or f"ons_{_letters(8)}_{_letters(_SECRET_LENGTH)}"
    row = (
        await conn.execute(
            upsert(api_keys)
            .values(
                id=_id(presented),
                sha256=_digest(presented),
                role=role.value,
                name=name,
                device=device,
                expires_at=expires_at,
                profiles=list(reach.profiles),
                devices=list(reach.devices),
            )
            .on_conflict_do_nothing()
            .returning(api_keys)
        )
    ).one_or_none()
    if row is None:
        raise Conflict(f"key {_id(presented)} exists already")
    return _key(row), presented


async def find(conn: AsyncConnection, presented: str) -> Key:
    """Return the key that was presented.

    Raises
    ------
    Unauthenticated
        If there is none, or it is revoked or expired; the message does not say which.
    """
    [key] = await find_all(conn, [presented])
    if key is None:
        raise Unauthenticated("the key is not valid")
    return key


async def find_all(conn: AsyncConnection, presented: Sequence[str]) -> list[Key | None]:
    """Return the keys that were presented.

    Returns
    -------
    list of Key or None
        None where there is none, or it is revoked or expired.
    """
    usable = api_keys.c.revoked_at.is_(None) & or_(
        api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.now()
    )
    ids = [_id(one) for one in presented]
    these = one_of(api_keys.c.id, ids)
    found = await conn.execute(select(api_keys).where(these, usable))
    rows = {row.id: row for row in found}
    out = []
    for key_id, one in zip(ids, presented, strict=True):
        row = rows.get(key_id)
        expected = _NOBODY if row is None else row.sha256
        right = hmac.compare_digest(expected, _digest(one))
        out.append(_key(row) if right and row is not None else None)
    return out


async def of_person(
    conn: AsyncConnection, subject: str, *, name: str, role: Role, reach: Reach
) -> tuple[Key, str | None]:
    """Return the key of a person whom somebody else vouches for, made if need be.

    It has no secret: its digest is that of the subject, which holds a character that
    no presented key can have.  A key that is revoked stays as it was.

    Parameters
    ----------
    subject : str
        Issuer and name there, parted by a NUL.

    Returns
    -------
    key : Key
    act : {"create", "update"} or None
        Whether it had to be made, or had another name, role or reach.
    """
    digest = sha256(subject.encode(errors="surrogatepass")).digest()
    now = {
        "name": name,
        "role": role.value,
        "profiles": list(reach.profiles),
        "devices": list(reach.devices),
    }
    key_id = f"p{digest.hex()[:15]}"
    known = select(api_keys).where(api_keys.c.id == key_id, api_keys.c.sha256 == digest)
    row = (await conn.execute(known)).one_or_none()
    if row is None:
        made = upsert(api_keys).values(id=key_id, sha256=digest, **now)
        await conn.execute(made.on_conflict_do_nothing())
        return _key((await conn.execute(known)).one()), "create"
    same = all(getattr(row, column) == value for column, value in now.items())
    if same or row.revoked_at is not None:
        return _key(row), None
    change = update(api_keys).where(api_keys.c.id == key_id).values(**now)
    return _key((await conn.execute(change.returning(api_keys))).one()), "update"


async def get(conn: AsyncConnection, key_id: str) -> Key:
    """Return a key by its id, usable or not, or raise `NotFound`."""
    row = (
        await conn.execute(select(api_keys).where(api_keys.c.id == key_id))
    ).one_or_none()
    if row is None:
        raise NotFound(f"no key {key_id!r}")
    return _key(row)


async def revoke(conn: AsyncConnection, key_id: str) -> Key:
    """End a key for ever, and say so to all processes; again is a no-op.

    Raises
    ------
    NotFound
        If there is no such key.
    """
    await conn.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
    )
    key = await get(conn, key_id)
    await notify(conn, CHANNEL, key_id)
    return key


async def unusable(conn: AsyncConnection, key_ids: Collection[str]) -> set[str]:
    """Return those of some keys that are revoked, expired or gone."""
    k = api_keys.c
    usable = k.revoked_at.is_(None) & or_(
        k.expires_at.is_(None), k.expires_at > func.now()
    )
    found = await conn.scalars(select(k.id).where(one_of(k.id, key_ids), usable))
    return set(key_ids) - set(found)


async def list_(conn: AsyncConnection, device: str | None = None) -> list[Key]:
    """Return all keys, or those of one device, oldest first."""
    query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
    if device is not None:
        query = query.where(api_keys.c.device == device)
    return [_key(row) for row in await conn.execute(query)]


def _letters(n: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(n))


def _digest(presented: str) -> bytes:
    return sha256(presented.encode()).digest()


def _id(presented: str) -> str:
    """Read the id, or derive one for a key that somebody chose otherwise."""
    ours = _KEY.fullmatch(presented)
    return ours.group(1) if ours else f"x{_digest(presented).hex()[:15]}"


def _key(row: Row[Any]) -> Key:
    return Key(
        row.id,
        Role(row.role),
        row.name,
        row.device,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        Reach(tuple(row.profiles), tuple(row.devices)),
    )
