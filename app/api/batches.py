"""`POST /devices/{device_id}/readings`: what a device sends that cannot keep a socket.

The same session, detector and commit as behind the socket, for one request: the stream
is taken over, the readings are received, and the answer waits until they are durable.
Readings are known by boot and number, so sending a batch again is always allowed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import Field, StringConstraints, model_validator

from app.api.access import Caller, who
from app.api.fields import Answer, Body, DevicePath, Name, example
from app.api.sockets import Sockets
from app.errors import Conflict, InvalidInput, NotFound, OnsetError, Unavailable
from app.service.streams.connection import Connection
from app.wire import closes, messages
from app.wire.frames import JSON
from app.wire.session import Session

router = APIRouter(tags=["Devices"])

MAX_READINGS = 65_536
DURABLE_SECONDS = 20.0
"""How long an answer waits for the commit."""
REFUSALS: Mapping[int, type[OnsetError]] = {
    closes.TOO_BIG: InvalidInput,
    closes.MALFORMED: InvalidInput,
    closes.WRONG_CHANNELS: InvalidInput,
    closes.UNKNOWN_PROFILE: NotFound,
    closes.GAP: Conflict,
    closes.SUPERSEDED: Conflict,
    closes.PAUSED: Conflict,
}
"""What a close of the socket is here; any other is Unavailable."""

Instant = Annotated[float, Field(allow_inf_nan=False)]


class BatchBody(Body):
    """Consecutive readings of a boot, as the socket's `readings` has them.

    `gap` says why the readings before `seq` never come; without it a number beyond the
    next one is refused.  `end` ends the stream: an event that is open is closed.
    """

    boot: Annotated[
        str, StringConstraints(pattern="^[ -~]+$", max_length=messages.MAX_NAME)
    ]
    seq: Annotated[int, Field(ge=1, le=messages.MAX_SEQ)]
    values: Annotated[
        list[list[float | None]], Field(min_length=1, max_length=MAX_READINGS)
    ]
    time: Instant | list[Instant] | None = Field(
        default=None, description="Seconds since the epoch: of the first, or of each."
    )
    profile: Name | None = Field(default=None, description="Not the registered one.")
    gap: Annotated[str, Field(max_length=messages.MAX_WHY)] | None = None
    end: bool = False

    @model_validator(mode="after")
    def _as_many_times(self) -> BatchBody:
        if isinstance(self.time, list) and len(self.time) != len(self.values):
            raise ValueError("time: one for each reading, or one for the first")
        return self

    model_config = example(
        {"boot": "b1", "seq": 1, "values": [[0.1, 0.2], [0.3, 0.1]], "time": 1767225600}
    )


class BatchAnswer(Answer):
    """Everything up to `ack` is durable; `said` is what the socket would have said."""

    ack: int
    said: list[dict[str, Any]]


@router.post("/devices/{device_id}/readings")
async def receive_batch(
    device_id: DevicePath,
    body: BatchBody,
    request: Request,
    caller: Annotated[Caller, Depends(who)],
) -> BatchAnswer:
    """Take readings of a device that has no socket; answer when they are durable.

    A socket of the device is closed (4409): a device uses the one or the other.  409:
    readings before `seq` are missing, or another request took the stream over.
    """
    sockets: Sockets = request.app.state.sockets
    if sockets.draining:
        raise Unavailable("the service restarts: send it again")
    if sockets.of_key[caller.key_id] >= sockets.per_key:
        raise Unavailable(f"at most {sockets.per_key} connections with one key")
    visit = Visit(sockets, device_id)
    sockets.enter(visit.connection, caller.key_id)
    try:
        async with asyncio.timeout(DURABLE_SECONDS):
            return await visit.take(body)
    except TimeoutError:
        raise Unavailable(
            f"durable up to reading {visit.ack} so far: send it again"
        ) from None
    finally:
        sockets.leave(visit.connection)


class Visit:
    """One request's connection: says what a device would, hears what it would hear."""

    def __init__(self, sockets: Sockets, device: str) -> None:
        self._changed = asyncio.Event()
        self.connection = Connection(
            Session(JSON, sockets.limits),
            sockets.ingest,
            device,
            window=sockets.window,
            changed=self._changed.set,
        )
        self.ack = 0
        self._most = 1
        self._rate_hz = 1.0
        self._said: list[dict[str, Any]] = []

    async def take(self, body: BatchBody) -> BatchAnswer:
        """Receive readings and wait until they are durable.

        Raises
        ------
        OnsetError
            What the socket would have been closed for.
        """
        profile = {} if body.profile is None else {"profile": body.profile}
        await self._say(type="hello", boot=body.boot, **profile)
        await self._until(lambda: self.connection.streaming)
        if body.gap is not None:
            await self._say(type="skip", to=body.seq, why=body.gap)
        for begin in range(0, len(body.values), self._most):
            values = body.values[begin : begin + self._most]
            times = self._times(body.time, begin, len(values))
            await self._say(
                type="readings", seq=body.seq + begin, values=values, **times
            )
        last = body.seq + len(body.values) - 1
        if body.end:
            await self._say(type="end")
            await self._until(lambda: self.connection.close is not None)
        await self._until(lambda: self.ack >= last)
        return BatchAnswer(ack=self.ack, said=self._said)

    def _times(
        self, said: float | list[float] | None, begin: int, n: int
    ) -> dict[str, Any]:
        if said is None:
            return {}
        if isinstance(said, list):
            return {"time": said[begin : begin + n]}
        return {"time": said + begin / self._rate_hz}

    async def _say(self, **message: Any) -> None:
        """Say something, once there is room for it, and let others have a turn."""
        await self._until(lambda: not self.connection.full)
        self.connection.receive(msgspec.json.encode(message).decode(), time.time())
        self._hear()
        await asyncio.sleep(0)

    async def _until(self, ready: Callable[[], bool]) -> None:
        self._hear()
        while not ready():
            self._changed.clear()
            await self._changed.wait()
            self._hear()

    def _hear(self) -> None:
        for frame in self.connection.take():
            said = json.loads(frame)
            kind = said["type"]
            if kind == "welcome":
                self.ack, self._most = said["ack"], said["max_readings"]
                self._rate_hz = said["rate_hz"]
            elif kind == "ack":
                self.ack = said["ack"]
            elif kind != "error":
                self._said.append(said)
        close = self.connection.close
        if close is not None and close.code != closes.DONE:
            raise REFUSALS.get(close.code, Unavailable)(close.detail)
