"""`/retrain` and `/jobs`: long work, asked for and watched."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from fastapi import Query as QueryOf

from app.api.access import Caller, who
from app.api.fields import Answer, Body, Name, Page, PageQuery, Text500, Time
from app.api.profiles import Mode, PromoteModel
from app.api.state import State, current
from app.service.jobs import retrain
from app.store import audit, jobs

router = APIRouter(tags=["Jobs"])

JobPath = Annotated[int, Path(ge=1, le=2**63 - 1)]


class RetrainBody(Body):
    """What to train; mode and promotion are the profile's own when left out."""

    profile: Name
    mode: Mode | None = None
    promote: PromoteModel | None = None
    reason: Text500 = "asked for by hand"


class JobAnswer(Answer):
    """Work in progress or done."""

    id: int
    kind: str
    profile: str | None
    state: str
    progress: float
    stage: str
    request: Any
    result: Any
    error: str | None
    created_at: Time
    started_at: Time | None
    ended_at: Time | None


class JobQuery(PageQuery):
    """Jobs of one profile only."""

    profile: Name | None = None


@router.post("/retrain", status_code=202)
async def ask_retrain(
    body: RetrainBody,
    response: Response,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> JobAnswer:
    """Train the profile's model again; answers the running job when there is one.

    409 when the profile's estimator cannot learn in the mode that is asked for.
    """
    job, _ = await retrain.enqueue(
        state.engine,
        profile=body.profile,
        mode=body.mode,
        promote=body.promote,
        by=caller.name,
        reason=body.reason,
    )
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobAnswer.model_validate(job)


@router.get("/jobs")
async def list_jobs(
    query: Annotated[JobQuery, QueryOf()], state: Annotated[State, Depends(current)]
) -> Page[JobAnswer]:
    """Jobs, newest first."""
    async with state.engine.begin() as conn:
        rows, cursor = await jobs.list_(
            conn, query.limit, query.cursor, profile=query.profile
        )
    items = [JobAnswer.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=cursor)


@router.get("/jobs/{job_id}")
async def get_job(
    job_id: JobPath, state: Annotated[State, Depends(current)]
) -> JobAnswer:
    """One job: state, progress from 0 to 1, stage, result or error."""
    async with state.engine.begin() as conn:
        return JobAnswer.model_validate(await jobs.get(conn, job_id))


@router.delete("/jobs/{job_id}", status_code=202)
async def cancel_job(
    job_id: JobPath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> JobAnswer:
    """Ask a job to stop; its state says when it has."""
    async with state.engine.begin() as conn:
        job = await jobs.cancel(conn, job_id)
        await audit.record(conn, caller.name, "cancel", f"job:{job_id}")
    return JobAnswer.model_validate(job)
