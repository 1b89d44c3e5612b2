"""How a profile does at a glance: counts, and accuracy by model version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import devices, events, labels, streams

STREAMING_SECONDS = 15.0
"""A device whose readings were committed within this time is streaming."""
LAST = 100
RECENT = 2000
"""So many labels or answers are looked at: the cost does not grow with the history."""

_ACCURACY = text(
    """
    WITH recent AS (
        SELECT l.id, l.event, l.label FROM labels l JOIN events e ON e.id = l.event
        WHERE e.profile = :profile ORDER BY l.id DESC LIMIT :recent
    ), latest AS (
        SELECT DISTINCT ON (event) id, event, label FROM recent
        ORDER BY event, id DESC
    ), judged AS (
        SELECT p.model_version, p.label = latest.label AS correct, row_number() OVER (
            PARTITION BY p.model_version ORDER BY latest.id DESC) AS place
        FROM latest JOIN predictions p ON p.event = latest.event AND p.first
        WHERE latest.label <> '' AND p.at <= (
            SELECT min(l.at) FROM labels l WHERE l.event = latest.event)
    )
    SELECT model_version, count(*) AS n, avg(correct::int)::float8 AS accuracy
    FROM judged WHERE place <= :last GROUP BY model_version ORDER BY model_version
    """
)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of correct answers among a version's last `n` that were labelled after."""

    model_version: int
    n: int
    accuracy: float


_EXPECTED = text(
    """
    SELECT count(*) AS n, avg(probability)::float8 AS accuracy FROM (
        SELECT recent.probability FROM (
            SELECT event, probability, position FROM predictions
            WHERE model_version = :version AND first
            ORDER BY position DESC LIMIT :recent
        ) AS recent JOIN events e ON e.id = recent.event
        WHERE NOT e.labelled ORDER BY recent.position DESC LIMIT :last
    ) AS newest
    """
)


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of a profile.

    Parameters
    ----------
    devices, devices_connected : int
        Registered; with readings committed within the last 15 seconds.
    events, unlabelled, unclassified : int
    accuracy : tuple of Accuracy, by version
        Only answers that were given before anybody said what the event was.
    expected : Accuracy or None
        Of the champion's last answers that nobody has labelled, the share that will
        turn out to be right if its probabilities are calibrated; None: there are none.
    """

    devices: int
    devices_connected: int
    events: int
    unlabelled: int
    unclassified: int
    accuracy: tuple[Accuracy, ...]
    expected: Accuracy | None


async def of_profile(
    conn: AsyncConnection, profile: str, now: datetime, champion: int | None
) -> Status:
    """Look at a profile; `now` is aware, UTC, `champion` the version that serves."""
    of_it = events.c.profile == profile
    n_events = await conn.scalar(select(func.count()).select_from(events).where(of_it))
    waiting = select(func.count()).select_from(events)
    unclassified = await conn.scalar(waiting.where(of_it, ~events.c.classified))
    said = select(labels.c.event).join(events, events.c.id == labels.c.event)
    n_labelled = await conn.scalar(
        select(func.count()).select_from(said.where(of_it).distinct().subquery())
    )
    registered = devices.c.profile == profile
    n_devices = await conn.scalar(
        select(func.count()).select_from(devices).where(registered)
    )
    fresh = streams.c.last_seen > now - timedelta(seconds=STREAMING_SECONDS)
    streaming = await conn.scalar(
        select(func.count(streams.c.device.distinct()))
        .join(devices, devices.c.id == streams.c.device)
        .where(registered, fresh)
    )
    rows = await conn.execute(
        _ACCURACY, {"profile": profile, "recent": RECENT, "last": LAST}
    )
    return Status(
        devices=n_devices or 0,
        devices_connected=streaming or 0,
        events=n_events or 0,
        unlabelled=(n_events or 0) - (n_labelled or 0),
        unclassified=unclassified or 0,
        accuracy=tuple(Accuracy(r.model_version, r.n, r.accuracy) for r in rows),
        expected=None if champion is None else await _expected(conn, champion),
    )


async def _expected(conn: AsyncConnection, version: int) -> Accuracy | None:
    asked = {"version": version, "recent": RECENT, "last": LAST}
    row = (await conn.execute(_EXPECTED, asked)).one()
    return Accuracy(version, row.n, row.accuracy) if row.n else None
