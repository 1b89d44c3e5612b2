"""`/models/{version}/canary`: versions that serve a share of the devices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from app.api.access import Caller, who
from app.api.fields import Answer, Body, Text500, Time, VersionPath, example
from app.api.state import State, current
from app.service import canary
from app.store import audit, canaries

router = APIRouter(prefix="/models", tags=["Models"])


class CanaryBody(Body):
    """Which share of the devices, and why."""

    share: float = Field(gt=0, lt=1, description="Of the devices of the profile.")
    reason: Text500

    model_config = example({"share": 0.1, "reason": "good on old events"})


class ArmAnswer(Answer):
    """What a version answered since the canary began, the newest 10,000 events.

    `right` counts those of the `labelled` where its answer is the label.
    """

    version: int
    devices: int
    events: int
    unknown: int
    labelled: int
    right: int


class CanaryAnswer(Answer):
    """A version that serves `devices_served` of the `devices` of its profile.

    `others`: what the champion answered to the other devices meanwhile.
    """

    version: int
    profile: str
    active: bool
    share: float
    devices_served: int
    devices: int
    by: str
    reason: str
    at: Time
    ended_at: Time | None
    ended_by: str | None
    canary: ArmAnswer
    others: ArmAnswer | None
    sentence: str


@router.post("/{version}/canary", status_code=201)
async def begin_canary(
    version: VersionPath,
    body: CanaryBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> CanaryAnswer:
    """Let a version serve a share of the devices, or another share than so far.

    A device that is chosen stays chosen, and a greater share only adds to them; those
    with a model of their own keep it. A promotion of the version gives it to all,
    `DELETE` to none. A profile has one canary: 409 if there is another, or no champion.
    """
    async with state.engine.begin() as conn:
        made = await canaries.begin(conn, version, body.share, caller.name, body.reason)
        about = f"profile:{made.profile}"
        after = {"version": version, "share": body.share, "reason": body.reason}
        await audit.record(conn, caller.name, "canary", about, after=after)
    return await _shown(state, version)


@router.delete("/{version}/canary")
async def end_canary(
    version: VersionPath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> CanaryAnswer:
    """End a canary: the champion serves its devices again."""
    async with state.engine.begin() as conn:
        profile = await canaries.end(conn, version, caller.name)
        after = {"version": version}
        about = f"profile:{profile}"
        await audit.record(conn, caller.name, "end_canary", about, after=after)
    return await _shown(state, version)


@router.get("/{version}/canary")
async def get_canary(
    version: VersionPath, state: Annotated[State, Depends(current)]
) -> CanaryAnswer:
    """How a canary does on its devices, and the champion on the others.

    404 if the version never was a canary.
    """
    return await _shown(state, version)


async def _shown(state: State, version: int) -> CanaryAnswer:
    async with state.engine.begin() as conn:
        told = await canary.tell(conn, version)
    one = told.canary
    return CanaryAnswer(
        version=version,
        profile=one.profile,
        active=one.ended_at is None,
        share=one.share,
        devices_served=told.serves,
        devices=told.of,
        by=one.by,
        reason=one.reason,
        at=one.at,
        ended_at=one.ended_at,
        ended_by=one.ended_by,
        canary=ArmAnswer.model_validate(told.mine),
        others=None if told.others is None else ArmAnswer.model_validate(told.others),
        sentence=told.sentence,
    )
