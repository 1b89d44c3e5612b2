"""Alert rules: when somebody must look, and how often they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Prediction
from app.errors import Conflict, NotFound
from app.store import events
from app.store.hooks import alert_rules

EVENT, PREDICTION, SILENCE = "event", "prediction", "silence"
DRIFT, TRAINING, ROLLBACK = "drift", "training", "rollback"
ON_MODELS = (DRIFT, TRAINING, ROLLBACK)
"""They concern a profile's model, and no device."""
BY_DEVICE, BY_RULE = "device", "rule"
MAX_RULES = 100
_NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When somebody must look.

    Parameters
    ----------
    on : str
        "event": looks at events that are stored; "prediction": at predictions as soon
        as they are made, too; "silence": for devices that send nothing; "drift",
        "training", "rollback": for champions that drifted, trainings that failed,
        champions that were rolled back.
    profile, device : str or None
        Only of this one.
    label, min_probability, unknown : or None
        What the prediction must be.  A label or a probability never means a prediction
        that says itself that it does not know.
    silence_seconds : float or None
        Time without a reading; only, and always, on silence.
    cooldown_seconds : float > 0
        What fires again so soon is counted, not told.
    group_by : {"device", "rule"}
        What the cooldown counts for.
    position : int
        The last event that was looked at.
    """

    id: int
    name: str
    on: str
    profile: str | None
    device: str | None
    label: str | None
    min_probability: float | None
    unknown: bool | None
    silence_seconds: float | None
    cooldown_seconds: float
    group_by: str
    enabled: bool
    position: int
    looked_at: datetime | None
    created_at: datetime

    def fits(self, profile: str, device: str, said: Prediction | None) -> bool:
        """Whether an event, with what was said of it so far, is what is looked for."""
        if self.profile not in (None, profile) or self.device not in (None, device):
            return False
        if (self.label, self.min_probability, self.unknown) == (None, None, None):
            return True
        if said is None or said.unknown != bool(self.unknown):
            return False
        if self.label not in (None, said.label):
            return False
        return said.probability >= (self.min_probability or 0.0)


async def add(conn: AsyncConnection, fields: Mapping[str, Any]) -> AlertRule:
    """Look from now on.

    Raises
    ------
    Conflict
        If there are `MAX_RULES` already.
    """
    count = await conn.scalar(select(func.count()).select_from(alert_rules)) or 0
    if count >= MAX_RULES:
        raise Conflict(f"there are {count} alert rules already, {MAX_RULES} at most")
    position = await events.last_position(conn)
    row = await conn.execute(
        insert(alert_rules).values(**fields, position=position).returning(alert_rules)
    )
    return _rule(row.one())


async def get(conn: AsyncConnection, rule: int) -> AlertRule:
    """Return a rule, or raise `NotFound`."""
    found = await conn.execute(select(alert_rules).where(alert_rules.c.id == rule))
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"no alert rule {rule}")
    return _rule(row)


async def list_(conn: AsyncConnection) -> list[AlertRule]:
    """Return all rules, oldest first."""
    rows = await conn.execute(select(alert_rules).order_by(alert_rules.c.id))
    return [_rule(row) for row in rows]


async def change(
    conn: AsyncConnection, rule: int, fields: Mapping[str, Any]
) -> AlertRule:
    """Change a rule, or raise `NotFound`; one that is enabled looks from now on."""
    former = await claim(conn, rule)
    values = dict(fields)
    if values.get("enabled") and not former.enabled:
        values["position"] = await events.last_position(conn)
        values["looked_at"] = _NOW if former.on in ON_MODELS else None
    row = await conn.execute(
        update(alert_rules)
        .where(alert_rules.c.id == rule)
        .values(**values or {"name": former.name})
        .returning(alert_rules)
    )
    return _rule(row.one())


async def remove(conn: AsyncConnection, rule: int) -> None:
    """Forget a rule and its alerts, or raise `NotFound`."""
    gone = await conn.execute(
        delete(alert_rules).where(alert_rules.c.id == rule).returning(alert_rules.c.id)
    )
    if gone.one_or_none() is None:
        raise NotFound(f"no alert rule {rule}")


async def claim(conn: AsyncConnection, rule: int) -> AlertRule:
    """Lock a rule, waiting for whoever has it, or raise `NotFound`."""
    found = await conn.execute(
        select(alert_rules).where(alert_rules.c.id == rule).with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"no alert rule {rule}")
    return _rule(row)


async def claim_cursor(conn: AsyncConnection, rule: int) -> AlertRule | None:
    """Lock an enabled rule to look at events; None: somebody else does."""
    found = await conn.execute(
        select(alert_rules)
        .where(alert_rules.c.id == rule, alert_rules.c.enabled)
        .with_for_update(skip_locked=True)
    )
    row = found.one_or_none()
    return None if row is None else _rule(row)


async def claim_look(
    conn: AsyncConnection, rule: int, every_seconds: float
) -> AlertRule | None:
    """Lock a rule that looks around now and then; None: somebody does, or just did.

    Its `looked_at` is that of the look before.
    """
    at = alert_rules.c.looked_at
    found = await conn.execute(
        select(alert_rules)
        .where(
            alert_rules.c.id == rule,
            alert_rules.c.enabled,
            or_(at.is_(None), at < _NOW - timedelta(seconds=every_seconds)),
        )
        .with_for_update(skip_locked=True)
    )
    row = found.one_or_none()
    if row is None:
        return None
    await conn.execute(
        update(alert_rules).where(alert_rules.c.id == rule).values(looked_at=_NOW)
    )
    return _rule(row)


async def move(conn: AsyncConnection, rule: int, position: int) -> None:
    """Note how far a rule has looked."""
    await conn.execute(
        update(alert_rules).where(alert_rules.c.id == rule).values(position=position)
    )


def _rule(row: Row[Any]) -> AlertRule:
    return AlertRule(**row._mapping)
