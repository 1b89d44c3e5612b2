"""`/models/{version}/shadow`: versions that answer beside the champion, unheard."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.access import Caller, who
from app.api.fields import Answer, Body, Text500, Time, VersionPath
from app.api.state import State, current
from app.errors import NotFound
from app.service.jobs.shadowing import beside
from app.store import audit, models, shadows

router = APIRouter(prefix="/models", tags=["Models"])


class ShadowBody(Body):
    """Why."""

    reason: Text500


class DifferAnswer(Answer):
    """What served said one class, the shadow another, so often."""

    served: str
    shadow: str
    events: int


class ShadowAnswer(Answer):
    """A version beside the champion.

    `skipped` counts events that it was not asked about because too many waited.
    `compared` are the newest of its answers to which something was served; `wins` and
    `losses` count labelled ones that only the shadow, only what served has right.
    Accuracies are null without labels; `p_better` and `p_worse` say how likely so many
    wins or losses are between equals.
    """

    version: int
    profile: str
    active: bool
    by: str
    reason: str
    at: Time
    ended_at: Time | None
    ended_by: str | None
    skipped: int
    events: int
    compared: int
    agree: int
    differ: list[DifferAnswer]
    labelled: int
    wins: int
    losses: int
    shadow_accuracy: float | None
    served_accuracy: float | None
    p_better: float
    p_worse: float
    sentence: str


@router.post("/{version}/shadow", status_code=201)
async def begin_shadow(
    version: VersionPath,
    body: ShadowBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> ShadowAnswer:
    """Let a version answer live events beside the champion, unheard.

    Devices are not told, nothing is trained on it. A profile has one shadow: 409 if
    there is one, or if the version serves. `DELETE` ends it, a promotion does, too.
    """
    async with state.engine.begin() as conn:
        made = await shadows.begin(conn, version, caller.name, body.reason)
        about = f"profile:{made.profile}"
        after = {"version": version, "reason": body.reason}
        await audit.record(conn, caller.name, "shadow", about, after=after)
    return await _shown(state, version)


@router.delete("/{version}/shadow")
async def end_shadow(
    version: VersionPath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> ShadowAnswer:
    """End a shadow: the version is again what it was before."""
    async with state.engine.begin() as conn:
        ended = await shadows.end(conn, version, caller.name)
        about = f"profile:{ended.profile}"
        after = {"version": version}
        await audit.record(conn, caller.name, "unshadow", about, after=after)
    return await _shown(state, version)


@router.get("/{version}/shadow")
async def get_shadow(
    version: VersionPath, state: Annotated[State, Depends(current)]
) -> ShadowAnswer:
    """How a shadow does: agreement with what was served, accuracy of both by labels.

    404 if the version never was a shadow.
    """
    return await _shown(state, version)


async def _shown(state: State, version: int) -> ShadowAnswer:
    async with state.engine.begin() as conn:
        await models.get(conn, version)
        found = await shadows.newest(conn, version)
        if found is None:
            raise NotFound(f"version {version} never was a shadow")
        said = beside(await shadows.answered(conn, version))
    facts = asdict(said)
    facts["differ"] = [
        DifferAnswer(served=served, shadow=shadow, events=events)
        for served, shadow, events in said.differ
    ]
    return ShadowAnswer(
        version=version,
        profile=found.profile,
        active=found.ended_at is None,
        by=found.by,
        reason=found.reason,
        at=found.at,
        ended_at=found.ended_at,
        ended_by=found.ended_by,
        skipped=found.skipped,
        **facts,
    )
