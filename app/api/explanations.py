"""`/events/{event_id}/explanation`: why an event was given its class."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.fields import Answer, EventPath, Number, Query, Time
from app.api.state import State, current
from app.errors import Unavailable
from app.service import explaining
from app.service.streams.load import EXPLANATIONS

router = APIRouter(prefix="/events", tags=["Events"])


class ExplanationQuery(Query):
    """Of which version; and whether it is to be worked out anew."""

    model_version: Number | None = Field(
        default=None, description="Left out: the one whose answer was given first."
    )
    again: bool = Field(
        default=False, description="Anew, with the labels that there are now."
    )


class WeightAnswer(Answer):
    """How much something does for the class, -1..1.

    `without` is the probability of the class when it is replaced by its baseline,
    `alone` when everything else is.
    """

    weight: float
    without: float
    alone: float


class ChannelWeight(WeightAnswer):
    """What one channel does for the class."""

    channel: str


class PartWeight(WeightAnswer):
    """What all channels do between two readings, `first` and before `next`.

    They are counted from the beginning of the window; seconds from the onset.
    """

    first: int
    next: int
    from_seconds: float
    to_seconds: float


class NearestAnswer(Answer):
    """A labelled event that is like it; `distance` in standard deviations."""

    event: UUID
    device: str
    onset: Time
    label: str
    distance: float


class ExplanationAnswer(Answer):
    """Why a version gave an event its class.

    `nothing` is the probability of the class when every channel is at its baseline.
    `channels` come with the greatest weight first, `parts` in order of time;
    `compared` says among how many labelled events the nearest were looked for.
    """

    event: UUID
    model_version: int
    artefact_sha256: str
    label: str
    probability: float
    nothing: float
    sentence: str
    channels: list[ChannelWeight]
    parts: list[PartWeight]
    nearest: list[NearestAnswer]
    compared: int
    at: Time


@router.get("/{event_id}/explanation")
async def explain_event(
    event_id: EventPath,
    query: Annotated[ExplanationQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> ExplanationAnswer:
    """Say which channels and parts decided, and which labelled events are like it.

    Worked out by the version that predicted when first asked, then kept with the event
    until its boundaries move.  409 where no version has said anything of it; 503 while
    the process cannot keep up with its devices.
    """
    if state.load.gives_up(EXPLANATIONS):
        raise Unavailable("overloaded: explanations are given up, ask again later")
    kept = await explaining.explanation(
        state.engine,
        state.champions,
        event_id,
        thinking=state.thinking,
        version=query.model_version,
        again=query.again,
    )
    return ExplanationAnswer.model_validate({**kept.body, "at": kept.at})
