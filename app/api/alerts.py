"""`/alerts`: what the rules found, and who looks after it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from fastapi import Query as QueryOf

from app.api.access import Caller, who
from app.api.fields import (
    Answer,
    Body,
    Name,
    Number,
    Page,
    PageQuery,
    Text500,
    Time,
)
from app.api.state import State, current
from app.store import alerts, audit
from app.store.alerts import Alert

router = APIRouter(prefix="/alerts", tags=["Alerts"])

AlertPath = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Acknowledged(Answer):
    """Who looks."""

    by: str
    at: Time
    note: str | None


class AlertAnswer(Answer):
    """What a rule found: the first time, and how often since.

    `all_devices`: it stands for every device of its rule; `device` is the first one.
    One that concerns a model has no `device`, and a `sentence`.
    """

    id: int
    rule: int
    name: str
    on: str
    device: str | None
    all_devices: bool
    profile: str
    event: UUID | None
    label: str | None
    probability: float | None
    sentence: str | None
    count: int
    opened_at: Time
    last_at: Time
    ended_at: Time | None
    acknowledged: Acknowledged | None

    @classmethod
    def of(cls, row: Alert) -> AlertAnswer:
        """Make the answer."""
        by, at = row.acknowledged_by, row.acknowledged_at
        seen = Acknowledged(by=by, at=at, note=row.note) if by and at else None
        return cls(
            id=row.id,
            rule=row.rule,
            name=row.rule_name,
            on=row.on,
            device=row.device,
            all_devices=row.subject == alerts.WHOLE_RULE,
            profile=row.profile,
            event=row.event,
            label=row.label,
            probability=row.probability,
            sentence=row.sentence,
            count=row.count,
            opened_at=row.opened_at,
            last_at=row.last_at,
            ended_at=row.ended_at,
            acknowledged=seen,
        )


class AlertQuery(PageQuery):
    """Which alerts."""

    rule: Number | None = None
    device: Name | None = None
    acknowledged: bool | None = None


class AckBody(Body):
    """What to remember of it."""

    note: Text500 | None = None


@router.get("")
async def list_alerts(
    query: Annotated[AlertQuery, QueryOf()], state: Annotated[State, Depends(current)]
) -> Page[AlertAnswer]:
    """Alerts, newest first; acknowledged ones are kept for 90 days."""
    async with state.engine.begin() as conn:
        rows, cursor = await alerts.list_(
            conn,
            query.limit,
            query.cursor,
            rule=query.rule,
            device=query.device,
            acknowledged=query.acknowledged,
        )
    return Page(items=[AlertAnswer.of(row) for row in rows], next_cursor=cursor)


@router.post("/{alert_id}/ack")
async def acknowledge_alert(
    alert_id: AlertPath,
    body: AckBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> AlertAnswer:
    """Say that you look after an alert; who said so first stays."""
    async with state.engine.begin() as conn:
        row, first = await alerts.acknowledge(conn, alert_id, caller.name, body.note)
        if first:
            await alerts.tell(conn, row, "acknowledged")
            about = f"alert:{alert_id}"
            await audit.record(
                conn, caller.name, "acknowledge", about, after={"note": body.note}
            )
    return AlertAnswer.of(row)
