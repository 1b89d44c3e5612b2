"""Labels: what people say an event is; append-only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi import Query as QueryOf
from pydantic import AfterValidator, Field

from app.api.access import Caller, who
from app.api.fields import (
    Answer,
    Body,
    EventId,
    EventPath,
    Name,
    Page,
    Query,
    Text64,
    Time,
    example,
    printable,
)
from app.api.shapes import EventAnswer, event_answer
from app.api.state import State, current
from app.service import labelling
from app.store import audit, events, labels, profiles

router = APIRouter(tags=["Labels"])

SOURCE = "person"
LabelText = Annotated[str, Field(max_length=64), AfterValidator(printable)]
MAX_LABELS = 10_000


class LabelBody(Body):
    """What the event is; an empty label withdraws what was said before."""

    label: LabelText

    model_config = example({"label": "fist"})


class EventLabelBody(Body):
    """What one of many events is."""

    event: EventId
    label: Text64


class LabelsBody(Body):
    """Labels of many events: all of them are taken or none."""

    labels: Annotated[list[EventLabelBody], Field(min_length=1, max_length=MAX_LABELS)]


class LabelAnswer(Answer):
    """A label, by whom and when; the latest of an event counts."""

    label: str
    by: str
    source: str
    at: Time


class QueueQuery(Query):
    """Of which profile, and how many."""

    profile: Name
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class QueueAnswer(Answer):
    """An event that waits for a label; `score` says what that is worth, 0..1."""

    event: EventAnswer
    score: float
    reason: str
    audit: bool


class DisputesQuery(Query):
    """Of which profile, and how many."""

    profile: Name
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class DisputeAnswer(Answer):
    """An event, and what each labeller last said of it, oldest first."""

    event: EventAnswer
    said: list[LabelAnswer]


class AcceptedAnswer(Answer):
    """How many labels were taken."""

    accepted: int


@router.post(
    "/events/{event_id}/labels",
    status_code=201,
    responses={200: {"description": "You said the same before."}},
)
async def label_event(
    event_id: EventPath,
    body: LabelBody,
    response: Response,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> LabelAnswer:
    """Say what an event is; may be said again, the latest counts.

    The same label by the same person again changes nothing, so a retry is safe.
    """
    async with state.engine.begin() as conn:
        present = (await labels.latest(conn, [event_id])).get(event_id)
        if present and (present.label, present.by) == (body.label, caller.name):
            response.status_code = 200
            return LabelAnswer.model_validate(present)
        label = await labels.add(conn, event_id, body.label, caller.name, SOURCE)
        after = {"label": body.label}
        await audit.record(conn, caller.name, "label", f"event:{event_id}", after=after)
    return LabelAnswer.model_validate(label)


@router.get("/labels/queue")
async def label_queue(
    query: Annotated[QueueQuery, QueryOf()], state: Annotated[State, Depends(current)]
) -> Page[QueueAnswer]:
    """Which events are most worth a label now, each with its reason.

    Uncertain, rare, fresh and unlike one another first; every tenth is of an audit
    slice chosen by chance, so that accuracy can be counted on a fair sample.
    """
    ranked = await labelling.queue(
        state.engine, query.profile, query.limit, datetime.now(UTC)
    )
    items = [
        QueueAnswer(
            event=event_answer(row),
            score=pick.score,
            reason=pick.reason,
            audit=pick.audit,
        )
        for row, pick in ranked
    ]
    return Page(items=items)


@router.get("/labels/disputes")
async def label_disputes(
    query: Annotated[DisputesQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Page[DisputeAnswer]:
    """Which events different people call by different names, the newest dispute first.

    The latest label counts, whoever said it: label the event again to settle it. Events
    among the profile's 10,000 newest labels are looked at.
    """
    async with state.engine.connect() as conn:
        await profiles.get(conn, query.profile)
        found = await labels.disputed(conn, query.profile, query.limit)
        items = [
            DisputeAnswer(
                event=event_answer(await events.get(conn, event)),
                said=[LabelAnswer.model_validate(one) for one in said],
            )
            for event, said in found
        ]
    return Page(items=items)


@router.post("/labels")
async def label_events(
    body: LabelsBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> AcceptedAnswer:
    """Say what many events are."""
    rows = [(one.event, one.label) for one in body.labels]
    async with state.engine.begin() as conn:
        await labels.add_many(conn, rows, caller.name, SOURCE)
        after = {"accepted": len(rows)}
        await audit.record(conn, caller.name, "label", "events", after=after)
    return AcceptedAnswer(accepted=len(rows))


@router.get("/events/{event_id}/labels")
async def label_history(
    event_id: EventPath, state: Annotated[State, Depends(current)]
) -> Page[LabelAnswer]:
    """All labels of an event, oldest first."""
    async with state.engine.begin() as conn:
        await events.get(conn, event_id)
        rows = await labels.history(conn, event_id)
    return Page(items=[LabelAnswer.model_validate(row) for row in rows])
