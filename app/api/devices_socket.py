"""`GET /devices/{device_id}/stream`: the thin shell between a socket and a session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.websockets import WebSocketState

from app.api.access import TICKET_PREFIX, authorize_device
from app.api.problems import AWAY, problem_response, unavailable
from app.api.state import state_of
from app.errors import OnsetError
from app.service.commit import GroupCommit
from app.service.connection import Connection
from app.service.ingest import Ingest
from app.service.metrics import Metrics
from app.store import keys
from app.wire import closes
from app.wire.actions import Limits
from app.wire.frames import JSON, SUBPROTOCOLS, Frame
from app.wire.session import Session

log = structlog.get_logger()
router = APIRouter()

KEY_CHECK_SECONDS = 5.0
"""A revoked key's socket is closed within twice that."""
FAREWELL_SECONDS = 10.0
"""A device that takes nothing for so long is not told why it is closed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a device may be silent, in seconds."""

    hello: float
    idle: float


@dataclass(slots=True, eq=False)
class Sockets:
    """The device connections of this process."""

    ingest: Ingest
    commit: GroupCommit
    metrics: Metrics
    limits: Limits
    window: int
    patience: Patience
    open: dict[Connection, str] = field(default_factory=dict)
    of_device: dict[str, set[Connection]] = field(default_factory=dict)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    draining: bool = False

    def newest(self, device: str, connection: int) -> None:
        """Hear which connection of a device is its newest; older ones close."""
        for one in tuple(self.of_device.get(device, ())):
            one.yield_to(connection)

    async def expel(self, engine: AsyncEngine) -> None:
        """Close sockets whose key is revoked or expired; looks for ever."""
        while True:
            await asyncio.sleep(KEY_CHECK_SECONDS)
            present = {c: key for c, key in self.open.items() if key}
            if not present:
                continue
            async with engine.begin() as conn:
                gone = await keys.unusable(conn, set(present.values()))
            for connection, key in present.items():
                if key in gone:
                    connection.end(closes.UNAUTHENTICATED, "the key is revoked")

    async def drain(self, seconds: float) -> None:
        """Read no more, make everything durable, acknowledge it, close 1012."""
        self.draining = True
        connections = list(self.open)
        if not connections:
            self.empty.set()
        for connection in connections:
            connection.pause()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.commit.drained()
        for connection in connections:
            connection.end(closes.RESTART, "the service restarts: come back")
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self.empty.wait()


@router.websocket("/devices/{device_id}/stream")
async def stream(websocket: WebSocket, device_id: str) -> None:
    """Stream the readings of one device."""
    offered = websocket.scope.get("subprotocols", [])
    try:
        caller = await authorize_device(
            state_of(websocket), websocket, device_id, offered
        )
    except OnsetError as error:
        await websocket.send_denial_response(problem_response(error))
        return
    except AWAY:
        await websocket.send_denial_response(unavailable())
        return
    sockets: Sockets = websocket.app.state.sockets
    if sockets.draining:
        await websocket.send_denial_response(unavailable())
        return
    await websocket.accept(subprotocol=_agree(offered))
    codec = SUBPROTOCOLS.get(_agree(offered) or "", JSON)
    session = Session(codec, sockets.limits)
    connection = Connection(session, sockets.ingest, device_id, window=sockets.window)
    async with _registered(sockets, connection, caller.key_id):
        await _serve(websocket, connection, sockets.patience)


def _agree(offered: list[str]) -> str | None:
    """Choose a subprotocol; a ticket is only acknowledged where nothing else is."""
    for name in offered:
        if name in SUBPROTOCOLS:
            return name
    return next((name for name in offered if name.startswith(TICKET_PREFIX)), None)


@asynccontextmanager
async def _registered(
    sockets: Sockets, connection: Connection, key_id: str
) -> AsyncIterator[None]:
    sockets.open[connection] = key_id
    sockets.of_device.setdefault(connection.device, set()).add(connection)
    sockets.empty.clear()
    sockets.metrics.connections.inc()
    try:
        yield
    finally:
        del sockets.open[connection]
        siblings = sockets.of_device[connection.device]
        siblings.discard(connection)
        if not siblings:
            del sockets.of_device[connection.device]
        if not sockets.open:
            sockets.empty.set()
        sockets.metrics.connections.dec()
        connection.leave()
        if connection.close is not None:
            sockets.metrics.closes.labels(str(connection.close.code)).inc()


async def _serve(
    websocket: WebSocket, connection: Connection, patience: Patience
) -> None:
    reader = asyncio.create_task(_read(websocket, connection, patience))
    writer = asyncio.create_task(_write(websocket, connection))
    try:
        await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        if reader.done() and connection.close is not None:
            await asyncio.wait({writer}, timeout=FAREWELL_SECONDS)
    finally:
        for task in (reader, writer):
            task.cancel()
        for ended in await asyncio.gather(reader, writer, return_exceptions=True):
            if isinstance(ended, Exception) and not isinstance(ended, _GONE):
                log.error("socket_failed", exc_info=ended)
        if websocket.application_state is not WebSocketState.DISCONNECTED:
            with suppress(*_GONE):
                code = connection.close.code if connection.close else closes.FAILED
                await websocket.close(code)


_GONE = (WebSocketDisconnect, RuntimeError, OSError)
"""What a peer that has gone looks like; sending to it is no fault of ours."""


async def _read(
    websocket: WebSocket, connection: Connection, patience: Patience
) -> None:
    while connection.close is None:
        limit = (
            max(patience.idle, connection.idle_factor_seconds)
            if connection.streaming
            else patience.hello
        )
        try:
            async with asyncio.timeout(limit):
                message = await websocket.receive()
        except TimeoutError:
            connection.end(closes.IDLE, f"nothing was said for {limit:g} s")
            return
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        text = message.get("text")
        frame: Frame = message["bytes"] if text is None else text
        await connection.receive(frame, time.time())
        await connection.room()


async def _write(websocket: WebSocket, connection: Connection) -> None:
    while True:
        frames = await connection.outgoing()
        for frame in frames:
            if isinstance(frame, str):
                await websocket.send_text(frame)
            else:
                await websocket.send_bytes(frame)
        if not frames and connection.close is not None:
            close = connection.close
            await websocket.close(close.code, close.title)
            return
