"""`/profiles/{name}/detectors`: what detectors learnt, and which of them serves."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi import Query as QueryOf
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.access import Caller, who
from app.api.fields import (
    MAX_INT,
    Answer,
    Body,
    Name,
    Number,
    Page,
    ProfilePath,
    Query,
    Text500,
    Time,
    example,
)
from app.api.state import State, current
from app.detection.scores import shown
from app.errors import ChampionMoved, NotFound
from app.store import audit, detectors, devices, profiles

router = APIRouter(prefix="/profiles/{name}/detectors", tags=["Detectors"])

NumberPath = Annotated[int, Path(ge=1, le=MAX_INT)]


class DetectorAnswer(Answer):
    """An immutable version: its settings, where they come from, how they did.

    `state` is serving, device, candidate, retired or rejected, of the profile or, with
    `?device=`, of that device; device: it serves only the `n_devices` of which
    `devices` names the first.  `device` is the one that it was made for.  A fitted
    `model` is shown by its digest, which `PUT /profiles/{name}` takes in its place.
    """

    number: int
    state: str
    source: str
    settings: dict[str, Any]
    parent: int | None
    verdict: str | None
    reason: str | None
    report: Any
    device: str | None
    devices: list[str]
    n_devices: int
    created_at: Time


class DetectorServedAnswer(Answer):
    """Which version began to serve when; `number` null: the device goes by its profile.

    `previous` is null where nothing served before, or the profile's did.
    """

    number: int | None
    previous: int | None
    act: str
    by: str
    reason: str
    at: Time
    until: Time | None


class DetectorServingAnswer(Answer):
    """Which version serves now, a profile or one device of it, and which did before."""

    profile: str
    device: str | None
    number: int
    previous: int


class DetectorQuery(Query):
    """Of the profile, or of one device of it."""

    device: Name | None = None


class DetectorActBody(Body):
    """Why; and which version serves, so that two do not act at once.

    With a `device` it concerns this one only.
    """

    reason: Text500
    expected: Number | None = None
    device: Name | None = None

    model_config = example({"reason": "fewer false alarms in the last week"})


@router.get("")
async def list_detectors(
    name: ProfilePath,
    query: Annotated[DetectorQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Page[DetectorAnswer]:
    """All detector versions of a profile, newest first, with what they are worth.

    With `?device=` without those made for other devices.
    """
    async with state.engine.begin() as conn:
        await _require(conn, name, query.device)
        rows = await detectors.list_(conn, name, query.device)
    items = [
        DetectorAnswer(**asdict(row) | {"settings": shown(row.settings)})
        for row in rows
    ]
    return Page(items=items)


@router.get("/history")
async def detector_history(
    name: ProfilePath,
    query: Annotated[DetectorQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Page[DetectorServedAnswer]:
    """Which detector version served a profile, or one of its devices, newest first."""
    async with state.engine.begin() as conn:
        await _require(conn, name, query.device)
        rows = await detectors.history(conn, name, query.device)
    return Page(items=[DetectorServedAnswer.model_validate(row) for row in rows])


@router.get("/{number}")
async def get_detector(
    name: ProfilePath,
    number: NumberPath,
    state: Annotated[State, Depends(current)],
) -> DetectorAnswer:
    """One detector version, a fitted `model` in full: what replays elsewhere need."""
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        row = next(
            (one for one in await detectors.list_(conn, name) if one.number == number),
            None,
        )
    if row is None:
        raise NotFound(f"profile {name!r} has no detector version {number}")
    return DetectorAnswer.model_validate(row)


@router.post("/rollback")
async def rollback_detector(
    name: ProfilePath,
    body: DetectorActBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> DetectorServingAnswer:
    """Let the detector that served before serve again; 412 if `expected` moved.

    A device with a detector of its own goes back to its profile's in the end.
    """
    async with state.engine.begin() as conn:
        number, previous = await detectors.rollback(
            conn, name, caller.name, body.reason, body.device
        )
        if body.expected not in (None, previous):
            # leaving the block by an error takes the rollback back
            raise ChampionMoved(f"the detector that serves is version {previous}")
        await _told(conn, caller, "rollback detector", name, number, previous, body)
    return _serving(name, body, number, previous)


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
            conn, name, number, body.expected, caller.name, body.reason, body.device
        )
        await _told(conn, caller, "promote detector", name, number, previous, body)
    return _serving(name, body, number, previous)


def _serving(
    name: str, body: DetectorActBody, number: int, previous: int
) -> DetectorServingAnswer:
    return DetectorServingAnswer(
        profile=name, device=body.device, number=number, previous=previous
    )


async def _require(conn: AsyncConnection, name: str, device: str | None) -> None:
    await profiles.get(conn, name)
    if device is not None:
        await devices.require(conn, device, name)


async def _told(
    conn: AsyncConnection,
    caller: Caller,
    act: str,
    name: str,
    number: int,
    previous: int,
    body: DetectorActBody,
) -> None:
    after = {"number": number, "previous": previous, "reason": body.reason}
    about = f"profile:{name}"
    if body.device is not None:
        about, after = f"device:{body.device}", after | {"profile": name}
    await audit.record(conn, caller.name, act, about, after=after)
