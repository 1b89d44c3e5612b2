"""What rules on models find: a drift, a training that failed, a champion rolled back.

Each is looked for where it is written down anyway, from a while before the last look
on: what was committed late is found, too, and its key keeps it from firing twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.alert_rules import DRIFT, ROLLBACK, TRAINING, AlertRule
from app.store.alerts import Firing
from app.store.drifts import look_of
from app.store.hooks import drift_looks
from app.store.ledgers import jobs, promotions

OVERLAP = timedelta(seconds=60)
"""Longest time between writing a row and committing it."""


async def of_rule(conn: AsyncConnection, rule: AlertRule) -> list[Firing]:
    """Return what came since a rule last looked, or was made."""
    since = rule.created_at
    if rule.looked_at is not None:
        since = max(since, rule.looked_at - OVERLAP)
    found = await _FIND[rule.on](conn, since)
    return [one for one in found if rule.profile in (None, one.profile)]


async def _drifts(conn: AsyncConnection, since: datetime) -> list[Firing]:
    """Find first alarms at a champion."""
    d, earlier = drift_looks.c, drift_looks.alias("earlier")
    e = earlier.c
    before = exists().where(
        e.model_version == d.model_version, e.alarm, e.number < d.number
    )
    query = select(drift_looks).where(d.alarm, d.at >= since, ~before)
    looks = [look_of(row) for row in await conn.execute(query.order_by(d.id))]
    return [
        Firing(
            f"drift:{one.model_version}",
            None,
            one.profile,
            sentence=f"version {one.model_version} has drifted: {one.sentence}",
        )
        for one in looks
    ]


async def _failures(conn: AsyncConnection, since: datetime) -> list[Firing]:
    """Find trainings that failed."""
    j = jobs.c
    rows = await conn.execute(
        select(j.id, j.profile, j.error)
        .where(j.kind == "retrain", j.state == "failed", j.ended_at >= since)
        .order_by(j.id)
    )
    return [
        Firing(
            f"job:{row.id}",
            None,
            row.profile,
            sentence=f"training {row.id} failed: {row.error}",
        )
        for row in rows
    ]


async def _rollbacks(conn: AsyncConnection, since: datetime) -> list[Firing]:
    """Find champions that were rolled back."""
    p = promotions.c
    rows = await conn.execute(
        select(p.id, p.profile, p.previous, p.version, p.by, p.reason)
        .where(p.act == "rollback", p.device.is_(None), p.at >= since)
        .order_by(p.id)
    )
    return [
        Firing(
            f"promotion:{row.id}",
            None,
            row.profile,
            sentence=f"{row.by} went back from version {row.previous} to "
            f"{row.version}: {row.reason}",
        )
        for row in rows
    ]


_FIND: Mapping[str, Callable[[AsyncConnection, datetime], Awaitable[list[Firing]]]] = {
    DRIFT: _drifts,
    TRAINING: _failures,
    ROLLBACK: _rollbacks,
}
