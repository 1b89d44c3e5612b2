"""What the background's looks at drift found, by champion; and how fresh models are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Json
from app.store.engine import notify
from app.store.hooks import drift_looks
from app.store.ledgers import shadows
from app.store.tables import events, labels, model_versions, profiles

CHANNEL = "onset_drift"
"""Says profile, model version and sentence when a champion's drift is first found."""


@dataclass(frozen=True, slots=True)
class DriftLook:
    """One look at the events of a champion.

    Parameters
    ----------
    number : int >= 0
        Which look at this champion; 0 only says where looking began.
    position : int
        Commit-ordered position of the newest event that there was.
    events : int
        Recent events that were compared.
    budget : float in (0, 1)
        Probability that this look alarms without drift.
    signals : sequence of JSON objects
        What `learning.drift` said.
    """

    profile: str
    model_version: int
    number: int
    position: int
    events: int
    budget: float
    alarm: bool
    signals: Sequence[Json]
    at: datetime | None = None

    @property
    def sentence(self) -> str:
        """What alarmed, in words."""
        return " ".join(str(one["sentence"]) for one in self.signals if one["alarm"])


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the champion of a profile is.

    Parameters
    ----------
    labels : int >= 0
        That came since it was trained.
    skipped : int >= 0
        Events that the shadow of the profile was not asked about.
    look : DriftLook or None
        The last one at this champion.
    """

    profile: str
    version: int
    trained_at: datetime
    labels: int
    skipped: int
    look: DriftLook | None


async def add(conn: AsyncConnection, look: DriftLook) -> bool:
    """Store a look; return whether nobody else had made the same."""
    made = await conn.execute(
        upsert(drift_looks)
        .values(
            profile=look.profile,
            model_version=look.model_version,
            number=look.number,
            position=look.position,
            events=look.events,
            budget=look.budget,
            alarm=look.alarm,
            signals=[dict(one) for one in look.signals],
        )
        .on_conflict_do_nothing()
        .returning(drift_looks.c.id)
    )
    return made.one_or_none() is not None


async def newest(conn: AsyncConnection, version: int) -> DriftLook | None:
    """Return the last look at a version, or None."""
    d = drift_looks.c
    query = select(drift_looks).where(d.model_version == version)
    row = (await conn.execute(query.order_by(d.number.desc()).limit(1))).one_or_none()
    return None if row is None else look_of(row)


async def first_alarm(conn: AsyncConnection, version: int) -> DriftLook | None:
    """Return the look at a version that first alarmed, or None."""
    d = drift_looks.c
    query = select(drift_looks).where(d.model_version == version, d.alarm)
    row = (await conn.execute(query.order_by(d.number).limit(1))).one_or_none()
    return None if row is None else look_of(row)


async def has_alarmed(conn: AsyncConnection, profile: str) -> bool:
    """Whether a look at the present champion of a profile has alarmed."""
    d, p = drift_looks.c, profiles.c
    query = select(d.id).join(profiles, p.champion_version == d.model_version)
    alarmed = query.where(p.name == profile, d.alarm).limit(1)
    return await conn.scalar(alarmed) is not None


async def champions(conn: AsyncConnection) -> list[tuple[str, int]]:
    """Return the profiles that have a champion, with its number."""
    p = profiles.c
    query = select(p.name, p.champion_version).where(p.champion_version.is_not(None))
    return [(row.name, row.champion_version) for row in await conn.execute(query)]


async def new_events(
    conn: AsyncConnection, profile: str, position: int, most: int
) -> int:
    """Count the events of a profile after a position, up to `most`."""
    e = events.c
    some = select(e.id).where(e.profile == profile, e.position > position).limit(most)
    counted = select(func.count()).select_from(some.subquery("some"))
    return int(await conn.scalar(counted) or 0)


async def announce(conn: AsyncConnection, look: DriftLook) -> None:
    """Tell every process that a champion has drifted."""
    said = {
        "profile": look.profile,
        "model_version": look.model_version,
        "sentence": look.sentence,
    }
    await notify(conn, CHANNEL, said)


async def freshness(conn: AsyncConnection) -> list[Freshness]:
    """Return how fresh every champion is."""
    p, v, d, s = profiles.c, model_versions.c, drift_looks.c, shadows.c
    since = (
        select(func.count())
        .select_from(labels)
        .join(events, events.c.id == labels.c.event)
        .where(events.c.profile == p.name, labels.c.at > v.created_at)
        .scalar_subquery()
    )
    skipped = (
        select(func.coalesce(func.sum(s.skipped), 0))
        .where(s.profile == p.name)
        .scalar_subquery()
    )
    rows = await conn.execute(
        select(
            p.name,
            v.version,
            v.created_at,
            since.label("labels"),
            skipped.label("skipped"),
        )
        .join(model_versions, v.version == p.champion_version)
        .order_by(p.name)
    )
    found = list(rows)
    looks = await conn.execute(
        select(drift_looks)
        .ext(distinct_on(d.model_version))
        .where(d.model_version.in_([row.version for row in found]), d.number > 0)
        .order_by(d.model_version, d.number.desc())
    )
    by_version = {row.model_version: look_of(row) for row in looks}
    return [
        Freshness(
            row.name,
            row.version,
            row.created_at,
            int(row.labels),
            int(row.skipped),
            by_version.get(row.version),
        )
        for row in found
    ]


def look_of(row: Row[Any]) -> DriftLook:
    """Read a row of `drift_looks`."""
    fields = dict(row._mapping)
    del fields["id"]
    return DriftLook(**fields)
