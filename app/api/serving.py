"""Which model version serves a profile, or a device of it, and which did when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.access import Caller, who
from app.api.fields import (
    Answer,
    Body,
    DevicePath,
    Name,
    Number,
    Page,
    ProfilePath,
    Query,
    Text500,
    Time,
    TimeIn,
    VersionPath,
    example,
)
from app.api.state import State, current
from app.errors import ChampionMoved
from app.store import audit, devices, models, profiles

router = APIRouter(tags=["Models"])


class ServedAnswer(Answer):
    """Which version began to serve when; null: the device goes by its profile."""

    version: int | None
    previous: int | None
    act: str
    by: str
    reason: str
    at: Time
    until: Time | None
    device: str | None


class ServingAnswer(Answer):
    """Who serves now, and who did before.

    Of a device without a model of its own: the champion of its profile, or null.
    """

    profile: str
    version: int | None
    previous: int | None
    device: str | None = None


class HistoryQuery(Query):
    """`at`: only the version that served then; `device`: what served it alone."""

    at: TimeIn | None = None
    device: Name | None = None


class RollbackBody(Body):
    """Why; and from which version, so that two do not roll back twice.

    With a `device` it concerns the model that it has of its own.
    """

    reason: Text500
    expected: Number | None = None
    device: Name | None = None


class PromoteBody(Body):
    """Why; and which version it is to follow, so that a race is noticed."""

    reason: Text500
    expected: Number | None = Field(
        default=None, description="What serves now; left out: whichever it is."
    )
    device: Name | None = Field(
        default=None,
        description="Serve this device only; left out: the one that the version is "
        "made for, or the profile.",
    )


class ReleaseBody(Body):
    """Why."""

    reason: Text500

    model_config = example({"reason": "the band was given to somebody else"})


@router.get("/profiles/{name}/history")
async def serving_history(
    name: ProfilePath,
    query: Annotated[HistoryQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Page[ServedAnswer]:
    """Which model version served when, newest first; of the profile, or of a device."""
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        if query.device is not None:
            await devices.require(conn, query.device, name)
        rows = await models.history(conn, name, query.at, query.device)
    return Page(items=[ServedAnswer.model_validate(row) for row in rows])


@router.post("/models/{version}/promote")
async def promote(
    version: VersionPath,
    body: PromoteBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> ServingAnswer:
    """Let a version serve; 412 when another one serves than the expected one."""
    async with state.engine.begin() as conn:
        row = await models.get(conn, version)
        name, device = row.profile, body.device or row.device
        present = await _present(conn, name, device)
        expected = present if body.expected is None else body.expected
        if present != version:
            await models.promote(
                conn, name, version, expected, caller.name, body.reason, device
            )
            await _told(conn, caller, "promote", name, device, version, present, body)
    return ServingAnswer(profile=name, version=version, previous=present, device=device)


@router.post("/profiles/{name}/rollback")
async def rollback(
    name: ProfilePath,
    body: RollbackBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> ServingAnswer:
    """Let the champion's predecessor serve again; 412 if `expected` moved.

    A device with a model of its own goes back to its profile's in the end.
    """
    device = body.device
    async with state.engine.begin() as conn:
        version = await models.rollback(conn, name, caller.name, body.reason, device)
        previous = (await models.history(conn, name, device=device))[0].previous
        if body.expected not in (None, previous):
            # leaving the block by an error takes the rollback back
            raise ChampionMoved(f"the champion is version {previous}")
        await _told(conn, caller, "rollback", name, device, version, previous, body)
        serves = await _present(conn, name, None) if version is None else version
    return ServingAnswer(profile=name, version=serves, previous=previous, device=device)


@router.post("/devices/{device_id}/release")
async def release_device(
    device_id: DevicePath,
    body: ReleaseBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> ServingAnswer:
    """Let a device go by its profile's champion again; 409 if it does already."""
    async with state.engine.begin() as conn:
        name = (await devices.get(conn, device_id)).profile
        previous = await models.release(conn, name, device_id, caller.name, body.reason)
        await _told(conn, caller, "release", name, device_id, None, previous, body)
        serves = await _present(conn, name, None)
    return ServingAnswer(
        profile=name, version=serves, previous=previous, device=device_id
    )


async def _present(conn: AsyncConnection, name: str, device: str | None) -> int | None:
    """Return what serves a profile, or what a device has of its own."""
    if device is not None:
        return (await devices.get(conn, device)).model_version
    champion = await models.champion(conn, name)
    return None if champion is None else champion.version


async def _told(
    conn: AsyncConnection,
    caller: Caller,
    act: str,
    name: str,
    device: str | None,
    version: int | None,
    previous: int | None,
    body: PromoteBody | RollbackBody | ReleaseBody,
) -> None:
    after: dict[str, object] = {
        "version": version,
        "previous": previous,
        "reason": body.reason,
    }
    about = f"profile:{name}"
    if device is not None:
        about, after = f"device:{device}", after | {"profile": name}
    await audit.record(conn, caller.name, act, about, after=after)
