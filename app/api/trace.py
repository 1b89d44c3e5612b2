"""`/events/{event_id}/trace`: which way an event took, and who was told of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.fields import Answer, EventPath, Time
from app.api.state import State, current
from app.store import alerts, deliveries, events, labels, revisions
from app.store.events import EventRow

router = APIRouter(prefix="/events", tags=["Events"])


class Step(Answer):
    """A step on an event's way: what happened, when, and the facts of it."""

    step: str
    at: Time
    facts: dict[str, Any]


class TraceAnswer(Answer):
    """The way of an event, in order of time."""

    event: str
    steps: list[Step]


@router.get("/{event_id}/trace")
async def get_trace(
    event_id: EventPath, state: Annotated[State, Depends(current)]
) -> TraceAnswer:
    """Which way the event took through the service, each step with its time.

    Alert rules that it fits (`alerted`; `alert` is null where an alert that was open
    counted it) and who looks after it (`acknowledged`).  Deliveries of the event and
    its alerts to webhooks (`delivered`, `waiting`, `failed`) are known for a week.
    """
    async with state.engine.begin() as conn:
        row = await events.get(conn, event_id)
        done = [*await _answers(conn, row), *await _tellings(conn, row)]
    # device clocks may be wrong: what the service did keeps its own order
    done.sort(key=lambda step: step.at)
    return TraceAnswer(event=str(event_id), steps=[*_found(row), *done])


def _found(row: EventRow) -> Iterator[Step]:
    yield Step(step="onset", at=row.onset, facts={"seq": row.onset_seq})
    yield Step(step="offset", at=row.offset, facts={"seq": row.offset_seq})
    facts = {
        "device": row.device,
        "boot": row.boot,
        "onset_seq": row.onset_seq,
        "offset_seq": row.offset_seq,
        "detector_version": row.detector_version,
        "peak": row.peak,
        "flags": list(row.flags),
    }
    yield Step(step="stored", at=row.created_at, facts=facts)


async def _answers(conn: AsyncConnection, row: EventRow) -> list[Step]:
    """Say what models and people said of it."""
    steps = []
    for one in await events.predictions_of(conn, row.id):
        answer = one.prediction
        facts = {
            "model_version": answer.model_version,
            "label": answer.label,
            "probability": answer.probability,
            "features_digest": answer.features_digest,
            "answered": one.first,
        }
        steps.append(Step(step="predicted", at=one.at, facts=facts))
    for label in await labels.history(conn, row.id):
        about = {"label": label.label, "by": label.by, "source": label.source}
        steps.append(Step(step="labelled", at=label.at, facts=about))
    for former in await revisions.of_event(conn, row.id):
        was = {"onset_seq": former.onset_seq, "offset_seq": former.offset_seq}
        steps.append(Step(step="moved", at=former.at, facts={"by": former.by, **was}))
    return steps


async def _tellings(conn: AsyncConnection, row: EventRow) -> list[Step]:
    """Say which rules it fits, and who was told of it."""
    steps = []
    sent = await deliveries.of_message(conn, f"event:{row.id}")
    for fired in await alerts.of_event(conn, row.device, row.id):
        about = {"rule": fired.rule, "name": fired.name, "alert": fired.alert}
        steps.append(Step(step="alerted", at=fired.at, facts=about))
        if fired.alert is None:
            continue
        sent += await deliveries.of_message(conn, f"alert:{fired.alert}")
        if fired.acknowledged_at is not None:
            by = {"alert": fired.alert, "by": fired.acknowledged_by}
            steps.append(Step(step="acknowledged", at=fired.acknowledged_at, facts=by))
    for one in sent:
        facts = {
            "webhook": one.webhook,
            "message": one.message,
            "attempts": one.attempts,
            "status": one.status,
            "error": one.error,
        }
        at = one.ended_at or one.created_at
        steps.append(Step(step=one.state, at=at, facts=facts))
    return steps
