"""Silences: devices of which nothing was heard, and when that is over."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.alert_rules import AlertRule
from app.store.alerts import ALERTS, Alert, Firing, get
from app.store.hooks import alerts

_SILENT = text(
    "SELECT d.id, d.profile, greatest(d.last_seen, s.last_seen) AS seen FROM devices d "
    "LEFT JOIN LATERAL (SELECT max(last_seen) AS last_seen FROM streams"
    " WHERE device = d.id) s ON true "
    "WHERE (CAST(:device AS text) IS NULL OR d.id = :device)"
    " AND (CAST(:profile AS text) IS NULL OR d.profile = :profile)"
    " AND greatest(d.last_seen, s.last_seen)"
    " < clock_timestamp() - CAST(:seconds AS double precision) * interval '1 s' "
    "ORDER BY seen, d.id"
)


async def silent(conn: AsyncConnection, rule: AlertRule) -> list[Firing]:
    """Return the devices that a rule finds silent; one that never spoke is not."""
    rows = await conn.execute(
        _SILENT,
        {
            "device": rule.device,
            "profile": rule.profile,
            "seconds": rule.silence_seconds,
        },
    )
    return [
        Firing(f"silence:{row.id}:{row.seen.isoformat()}", row.id, row.profile)
        for row in rows
    ]


async def end(
    conn: AsyncConnection, rule: AlertRule, still: Collection[str | None]
) -> list[Alert]:
    """End the alerts of devices that speak again; return them.

    Parameters
    ----------
    still : collection of str
        Devices that are silent.
    """
    going = await conn.execute(
        ALERTS.where(alerts.c.rule == rule.id, alerts.c.ended_at.is_(None))
    )
    over = [
        row.id
        for row in going
        if (row.subject not in still if row.subject else not still)
    ]
    if over:
        await conn.execute(
            update(alerts)
            .where(alerts.c.id.in_(over))
            .values(ended_at=func.clock_timestamp())
        )
    return [await get(conn, number) for number in over]
