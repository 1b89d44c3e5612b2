"""Alerts: what rules found, told once, counted while it goes on, and acknowledged.

    firing        a rule fits an event or a silence: once each, by its key
    alert         the first firing of a group; those within the cooldown count into it
    storm         beyond `MOST_OPEN` alerts of a rule within its cooldown, one for all

Whoever fires holds the rule's row (`alert_rules.claim`), so that no two do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.store.alert_rules import BY_DEVICE, AlertRule
from app.store.engine import notify
from app.store.hooks import alert_firings, alert_rules, alerts
from app.store.pages import cursor_of, number_in

CHANNEL = "onset_alerts"
MOST_OPEN = 100
WHOLE_RULE = ""
"""The subject of an alert that stands for all devices of its rule."""
_NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule fits something; `key` is its identity.

    `device` None: it concerns a profile's model, and `sentence` says what it is.
    """

    key: str
    device: str | None
    profile: str
    event: UUID | None = None
    label: str | None = None
    probability: float | None = None
    sentence: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """What somebody must look at.

    Parameters
    ----------
    subject : str
        The device whose firings are counted, or the profile if they concern no device;
        empty: those of all devices.
    device, profile, event, label, probability, sentence
        Of the first firing.
    count : int >= 1
        Firings so far.
    ended_at : datetime or None
        When the silence was over.
    """

    id: int
    rule: int
    rule_name: str
    on: str
    subject: str
    device: str | None
    profile: str
    event: UUID | None
    label: str | None
    probability: float | None
    count: int
    opened_at: datetime
    last_at: datetime
    ended_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    sentence: str | None


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that an event fits: when that was found, and which alert it opened.

    Parameters
    ----------
    alert : int or None
        None: it was counted into one that was open.
    """

    rule: int
    name: str
    at: datetime
    alert: int | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None


ALERTS = select(alerts, alert_rules.c.name.label("rule_name"), alert_rules.c.on).join(
    alert_rules, alert_rules.c.id == alerts.c.rule
)


async def fire(
    conn: AsyncConnection, rule: AlertRule, firings: Sequence[Firing]
) -> list[Alert]:
    """Count what is new into alerts; return those that were opened."""
    if not firings:
        return []
    fresh = set(
        await conn.scalars(
            upsert(alert_firings)
            .on_conflict_do_nothing()
            .returning(alert_firings.c.key),
            [{"rule": rule.id, "key": one.key} for one in firings],
        )
    )
    if not fresh:
        return []
    since = _NOW - timedelta(seconds=rule.cooldown_seconds)
    recent = await conn.execute(
        select(alerts.c.id, alerts.c.subject)
        .where(alerts.c.rule == rule.id, alerts.c.opened_at > since)
        .order_by(alerts.c.id)
    )
    open_ = {row.subject: row.id for row in recent}
    opened: list[int] = []
    counted: dict[int, int] = {}
    for one in firings:
        if one.key not in fresh:
            continue
        fresh.discard(one.key)
        subject = WHOLE_RULE
        if rule.group_by == BY_DEVICE:
            subject = one.device or one.profile
        if subject not in open_ and len(open_) >= MOST_OPEN:
            subject = WHOLE_RULE
        if subject in open_:
            counted[open_[subject]] = counted.get(open_[subject], 0) + 1
        else:
            open_[subject] = await _open(conn, rule, subject, one)
            opened.append(open_[subject])
    for alert, times in counted.items():
        await conn.execute(
            update(alerts)
            .where(alerts.c.id == alert)
            .values(count=alerts.c.count + times, last_at=_NOW, ended_at=None)
        )
    return [await get(conn, number) for number in opened]


async def get(conn: AsyncConnection, alert: int) -> Alert:
    """Return an alert, or raise `NotFound`."""
    row = (await conn.execute(ALERTS.where(alerts.c.id == alert))).one_or_none()
    if row is None:
        raise NotFound(f"no alert {alert}")
    return _alert(row)


async def of_event(conn: AsyncConnection, device: str, event: UUID) -> list[Fired]:
    """Return which rules an event of a device fits, for as long as that is kept."""
    a, f, r = alerts.c, alert_firings.c, alert_rules.c
    opened = (a.rule == r.id) & (a.device == device) & (a.event == event)
    rows = await conn.execute(
        select(r.id.label("rule"), r.name, f.at, a.id.label("alert"))
        .add_columns(a.acknowledged_at, a.acknowledged_by)
        .join_from(
            alert_rules, alert_firings, (f.rule == r.id) & (f.key == f"event:{event}")
        )
        .outerjoin(alerts, opened)
        .order_by(f.at, r.id)
    )
    return [Fired(**row._mapping) for row in rows]


async def list_(
    conn: AsyncConnection,
    limit: int = 100,
    cursor: str | None = None,
    *,
    rule: int | None = None,
    device: str | None = None,
    acknowledged: bool | None = None,
) -> tuple[list[Alert], str | None]:
    """Return a page of alerts, newest first, and the cursor of the next page."""
    query = ALERTS.order_by(alerts.c.id.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(alerts.c.id < number_in(cursor))
    if rule is not None:
        query = query.where(alerts.c.rule == rule)
    if device is not None:
        query = query.where(alerts.c.device == device)
    if acknowledged is not None:
        at = alerts.c.acknowledged_at
        query = query.where(at.is_not(None) if acknowledged else at.is_(None))
    rows = [_alert(row) for row in await conn.execute(query)]
    more = len(rows) > limit
    return rows[:limit], cursor_of(rows[limit - 1].id) if more else None


async def acknowledge(
    conn: AsyncConnection, alert: int, by: str, note: str | None
) -> tuple[Alert, bool]:
    """Say that somebody looks, or raise `NotFound`; the first to say so stays.

    Returns
    -------
    Alert, and whether this was the first time.
    """
    done = await conn.execute(
        update(alerts)
        .where(alerts.c.id == alert, alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=_NOW, acknowledged_by=by, note=note)
    )
    return await get(conn, alert), bool(done.rowcount)


async def tell(conn: AsyncConnection, alert: Alert, state: str) -> None:
    """Tell every process what became of an alert: opened, ended, acknowledged."""
    said = {
        "alert": alert.id,
        "rule": alert.rule,
        "name": alert.rule_name[:64],
        "state": state,
        "device": alert.device,
        "profile": alert.profile,
    }
    await notify(conn, CHANNEL, said)


async def forget(conn: AsyncConnection, after_seconds: float) -> None:
    """Drop firings and acknowledged alerts of so long ago.

    Firings of silences stay: a device may be silent for longer.
    """
    before = _NOW - timedelta(seconds=after_seconds)
    await conn.execute(
        delete(alert_firings).where(
            alert_firings.c.at < before, ~alert_firings.c.key.startswith("silence:")
        )
    )
    await conn.execute(
        delete(alerts).where(
            alerts.c.acknowledged_at < before, alerts.c.last_at < before
        )
    )


async def _open(
    conn: AsyncConnection, rule: AlertRule, subject: str, first: Firing
) -> int:
    row = await conn.execute(
        insert(alerts)
        .values(
            rule=rule.id,
            subject=subject,
            device=first.device,
            profile=first.profile,
            event=first.event,
            label=first.label,
            probability=first.probability,
            sentence=first.sentence,
        )
        .returning(alerts.c.id)
    )
    return int(row.scalar_one())


def _alert(row: Row[Any]) -> Alert:
    return Alert(**row._mapping)
