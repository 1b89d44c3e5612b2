"""`/replay`: what another detector or model would have made of what is stored."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from app.api.access import Caller, who
from app.api.fields import Body, Name, Number
from app.api.jobs import JobAnswer
from app.api.state import State, current
from app.service.jobs import replay
from app.service.jobs.replay import Side

router = APIRouter(tags=["Replay"])


class SideBody(Body):
    """A detector and a model; what is left out is what was served at the time."""

    detector_version: Number | None = None
    detector: dict[str, Any] | None = Field(
        default=None, description="Settings that are no version yet."
    )
    model_version: Number | None = None

    def side(self) -> Side:
        """Give it to the service."""
        return Side(self.detector_version, self.detector, self.model_version)


class ReplayBody(SideBody):
    """What to try, and what to compare it with."""

    profile: Name
    against: SideBody = SideBody()


@router.post("/replay", status_code=202)
async def ask_replay(
    body: ReplayBody,
    response: Response,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> JobAnswer:
    """Run what was recorded and labelled through other versions, as a job.

    Its result compares them with `against`, or with what was served: better, worse or
    no evidence, with an interval. Streams are there of profiles with `record: true`.
    409 while another replay of the profile is under way.
    """
    job = await replay.enqueue(
        state.engine, body.profile, body.side(), body.against.side(), caller.name
    )
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobAnswer.model_validate(job)
