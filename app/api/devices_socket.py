"""`GET /devices/{device_id}/stream`: the shell between a socket and a session.

                  authorised            hello, readings            close frame
    HTTP upgrade -----------> 101, OPEN ------------------> close --------------> gone
        | refused                | peer closes, breaks the    | FAREWELL_SECONDS
        v                        v framing, or is late        v
      HTTP problem             close                        cut

A protocol class and no ASGI application: bytes go from the transport to the session in
one call (`docs/decisions/0009`).  What is read stops while the session is full or the
peer does not take what it is told, so nothing grows without a bound.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

import structlog
from starlette.applications import Starlette

from app.api import upgrade
from app.api.rate import Tempo
from app.api.receipt import FAST, LATE, Deadline
from app.api.sockets import Sockets
from app.api.state import State
from app.service.streams.connection import Connection
from app.service.streams.fleet import Lane
from app.wire import closes, websocket
from app.wire.quick import CODECS, JSON
from app.wire.session import Session

log = structlog.get_logger()

FAREWELL_SECONDS = 10.0
"""A device that takes nothing for so long is not told why it is closed."""
EARLY_BYTES = 64 * 1024
"""What a peer may send before its upgrade is answered; then it is not read."""


class Upgrading(Protocol):
    """What uvicorn's HTTP has of a request that asks for an upgrade."""

    transport: asyncio.Transport
    scope: Any
    connections: set[Any]


def wanted(path: str) -> bool:
    """Whether a path is that of a device's socket."""
    return upgrade.device_of(path) is not None


GONE = asyncio.Protocol()
"""What a transport has left to talk to once its connection is lost."""


class DeviceSocket(asyncio.Protocol):
    """One device's connection."""

    __slots__ = (
        "_admitting",
        "_blocked",
        "_closing",
        "_connection",
        "_deadline",
        "_early",
        "_flushing",
        "_heard",
        "_lane",
        "_loop",
        "_messages",
        "_owner",
        "_patrol",
        "_pings",
        "_reader",
        "_reading",
        "_sockets",
        "_transport",
    )

    def __init__(self, upgrading: Upgrading, app: Starlette) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = upgrading.transport
        self._owner = upgrading.connections
        self._sockets: Sockets = app.state.sockets
        self._early = bytearray()
        self._reader: websocket.Reader | None = None
        self._connection: Connection | None = None
        self._lane: Lane | None = None
        self._deadline = Deadline(self._sockets.patience.message, self._too_late)
        self._heard = self._loop.time()
        self._messages = Tempo(self._sockets.per_second, self._loop.time)
        self._pings = Tempo(self._sockets.pings_per_second, self._loop.time)
        self._patrol: asyncio.TimerHandle | None = None
        self._blocked = self._closing = self._flushing = False
        self._reading = True
        self._transport.set_protocol(self)
        self._owner.add(self)
        scope = dict(upgrading.scope)
        self._admitting: asyncio.Task[None] | None = self._loop.create_task(
            self._admit(scope, app.state.onset)
        )

    async def _admit(self, scope: dict[str, Any], state: State) -> None:
        try:
            asked = await upgrade.admit(self._transport, scope, state, self._sockets)
            if asked is not None:
                self._open(asked)
        finally:
            self._admitting = None

    def _open(self, asked: upgrade.Accepted) -> None:
        self._transport.write(asked.head())
        sockets = self._sockets
        codec = CODECS.get(asked.protocol or "", JSON)
        self._reader = websocket.Reader(sockets.limits.max_message_bytes)
        self._connection = Connection(
            Session(codec, sockets.limits),
            sockets.ingest,
            asked.device,
            window=sockets.window,
            changed=self._wake,
        )
        sockets.enter(self._connection, asked.key_id)
        self._heard = self._loop.time()
        self._look()
        early, self._early = bytes(self._early), bytearray()
        self._watch()
        if early:
            self.data_received(early)

    # What the transport calls.

    def data_received(self, data: bytes) -> None:
        """Take bytes: with those of all others, once the stream has a lane."""
        if self._lane is not None:
            self._lane.put(data)
        else:
            self.receive(data)

    def receive(self, data: bytes) -> None:
        """Take bytes in the careful way."""
        self._hold()
        reader, connection = self._reader, self._connection
        if reader is None or connection is None:
            self._early += data
            self._watch()
            return
        if self._reading and not self._closing and connection.close is None:
            message = reader.whole(data)
            if message is not None:
                self._hear(connection, message)
                self.attend()
                return
        begun = reader.unfinished
        reader.feed(data)
        self._deadline.came(len(data))
        if not (begun and self._rejoin(reader)):
            self._work()

    def attend(self) -> None:
        """Look whether to read, and whether readings may come the direct way."""
        self._watch()
        reader = self._reader
        if reader is not None and self._reading and not reader.unfinished:
            self._release()

    def _release(self) -> bool:
        """Let readings come the direct way, if they may."""
        connection = self._connection
        if connection is None or connection.live is None:
            return False
        if self._lane is not None and self._lane.ready:
            return True
        intake = connection.direct()
        if intake is None or self._blocked or self._closing:
            return False
        if self._lane is None:
            self._lane = self._sockets.fleet.join(
                connection.live, connection, intake, self
            )
        self._messages.count(self._lane.counted())
        self._lane.release(self._messages.left)
        return self._lane.ready

    def _rejoin(self, reader: websocket.Reader) -> bool:
        """Send what waited, and is whole now, the direct way; False if it may not.

        A network cuts messages, and a full window stops in the middle of a read.
        """
        if self._lane is None or not reader.whole_frame or not self._release():
            return False
        self._deadline.stop()
        self._lane.put(reader.take())
        self._watch()
        return True

    def eof_received(self) -> None:
        """Let the transport close itself."""

    def pause_writing(self) -> None:
        """Hear that the peer does not take what it is told."""
        self._blocked = True
        self._hold()
        self._watch()

    def resume_writing(self) -> None:
        """Hear that it does again."""
        self._blocked = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything; what was received is still committed."""
        self._owner.discard(self)
        self._deadline.end()
        self._transport.set_protocol(GONE)  # each would keep the other
        if self._patrol is not None:
            self._patrol.cancel()
        if self._admitting is not None:
            self._admitting.cancel()
        if self._lane is not None:
            self._lane.leave()
            self._lane = None
        if self._connection is not None:
            self._sockets.leave(self._connection)
        self._closing = True

    def shutdown(self) -> None:
        """End, because uvicorn ends."""
        if self._connection is None or self._closing:
            self._transport.abort()
        else:
            self._connection.end(closes.RESTART, "the service restarts: come back")

    # The session.

    def _work(self) -> None:
        reader, connection = self._reader, self._connection
        if reader is None or connection is None:
            return
        try:
            while not (connection.full or self._blocked):
                received = reader.next()
                if received is None:
                    break
                self._deadline.stop()  # whatever had begun is whole
                if isinstance(received, websocket.Ping):
                    fast = self._too_fast(connection, self._pings, "pings")
                    if not (fast or self._closing):
                        self._transport.write(websocket.pong(received.body))
                elif isinstance(received, websocket.Closed):
                    self._farewell(received.code, "")
                    self._transport.close()
                    return
                elif connection.close is None or connection.last_words:
                    self._hear(connection, received)
        except websocket.BadFrame as bad:
            if bad.code == closes.TOO_BIG:  # the one that a device can mend: say why
                connection.end(closes.TOO_BIG, str(bad))
                self._flush()
            self._farewell(bad.code, str(bad))
            self._transport.close()
            return
        self.attend()

    def _hear(self, connection: Connection, message: str | bytes) -> None:
        self._heard = self._loop.time()
        if self._too_fast(connection, self._messages, "messages"):
            return
        try:
            connection.receive(message, time.time())
        except Exception:
            log.exception("socket_failed", device=connection.device)
            connection.end(closes.FAILED, "a fault of the server")

    def _wake(self) -> None:
        """Write at the end of this turn of the loop, whatever else happens in it."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        connection = self._connection
        if connection is None:
            return
        if self._closing:
            connection.take()  # nothing may follow a close frame
            if connection.last_words:
                self._work()
            return
        if not self._blocked:
            frames = connection.take()
            if frames:
                self._transport.write(b"".join(map(websocket.message, frames)))
            if connection.close is not None and not self._blocked:
                self._farewell(connection.close.code, connection.close.title)
                if connection.close.code in (closes.IDLE, closes.TOO_FAST):
                    self._transport.close()  # heard for long enough
                return
        elif connection.close is not None:
            self._cut_in(FAREWELL_SECONDS)
        if self._reader is None or not self._rejoin(self._reader):
            self._work()

    def _farewell(self, code: int, reason: str) -> None:
        """Say why it ends; whoever does not answer is cut."""
        if self._closing:
            return
        self._closing = True
        self._deadline.stop()
        self._transport.write(websocket.close(code, reason))
        self._cut_in(FAREWELL_SECONDS)
        self._watch()

    def _cut_in(self, seconds: float) -> None:
        if self._patrol is not None:
            self._patrol.cancel()
        self._patrol = self._loop.call_later(seconds, self._transport.abort)

    def _hold(self) -> None:
        """Let nothing more come the direct way; count what did."""
        if self._lane is not None:
            self._lane.hold()
            self._messages.count(self._lane.counted())

    def _watch(self) -> None:
        """Read, or not; expect the end of what has begun, or not."""
        connection, reader = self._connection, self._reader
        if connection is None or reader is None:
            reading = len(self._early) < EARLY_BYTES
        else:
            reading = not (connection.full or self._blocked)
            if self._closing or not reading or not reader.unfinished:
                self._deadline.stop()
            elif not self._deadline.running:
                self._deadline.start()
        if reading != self._reading and not self._transport.is_closing():
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # Who is too fast, and who is late.

    def _too_fast(self, connection: Connection, tempo: Tempo, what: str) -> bool:
        """Count one; close 4429 if so many did not even take a second."""
        if not tempo.too_fast():
            return False
        self._sockets.metrics.refused.labels(FAST).inc()
        connection.end(closes.TOO_FAST, f"more than {tempo.most} {what} in a second")
        if self._reader is not None:
            self._reader.take()  # a flood is not even looked at
        return True

    def _too_late(self) -> None:
        if self._connection is not None:
            self._sockets.metrics.refused.labels(LATE).inc()
            self._connection.end(closes.IDLE, "a message must end in time")

    def _look(self) -> None:
        """Close a peer that is silent, or that takes nothing; look again."""
        connection, patience = self._connection, self._sockets.patience
        if connection is None or self._closing:
            return
        limit = (
            max(patience.idle, connection.idle_factor_seconds)
            if connection.streaming
            else patience.hello
        )
        now = self._loop.time()
        if connection.full and not self._blocked:
            self._heard = now  # it is we who do not read
        if self._lane is not None:
            self._heard = max(self._heard, self._lane.heard)
        left = self._heard + limit - now
        if left > 0.001:
            self._patrol = self._loop.call_later(left, self._look)
        elif self._blocked:
            self._transport.abort()
        else:
            connection.end(closes.IDLE, f"nothing was said for {limit:g} s")
