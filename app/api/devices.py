"""`/devices`: registration, keys, deletion; and tickets for browsers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as QueryOf

from app.api.access import Caller, who
from app.api.fields import (
    Answer,
    Body,
    DevicePath,
    Name,
    Page,
    PageQuery,
    Text64,
    Text500,
    Time,
    TimeIn,
    example,
)
from app.api.keys import KeyMade
from app.api.sockets import Sockets
from app.api.state import State, current
from app.api.tickets import LIFE_SECONDS
from app.domain import Role
from app.store import audit, devices, erasing, keys

router = APIRouter(tags=["Devices"])


class DeviceBody(Body):
    """Which kind of device it is."""

    profile: Name


class PauseAnswer(Answer):
    """Who paused a device, when and why."""

    by: str
    at: Time
    reason: str


class DeviceAnswer(Answer):
    """A registered device.

    `detector_version`, `model_version` null: it goes by its profile. `adaptation` says
    what came of it when a model of its own was last judged.
    """

    id: str
    profile: str
    created_at: Time
    last_seen: Time | None
    detector_version: int | None
    paused: PauseAnswer | None
    model_version: int | None
    adaptation: Any


class PauseBody(Body):
    """Why its readings are not taken."""

    reason: Text500

    model_config = example({"reason": "the arm is being mounted"})


class DeviceKeyBody(Body):
    """A device key's name and end; both may be left out."""

    name: Text64 | None = None
    expires_at: TimeIn | None = None


class TicketBody(Body):
    """Whose socket is to be opened."""

    device: Name


class TicketAnswer(Answer):
    """Offer it as subprotocol ``ticket.<ticket>``."""

    ticket: str
    expires_in_seconds: float


@router.get("/devices")
async def list_devices(
    query: Annotated[PageQuery, QueryOf()], state: Annotated[State, Depends(current)]
) -> Page[DeviceAnswer]:
    """List registered devices, by id."""
    async with state.engine.begin() as conn:
        rows, cursor = await devices.list_(conn, query.limit, query.cursor)
    items = [DeviceAnswer.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=cursor)


@router.get("/devices/{device_id}")
async def get_device(
    device_id: DevicePath, state: Annotated[State, Depends(current)]
) -> DeviceAnswer:
    """One device."""
    async with state.engine.begin() as conn:
        return DeviceAnswer.model_validate(await devices.get(conn, device_id))


@router.put("/devices/{device_id}", responses={201: {"description": "Created"}})
async def put_device(
    device_id: DevicePath,
    body: DeviceBody,
    response: Response,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> DeviceAnswer:
    """Register a device, or change its profile."""
    async with state.engine.begin() as conn:
        created = await devices.put(conn, device_id, body.profile)
        device = await devices.get(conn, device_id)
        after = {"profile": body.profile}
        await audit.record(conn, caller.name, "put", f"device:{device_id}", after=after)
    response.status_code = 201 if created else 200
    return DeviceAnswer.model_validate(device)


@router.delete("/devices/{device_id}", status_code=204)
async def delete_device(
    device_id: DevicePath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> None:
    """Delete a device with all its data: streams, events, labels, recordings, keys.

    The audit trail names the model versions that had learnt from it.
    """
    async with state.engine.begin() as conn:
        learnt = await erasing.learnt_from(conn, device_id)
        await erasing.erase(conn, device_id)
        about = f"device:{device_id}"
        after = {"learnt_from_by_models": learnt}
        await audit.record(conn, caller.name, "delete", about, after=after)
    state.keys.forget()


@router.post("/devices/{device_id}/pause")
async def pause_device(
    device_id: DevicePath,
    body: PauseBody,
    request: Request,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> DeviceAnswer:
    """Take no more readings of a device; it keeps them until it is resumed.

    Its socket is closed (4423) within 10 seconds; what was received is kept.
    """
    async with state.engine.begin() as conn:
        if await devices.pause(conn, device_id, caller.name, body.reason):
            about = f"device:{device_id}"
            after = {"reason": body.reason}
            await audit.record(conn, caller.name, "pause", about, after=after)
        device = await devices.get(conn, device_id)
    sockets: Sockets | None = getattr(request.app.state, "sockets", None)
    if sockets is not None:
        sockets.pause(device_id, body.reason)
    return DeviceAnswer.model_validate(device)


@router.post("/devices/{device_id}/resume")
async def resume_device(
    device_id: DevicePath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> DeviceAnswer:
    """Take readings of a device again; it goes on where it was."""
    async with state.engine.begin() as conn:
        if await devices.resume(conn, device_id):
            await audit.record(conn, caller.name, "resume", f"device:{device_id}")
        device = await devices.get(conn, device_id)
    return DeviceAnswer.model_validate(device)


@router.post("/devices/{device_id}/keys", status_code=201)
async def create_device_key(
    device_id: DevicePath,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
    body: DeviceKeyBody | None = None,
) -> KeyMade:
    """Make a key for the device; it is shown this once."""
    wish = body or DeviceKeyBody()
    async with state.engine.begin() as conn:
        await devices.get(conn, device_id)
        key, secret = await keys.create(
            conn,
            role=Role.DEVICE,
            name=wish.name or device_id,
            device=device_id,
            expires_at=wish.expires_at,
        )
        after = {"role": "device", "device": device_id}
        await audit.record(conn, caller.name, "create", f"key:{key.id}", after=after)
    return KeyMade.made(key, secret)


@router.post("/tickets", status_code=201)
async def create_ticket(
    body: TicketBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> TicketAnswer:
    """Make a one-time ticket with which a browser opens a device's socket."""
    caller.require_device(body.device)
    async with state.engine.begin() as conn:
        await devices.get(conn, body.device)
    value = state.tickets.issue(caller.key_id, caller.name, body.device)
    return TicketAnswer(ticket=value, expires_in_seconds=LIFE_SECONDS)
