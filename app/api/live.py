"""`GET /live` and a device's signal: server-sent events.

Events carry their commit-ordered position as id.  A reader that comes back with
`Last-Event-ID` first gets what it missed from the database, then what happens; the
subscription is taken before the last look, so nothing falls between.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import anyio
import msgspec
from fastapi import APIRouter, Depends, Header, Request
from fastapi import Query as QueryOf
from pydantic import Field
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from app.api.access import authenticate
from app.api.fields import DevicePath, Name, Query, stamp
from app.api.receipt import LINE
from app.api.shapes import SaidAnswer, event_answer
from app.api.state import State, current, reach_of
from app.domain.reach import Reach
from app.errors import InvalidInput, Unauthenticated
from app.service.notify.hub import Message, SlowReader
from app.store import devices, events

router = APIRouter(tags=["Live"])

PAGE = 500
RECHECK_SECONDS = 5.0
"""How often the reader's key is looked at again."""
PING_SECONDS = 15
SEND_TIMEOUT_SECONDS = 60.0
"""A reader that takes nothing for so long is gone."""
MOST_AT_ONCE = 50
UNSENT_BYTES = 32 * 1024
"""What waits for a reader besides its queue; more is under way on a long line."""
MAX_POSITION = 2**63 - 1
Given = TypeVar("Given")

Kind = Literal[
    "onset",
    "event",
    "prediction",
    "retract",
    "label",
    "model",
    "job",
    "drift",
    "alert",
]


class LiveQuery(Query):
    """Which kinds to hear, all of them by default; and of which profile."""

    kind: list[Kind] = Field(default=[])
    profile: Name | None = None


@dataclass(frozen=True, slots=True)
class Interest:
    """What a reader wants to hear (all kinds if none is named), and may."""

    kinds: frozenset[str]
    profile: str | None
    reach: Reach

    def __call__(self, message: Message) -> bool:
        """Whether it wants a message."""
        if self.kinds and message.kind not in self.kinds:
            return False
        profile, device = about(message)
        if self.profile is not None and profile not in (None, self.profile):
            return False
        return not self.reach.limited or self.reach.sees(profile, device)


class Events(EventSourceResponse):
    """Server-sent events; a reader that vanished is no error."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the reader goes, or takes nothing any more."""
        line: asyncio.WriteTransport | None = scope.get("state", {}).get(LINE)
        if line is not None:
            narrow(line)
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            if line is not None:  # closing would wait until all is sent
                line.abort()
                while (await receive())["type"] != "http.disconnect":
                    pass


def narrow(line: asyncio.WriteTransport) -> None:
    """Let no more than `UNSENT_BYTES` wait in the kernel, and as much before it.

    Else the kernel takes megabytes for a reader that takes nothing: for minutes each
    message is a write for it, and its memory is nobody's.
    """
    peer = line.get_extra_info("socket")
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    line.set_write_buffer_limits(high=UNSENT_BYTES)


def stream_of(source: AsyncIterator[bytes]) -> Events:
    """Answer with an endless stream."""
    return Events(source, ping=PING_SECONDS, send_timeout=SEND_TIMEOUT_SECONDS)


@router.get("/live", response_class=Events)
async def live(
    request: Request,
    query: Annotated[LiveQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
    last_event_id: Annotated[str | None, Header()] = None,
) -> Events:
    """Everything that happens, as it happens.

    Resumes after `Last-Event-ID` without a hole.  A reader that falls 1000 messages
    behind gets an `error` and is dropped; it may come back with its last id.
    """
    position = None
    if last_event_id:
        if not last_event_id.isdecimal() or int(last_event_id[:20]) > MAX_POSITION:
            raise InvalidInput("Last-Event-ID must be an id that this stream gave")
        position = int(last_event_id)
    return stream_of(happenings(request, state, query, position))


@router.get("/devices/{device_id}/signal", response_class=Events)
async def signal(
    request: Request,
    device_id: DevicePath,
    state: Annotated[State, Depends(current)],
) -> Events:
    """Send the readings of a device as this process receives them.

    Each `signal` has `boot`, `first_seq`, `values` (null where there is none),
    `channels` and `rate_hz`.
    """
    async with state.engine.begin() as conn:
        await devices.get(conn, device_id)
    return stream_of(readings(request, state, device_id))


async def happenings(
    request: Request, state: State, query: LiveQuery, position: int | None
) -> AsyncIterator[bytes]:
    """Say what was missed, then what happens."""
    wanted = Interest(frozenset(query.kind), query.profile, reach_of(request))
    with state.hub.subscribe("live", wanted) as subscription:
        if position is None:
            position = await unbroken(_last(state))
            yield say("hello", {"position": position}, position)
        more = True
        while more:
            rows = await unbroken(_after(state, position))
            more = len(rows) == PAGE
            for row in rows:
                position = row.position
                missed = Message("event", row, position)
                if wanted(missed):
                    yield missed.written(written)
        async for message in until_refused(request, state, subscription):
            if isinstance(message, bytes):
                yield message
                continue
            parts = []
            for one in (message, *subscription.rest(MOST_AT_ONCE)):
                if one.position is not None:
                    if one.position <= position:
                        continue
                    position = one.position
                parts.append(one.written(written))
            if parts:
                yield b"".join(parts)


async def _last(state: State) -> int:
    async with state.engine.begin() as conn:
        return await events.last_position(conn)


async def _after(state: State, position: int) -> list[events.EventRow]:
    async with state.engine.begin() as conn:
        return await events.after(conn, position, PAGE)


async def unbroken(asked: Coroutine[Any, Any, Given]) -> Given:
    """Let a query end, though its reader goes: a cut one costs its connection."""
    with anyio.CancelScope(shield=True):
        found = await asked
    return found


async def readings(request: Request, state: State, device: str) -> AsyncIterator[bytes]:
    """Say what a device sends."""
    with state.hub.subscribe(f"signal:{device}") as subscription:
        async for message in until_refused(request, state, subscription):
            if isinstance(message, bytes):
                yield message
                continue
            stream, block = message.data
            data = {
                "boot": stream.boot,
                "first_seq": block.first_seq,
                "values": block.values.tolist(),
                "channels": [c.name for c in stream.profile.channels],
                "rate_hz": stream.profile.rate_hz,
            }
            yield say("signal", data, None)


async def until_refused(
    request: Request, state: State, source: AsyncIterator[Given]
) -> AsyncIterator[Given | bytes]:
    """Hand messages on while the key is good and the reader keeps up."""
    checked = time.monotonic()
    try:
        async for message in source:
            if time.monotonic() - checked > RECHECK_SECONDS:
                checked = time.monotonic()
                await unbroken(authenticate(state, request))
            yield message
    except SlowReader as error:
        yield say("error", {"title": "Too slow", "detail": str(error)}, None)
    except Unauthenticated as error:
        yield say("error", {"title": "Not authenticated", "detail": str(error)}, None)


def about(message: Message) -> tuple[str | None, str | None]:
    """Name the profile and the device that a message of the hub is about, if any."""
    data = message.data
    match message.kind:
        case "event":
            return data.profile, data.device
        case "prediction" if isinstance(data, events.EventRow):
            return data.profile, data.device
        case "onset" | "prediction" | "retract":
            return data[0].profile.name, data[0].device
        case _:
            return data.get("profile"), data.get("device")


def happening(message: Message) -> Any:
    """Turn a message of the hub into JSON."""
    match message.kind:
        case "event":
            return event_answer(message.data)
        case "onset":
            stream, said = message.data
            data = {"onset_seq": said.onset_seq, "onset": stamp(said.onset)}
        case "prediction" if isinstance(message.data, events.EventRow):
            row = message.data  # it had to wait for a model
            said = SaidAnswer.of(row.prediction)
            whose = {"device": row.device, "boot": row.boot, "profile": row.profile}
            return {"event": row.id, **whose, "provisional": False, "prediction": said}
        case "prediction":
            stream, said = message.data
            data = {
                "provisional": said.provisional,
                "prediction": SaidAnswer.of(said.prediction),
            }
        case "retract":
            stream, said = message.data
            data = {}
        case _:
            return message.data
    profile = stream.profile.name
    whose = {"device": stream.device, "boot": stream.boot, "profile": profile}
    return {"event": str(said.event), **whose, **data}


def written(message: Message) -> bytes:
    """Write a message of the hub as a server-sent event."""
    return say(message.kind, happening(message), message.position)


def say(kind: str, data: Any, position: int | None = None) -> bytes:
    """Write a server-sent event."""
    # msgspec writes NaN as null, and escapes what a line must not hold
    text = msgspec.json.encode(data, enc_hook=_plain)
    number = b"" if position is None else b"id: %d\n" % position
    return b"%bevent: %b\ndata: %b\n\n" % (number, kind.encode(), text)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json")
