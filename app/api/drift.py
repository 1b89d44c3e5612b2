"""`/profiles/{name}/drift`: whether a model still sees what it learnt."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.fields import Answer, Name, ProfilePath, Query
from app.api.state import State, current
from app.service.jobs import drift
from app.service.jobs.drift import FEWEST, NEWEST, USUAL

router = APIRouter(prefix="/profiles", tags=["Profiles"])


class DriftQuery(Query):
    """Of one device only; and how many recent events to look at."""

    device: Name | None = None
    events: Annotated[int, Field(ge=FEWEST, le=NEWEST)] = USUAL


class SignalAnswer(Answer):
    """One comparison; `statistic` and `p_value` are null without enough evidence."""

    kind: str
    statistic: float | None
    p_value: float | None
    alarm: bool
    n: int
    n_reference: int
    drifted: list[str]
    sentence: str


class DriftAnswer(Answer):
    """One look at the newest events that the champion had not learnt.

    `budget` is the probability that a look without drift has any alarm; `reference`
    says whose training rows the input was compared with: the device's or all.
    """

    profile: str
    device: str | None
    model_version: int
    reference: str
    events: int
    budget: float
    alarm: bool
    signals: list[SignalAnswer]


@router.get("/{name}/drift")
async def look_for_drift(
    name: ProfilePath,
    query: Annotated[DriftQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> DriftAnswer:
    """Whether recent events look like what the champion learnt, and it is still right.

    404 while the profile has no champion.
    """
    look = await drift.look(
        state.engine, state.champions, name, query.device, query.events
    )
    return DriftAnswer(
        profile=look.profile,
        device=look.device,
        model_version=look.model_version,
        reference=look.reference,
        events=look.events,
        budget=look.drift.budget,
        alarm=look.drift.alarm,
        signals=[SignalAnswer.model_validate(one) for one in look.drift.signals],
    )
