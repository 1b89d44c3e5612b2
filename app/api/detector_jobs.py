"""`/profiles/{name}/detectors`: work that makes or explores detectors, as jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from app.api.access import Caller, who
from app.api.fields import Body, Name, ProfilePath, Text64, Text500, example
from app.api.jobs import JobAnswer
from app.api.profiles import Promote
from app.api.state import State, current
from app.service.jobs import explore, fit, judge

router = APIRouter(prefix="/profiles/{name}/detectors", tags=["Detectors"])


class FitBody(Body):
    """Whether a detector that earned it serves by itself, and why it is asked for.

    With a `device` it is learnt from this one's recordings, for this one only.
    """

    promote: Promote = "auto"
    reason: Text500 = "asked for by hand"
    device: Name | None = None


class JudgeBody(FitBody):
    """Settings that are to become a version, judged; with a `device` for it only."""

    detector: dict[str, Any]

    model_config = example(
        {"detector": {"kind": "energy", "on": 8}, "reason": "alarms"}
    )


class ExploreBody(Body):
    """What to vary of which settings; what is left out is as it serves.

    With a `device` over its recordings only, beside its detector.
    """

    detector: dict[str, Any] | None = None
    setting: Text64 | None = None
    values: (
        Annotated[list[float], Field(min_length=1, max_length=explore.MOST_VALUES)]
        | None
    ) = None
    device: Name | None = None

    model_config = example({"setting": "on_share", "values": [0.3, 0.5, 0.7]})


@router.post("", status_code=202)
async def judge_detector(
    name: ProfilePath,
    body: JudgeBody,
    response: Response,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> JobAnswer:
    """Make settings a version, judged beside the present one, as a job.

    Over recorded streams with labelled events, by those stretches that the exploration
    of thresholds leaves out.  Better, it serves, unless `promote` is never.  409 if it
    serves already, or while other settings are being judged.
    """
    job = await judge.enqueue(
        state.engine,
        name,
        detector=body.detector,
        promote=body.promote,
        by=caller.name,
        reason=body.reason,
        device=body.device,
    )
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobAnswer.model_validate(job)


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
        device=body.device,
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
        device=body.device,
    )
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobAnswer.model_validate(job)
