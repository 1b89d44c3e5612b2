"""Model versions, which are never changed, and the ledger of who made which serve.

candidate --promote--> champion --another one is--> retired --promote--> champion
candidate --promote for a device--> device --another one is--> retired
rejected: its verdict was "reject" and nobody has promoted it all the same
shadow: it answers beside the champion (`shadows`); from any other state, and back
canary: it serves a share of the devices (`canaries`); from any other state, and back
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    case,
    cast,
    exists,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Json
from app.errors import NotFound
from app.store.ledgers import canaries, shadows
from app.store.pages import cursor_of, number_in
from app.store.promotions import (
    CHANNEL,
    Promotion,
    history,
    promote,
    release,
    rollback,
    say,
)
from app.store.tables import devices, model_versions, profiles, promotions

__all__ = [
    "CHANNEL",
    "ModelVersion",
    "NewVersion",
    "Promotion",
    "add",
    "champion",
    "champions",
    "get",
    "history",
    "list_",
    "listed",
    "looks",
    "newest_state",
    "own",
    "promote",
    "release",
    "rollback",
]


_LONG = cast(["train", "holdout", "weighing", "answers"], ARRAY(Text))
"""What only those who look at one version want to see of its manifest."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What the trainer knows of a version.

    Parameters
    ----------
    kind : {"full", "incremental", "imported"}
    artefact_sha256, trainer_state_sha256 : str, 64 hex digits
        Names of files in `Artefacts`; the second only where training can go on.
    card : JSON object
        What a serving process needs besides the file.
    verdict : {"promote", "refresh", "hold", "reject", "not_enough_evidence"}
    trained_through : datetime, aware, UTC, or None
    device : str or None
        The one that it is made for, and may serve.
    """

    profile: str
    parent: int | None
    kind: str
    estimator: str
    feature_set: str
    seed: int
    code_version: str
    artefact_sha256: str
    trainer_state_sha256: str | None
    card: Json
    manifest: Json
    report: Json
    verdict: str
    reason: str
    trained_through: datetime | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class ModelVersion(NewVersion):
    """A stored version.

    Parameters
    ----------
    state : str
        One of the states above; "device": it serves devices of its profile, which are
        not all of them.
    """

    version: int = 0
    state: str = "candidate"
    created_at: datetime = datetime.min


async def add(conn: AsyncConnection, new: NewVersion) -> int:
    """Store a version; return its number, which is unique over all profiles."""
    columns = {f.name: getattr(new, f.name) for f in fields(NewVersion)}
    for name in ("card", "manifest", "report"):
        columns[name] = dict(columns[name])
    version = int(
        (
            await conn.execute(
                insert(model_versions)
                .values(columns)
                .returning(model_versions.c.version)
            )
        ).scalar_one()
    )
    await say(conn, new.profile, version, "added", new.device)
    return version


async def get(conn: AsyncConnection, version: int) -> ModelVersion:
    """Return a version with its whole manifest, or raise `NotFound`."""
    row = (
        await conn.execute(_select().where(model_versions.c.version == version))
    ).one_or_none()
    if row is None:
        raise NotFound(f"no model version {version}")
    return _version(row)


async def list_(
    conn: AsyncConnection,
    profile: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
    device: str | None = None,
) -> tuple[list[ModelVersion], str | None]:
    """Return a page of versions, newest first, and the cursor of the next page.

    Their manifests lack the lists of events; `get` has them.

    Parameters
    ----------
    device : str or None
        Those that are made for it; None: all.
    """
    query = _select(whole=False).order_by(model_versions.c.version.desc())
    if profile is not None:
        query = query.where(model_versions.c.profile == profile)
    if device is not None:
        query = query.where(model_versions.c.device == device)
    if cursor is not None:
        query = query.where(model_versions.c.version < number_in(cursor))
    rows = [_version(row) for row in await conn.execute(query.limit(limit + 1))]
    more = len(rows) > limit
    return rows[:limit], cursor_of(rows[limit - 1].version) if more else None


async def champion(conn: AsyncConnection, profile: str) -> ModelVersion | None:
    """Return the version that serves, with its whole manifest, or None."""
    row = (
        await conn.execute(_select().where(_is_champion(), _of(profile)))
    ).one_or_none()
    return None if row is None else _version(row)


async def champions(conn: AsyncConnection) -> list[ModelVersion]:
    """Return the versions that serve, of all profiles; manifests as in `list_`."""
    query = _select(whole=False).where(_is_champion())
    rows = await conn.execute(query.order_by(model_versions.c.profile))
    return [_version(row) for row in rows]


async def own(conn: AsyncConnection) -> list[tuple[str, str, int]]:
    """Return (profile, device, version) of all devices with a model of their own."""
    d = devices.c
    query = select(d.profile, d.id, d.model_version)
    rows = await conn.execute(query.where(d.model_version.is_not(None)).order_by(d.id))
    return [(row.profile, row.id, row.model_version) for row in rows]


async def newest_state(conn: AsyncConnection, profile: str) -> ModelVersion | None:
    """Return the newest version from whose state training can go on, or None."""
    v = model_versions.c
    row = (
        await conn.execute(
            _select()
            .where(_of(profile), v.trainer_state_sha256.is_not(None))
            .order_by(v.version.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else _version(row)


def listed(row: ModelVersion) -> list[UUID]:
    """Return the events that a version names; those of imported ones are unknown."""
    parts = ("train", "holdout")
    return [UUID(event) for part in parts for event, _ in row.manifest.get(part, ())]


async def looks(conn: AsyncConnection, profile: str) -> int:
    """Count the versions judged since one was last found better, or since the first."""
    v = model_versions.c
    shared = _of(profile), v.device.is_(None)
    better = select(func.max(v.version)).where(*shared, v.verdict == "promote")
    query = select(func.count()).where(
        *shared,
        v.kind != "imported",
        v.version > func.coalesce(better.scalar_subquery(), 0),
    )
    return int(await conn.scalar(query) or 0)


def _of(profile: str) -> ColumnElement[bool]:
    return model_versions.c.profile == profile


def _is_champion() -> ColumnElement[bool]:
    v = model_versions.c
    return exists().where(
        profiles.c.name == v.profile, profiles.c.champion_version == v.version
    )


def _select(*, whole: bool = True) -> Select[Any]:
    v = model_versions.c
    served = exists().where(promotions.c.version == v.version)
    s = shadows.c
    beside = exists().where(s.version == v.version, s.ended_at.is_(None))
    some = exists().where(devices.c.model_version == v.version)
    c = canaries.c
    share = exists().where(c.version == v.version, c.ended_at.is_(None))
    state = case(
        (_is_champion(), "champion"),
        (share, "canary"),
        (some, "device"),
        (beside, "shadow"),
        (served, "retired"),
        (v.verdict == "reject", "rejected"),
        else_="candidate",
    )
    manifest = v.manifest if whole else v.manifest.op("-", return_type=JSONB())(_LONG)
    rest = [column for column in v if column is not v.manifest]
    return select(*rest, manifest.label("manifest"), state.label("state"))


def _version(row: Row[Any]) -> ModelVersion:
    return ModelVersion(**row._mapping)
