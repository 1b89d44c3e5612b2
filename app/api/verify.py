"""`/verify`: whether what is stored can be found again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.api.access import Caller, who
from app.api.fields import Body, Name
from app.api.jobs import JobAnswer
from app.api.state import State, current
from app.service.jobs import verify

router = APIRouter(tags=["Replay"])


class VerifyBody(Body):
    """What to verify: a profile, or one device of it."""

    profile: Name
    device: Name | None = None


@router.post("/verify", status_code=202)
async def ask_verify(
    body: VerifyBody,
    response: Response,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> JobAnswer:
    """Detect recorded streams again and ask the models again, as a job.

    With the detector and model versions of then; the result says which stored events
    and predictions are not reproduced exactly. 409 while something else of the profile
    is being verified.
    """
    job = await verify.enqueue(state.engine, body.profile, body.device, caller.name)
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobAnswer.model_validate(job)
