"""`/events`: what was detected, what was said of it, and the readings that show it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi import Query as QueryOf
from fastapi import Response as Told
from pydantic import Field
from starlette.responses import Response

from app.api.access import Caller, who
from app.api.fields import (
    Body,
    Boot,
    EventPath,
    Name,
    Number,
    Page,
    PageQuery,
    Text64,
    TimeIn,
    example,
)
from app.api.shapes import (
    EventAnswer,
    EventDetail,
    EveryPrediction,
    LabelHistoryAnswer,
    RevisionAnswer,
    event_answer,
    event_fields,
)
from app.api.state import State, current
from app.api.windows import CSV, PARQUET, WindowAnswer, written
from app.domain import Flag
from app.service import boundaries
from app.service.boundaries import Missed
from app.store import events, labels, revisions
from app.store.events import EventFilter
from app.store.pages import cursor_of

router = APIRouter(prefix="/events", tags=["Events"])


class EventQuery(PageQuery):
    """Which events; filters are joined by "and"."""

    device: Name | None = None
    profile: Name | None = None
    label: Text64 | None = Field(default=None, description="The label that counts.")
    predicted: Text64 | None = None
    model_version: Number | None = None
    unknown: bool | None = None
    labelled: bool | None = None
    flag: Flag | None = None
    since: TimeIn | None = Field(default=None, description="onset at or after")
    until: TimeIn | None = Field(default=None, description="onset before")
    min_probability: Annotated[float, Field(ge=0, le=1)] | None = None
    order: Literal["asc", "desc"] = Field(
        default="asc", description="In commit order, oldest or newest first."
    )

    def wanted(self) -> EventFilter:
        """Return the store's filter."""
        return EventFilter(**self.model_dump(exclude={"limit", "cursor"}))


class EventPage(Page[EventAnswer]):
    """A part of the list; `last_cursor` is where it ends, also where nothing follows.

    Asked with `last_cursor` later, the list goes on with what was stored meanwhile.
    """

    last_cursor: str | None = None


Seq = Annotated[int, Field(ge=1, le=2**62)]


class MissedBody(Body):
    """An event from reading `onset_seq` up to before `offset_seq` of a stream."""

    device: Name
    boot: Boot
    onset_seq: Seq
    offset_seq: Seq
    label: Text64 | None = None

    model_config = example(
        {
            "device": "band-7",
            "boot": "b1",
            "onset_seq": 1201,
            "offset_seq": 1450,
            "label": "fist",
        }
    )


class MoveBody(Body):
    """Where the event begins and ends; what is left out stays."""

    onset_seq: Seq | None = None
    offset_seq: Seq | None = None

    model_config = example({"onset_seq": 1190})


@router.get("")
async def list_events(
    query: Annotated[EventQuery, QueryOf()], state: Annotated[State, Depends(current)]
) -> EventPage:
    """Events in commit order.

    A cursor misses nothing: events that are stored later come after it.  At the end go
    on with `last_cursor`, as often as you like.
    """
    async with state.engine.begin() as conn:
        rows, cursor = await events.list_(
            conn, query.wanted(), query.limit, query.cursor
        )
    last = cursor_of(rows[-1].position) if rows else query.cursor
    return EventPage(
        items=[event_answer(row) for row in rows], next_cursor=cursor, last_cursor=last
    )


@router.post(
    "",
    status_code=201,
    responses={200: {"description": "You said the same before."}},
)
async def add_event(
    body: MissedBody,
    response: Told,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> EventAnswer:
    """Add an event that the detector missed, cut from the recording of its stream.

    409 unless all its readings are recorded (`record: true`).  It has the flag
    `person` and no detector version; with a label, detectors are judged by it.
    """
    said = Missed(**body.model_dump())
    async with state.engine.begin() as conn:
        row, created = await boundaries.add_missed(conn, said, caller.name)
    response.status_code = 201 if created else 200
    return event_answer(row)


@router.get("/{event_id}")
async def get_event(
    event_id: EventPath, state: Annotated[State, Depends(current)]
) -> EventDetail:
    """One event with every prediction and label."""
    async with state.engine.begin() as conn:
        row = await events.get(conn, event_id)
        said = await events.predictions_of(conn, event_id)
        told = await labels.history(conn, event_id)
        moved = await revisions.of_event(conn, event_id)
    return EventDetail(
        **event_fields(row),
        predictions=[EveryPrediction.stored(one) for one in said],
        labels=[LabelHistoryAnswer.model_validate(one) for one in told],
        revisions=[RevisionAnswer.model_validate(one) for one in moved],
        n_readings=row.n_readings,
        n_channels=row.n_channels,
        pre_roll=row.pre_roll,
        post_roll=row.post_roll,
        created_at=row.created_at,
    )


@router.patch("/{event_id}")
async def move_event(
    event_id: EventPath,
    body: MoveBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> EventAnswer:
    """Move the boundaries of an event; what they were is kept.

    Its window is cut again, from the recording or from what it shows now; its identity,
    predictions and labels stay.  409 where the readings are not there.
    """
    async with state.engine.begin() as conn:
        row = await boundaries.move(
            conn, event_id, body.onset_seq, body.offset_seq, caller.name
        )
    return event_answer(row)


@router.get(
    "/{event_id}/window",
    response_model=WindowAnswer,
    responses={200: {"content": {CSV: {}, PARQUET: {}}}},
)
async def get_window(
    event_id: EventPath, request: Request, state: Annotated[State, Depends(current)]
) -> Response:
    """Return the readings that show the event, with pre-roll and post-roll.

    JSON, or CSV or Parquet by `Accept`; column `t` is in seconds from the onset.
    """
    async with state.engine.begin() as conn:
        window = await events.window(conn, event_id)
    return written(window, request.headers.get("accept", ""))
