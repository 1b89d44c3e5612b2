"""`/profiles/{name}/statistics`: how many events of which kind, and when."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.fields import Answer, ProfilePath, Query, Time, TimeIn
from app.api.state import State, current
from app.store import profiles, statistics
from app.store.statistics import MOST_DAYS

router = APIRouter(prefix="/profiles", tags=["Profiles"])

USUAL = timedelta(days=1)


class StatisticsQuery(Query):
    """Events with ``since <= onset < until``; by default of the last 24 hours."""

    since: TimeIn | None = Field(default=None, description="24 hours before `until`")
    until: TimeIn | None = Field(
        default=None, description=f"now; at most {MOST_DAYS} days after `since`"
    )


class LabelCount(Answer):
    """How many events have this label; the latest counts."""

    label: str
    n: int


class PredictedCount(LabelCount):
    """How many were predicted so; of them, `unknown` were below the threshold."""

    unknown: int


class HourCount(Answer):
    """Events whose onset lies in the hour that begins `at`."""

    at: Time
    n: int


class StatisticsAnswer(Answer):
    """Counts of the events of a range of time.

    `probabilities` has the number of predictions in each twentieth of 0..1; predictions
    are those answered first.
    """

    since: Time
    until: Time
    events: int
    labelled: int
    classified: int
    labels: list[LabelCount]
    predicted: list[PredictedCount]
    hours: list[HourCount]
    probabilities: list[int]


@router.get("/{name}/statistics")
async def profile_statistics(
    name: ProfilePath,
    query: Annotated[StatisticsQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> StatisticsAnswer:
    """Count events per label, per hour and by probability, in a range of time."""
    until = query.until or datetime.now(UTC)
    since = query.since or until - USUAL
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        found = await statistics.of_profile(conn, name, since, until)
    hours = [HourCount(at=at, n=n) for at, n in found.hours]
    return StatisticsAnswer(
        **asdict(found) | {"hours": hours}, since=since, until=until
    )
