"""`/profiles/{name}/detectors`: what detectors learnt, and which of them serves."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from pydantic import Field

from app.api.access import Caller, who
from app.api.fields import (
    MAX_INT,
    Answer,
    Body,
    Number,
    Page,
    ProfilePath,
    Text64,
    Text500,
    Time,
    example,
)
from app.api.jobs import JobAnswer
from app.api.profiles import Promote
from app.api.state import State, current
from app.detection.scores import shown
from app.errors import ChampionMoved
from app.service import explore, fit
from app.store import audit, detectors, profiles

router = APIRouter(prefix="/profiles/{name}/detectors", tags=["Detectors"])

NumberPath = Annotated[int, Path(ge=1, le=MAX_INT)]


class DetectorAnswer(Answer):
    """An immutable version: its settings, where they come from, how they did.

    `state` is serving, candidate, retired or rejected; a fitted `model` is shown by
    its digest, which `PUT /profiles/{name}` takes in its place.
    """

    number: int
    state: str
    source: str
    settings: dict[str, Any]
    parent: int | None
    verdict: str | None
    reason: str | None
    report: Any
    created_at: Time


class DetectorServedAnswer(Answer):
    """Which version began to serve when."""

    number: int
    previous: int | None
    act: str
    by: str
    reason: str
    at: Time
    until: Time | None


class DetectorServingAnswer(Answer):
    """Which version serves now, and which did before."""

    profile: str
    number: int
    previous: int


class FitBody(Body):
    """Whether a detector that earned it serves by itself, and why it is asked for."""

    promote: Promote = "auto"
    reason: Text500 = "asked for by hand"


class DetectorActBody(Body):
    """Why; and which version serves, so that two do not act at once."""

    reason: Text500
    expected: Number | None = None

    model_config = example({"reason": "fewer false alarms in the last week"})


class ExploreBody(Body):
    """What to vary of which settings; what is left out is as it serves."""

    detector: dict[str, Any] | None = None
    setting: Text64 | None = None
    values: (
        Annotated[list[float], Field(min_length=1, max_length=explore.MOST_VALUES)]
        | None
    ) = None

    model_config = example({"setting": "on_share", "values": [0.3, 0.5, 0.7]})


@router.get("")
async def list_detectors(
    name: ProfilePath, state: Annotated[State, Depends(current)]
) -> Page[DetectorAnswer]:
    """All detector versions of a profile, newest first, with what they are worth."""
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        rows = await detectors.list_(conn, name)
    items = [
        DetectorAnswer(**asdict(row) | {"settings": shown(row.settings)})
        for row in rows
    ]
    return Page(items=items)


@router.get("/history")
async def detector_history(
    name: ProfilePath, state: Annotated[State, Depends(current)]
) -> Page[DetectorServedAnswer]:
    """Which detector version served when, newest first."""
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        rows = await detectors.history(conn, name)
    return Page(items=[DetectorServedAnswer.model_validate(row) for row in rows])


@router.post("/fit", status_code=202)
async def fit_detector(
    name: ProfilePath,
    body: FitBody,
    response: Response,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> JobAnswer:
    """Learn a detector from labelled boundaries in recordings, as a job.

    It is judged on recordings that it did not learn from, beside the present detector;
    better, it serves, unless `promote` is never.  Answers the running job when there
    is one.
    """
    job = await fit.enqueue(
        state.engine,
        profile=name,
        promote=body.promote,
        by=caller.name,
        reason=body.reason,
    )
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobAnswer.model_validate(job)


@router.post("/explore", status_code=202)
async def explore_detector(
    name: ProfilePath,
    body: ExploreBody,
    response: Response,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> JobAnswer:
    """Find precision, recall and false alarms per hour over a threshold, as a job.

    Over all recorded streams with labelled events.  409 while another exploration of
    the profile is under way.
    """
    job = await explore.enqueue(
        state.engine,
        name,
        detector=body.detector,
        setting=body.setting,
        values=body.values,
        by=caller.name,
    )
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobAnswer.model_validate(job)


@router.post("/rollback")
async def rollback_detector(
    name: ProfilePath,
    body: DetectorActBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> DetectorServingAnswer:
    """Let the detector that served before serve again; 412 if `expected` moved."""
    async with state.engine.begin() as conn:
        number, previous = await detectors.rollback(
            conn, name, caller.name, body.reason
        )
        if body.expected not in (None, previous):
            # leaving the block by an error takes the rollback back
            raise ChampionMoved(f"the detector of {name!r} is version {previous}")
        await _told(conn, caller, "rollback detector", name, number, previous, body)
    return DetectorServingAnswer(profile=name, number=number, previous=previous)


@router.post("/{number}/promote")
async def promote_detector(
    name: ProfilePath,
    number: NumberPath,
    body: DetectorActBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> DetectorServingAnswer:
    """Let a detector version serve; open streams take it over between two events."""
    async with state.engine.begin() as conn:
        previous = await detectors.promote(
            conn, name, number, body.expected, caller.name, body.reason
        )
        await _told(conn, caller, "promote detector", name, number, previous, body)
    return DetectorServingAnswer(profile=name, number=number, previous=previous)


async def _told(
    conn: Any,
    caller: Caller,
    act: str,
    name: str,
    number: int,
    previous: int,
    body: DetectorActBody,
) -> None:
    after = {"number": number, "previous": previous, "reason": body.reason}
    await audit.record(conn, caller.name, act, f"profile:{name}", after=after)
