"""The line of a device to the service: connect, resume, pump, and again when it breaks.

connect -> hello -> welcome -> pump both ways -> broken -> back off -> connect ...
                                    |
                                    `-> end said, all durable, closed 1000: done
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from app.client.address import through_proxy
from app.client.buffer import Buffer
from app.client.pieces import message
from app.client.retry import Backoff, close_code, refusal
from app.errors import InvalidInput
from app.wire import closes, messages
from app.wire.frames import SUBPROTOCOLS

log = logging.getLogger("onset.client")

WELCOME_SECONDS = 30.0
"""The store may be away for a while; the line is watched by pings meanwhile."""
CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a link leads, and as whom: `url` is the socket's."""

    url: str
    key: str
    profile: str | None
    subprotocol: str


class Link:
    """Keeps a buffer and a service in step.

    Parameters
    ----------
    destination : Destination
    buffer : Buffer
    hear : callable
        Called with every message that is not about the numbering.
    changed : callable
        Called whenever something happened that somebody may wait for.
    random : Random
        For the jitter of the back-off.
    """

    def __init__(
        self,
        destination: Destination,
        buffer: Buffer,
        hear: Callable[[messages.ServerMessage], None],
        changed: Callable[[], None],
        random: Random,
    ) -> None:
        self._to = destination
        self._codec = SUBPROTOCOLS[destination.subprotocol]
        self._buffer = buffer
        self._hear = hear
        self._changed = changed
        self._backoff = Backoff(random)
        self._work = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._said = ""
        self._ending = False
        self._end_said = False
        self.welcome: messages.Welcome | None = None
        self.connections = 0

    def wake(self) -> None:
        """Look at the buffer again."""
        self._work.set()

    def end(self) -> None:
        """Say `end` once everything is sent; `run` returns when it is durable."""
        self._ending = True
        self._work.set()

    @property
    def end_durable(self) -> bool:
        """Whether the end was said on this connection and everything is durable."""
        return self._end_said and self._buffer.empty

    def cut(self) -> None:
        """Break the line without a word, as a bad network does."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def run(self) -> None:
        """Keep the line up until the stream has ended.

        Raises
        ------
        OnsetError
            If connecting again would change nothing.
        """
        while True:
            try:
                await self._connection()
            except (OSError, TimeoutError, WebSocketException) as fault:
                code = close_code(fault)
                if code == closes.DONE and self.end_durable:
                    return
                error = refusal(fault, self._said)
                if error is not None:
                    raise error from fault
                log.info("line to %s broke: %s", self._to.url, fault)
                await self._wait_before_retry(code)

    async def _wait_before_retry(self, code: int | None) -> None:
        if code == closes.TOO_FAST:
            self._backoff.crowded()
        if code == closes.IDLE:
            while self._buffer.empty and not self._ending:
                self._work.clear()
                await self._work.wait()
        await asyncio.sleep(self._backoff.seconds())

    async def _connection(self) -> None:
        """Live through one connection; ends by an exception, always."""
        self._said = ""
        self._end_said = False
        async with connect(
            self._to.url,
            subprotocols=[Subprotocol(self._to.subprotocol)],
            additional_headers={"Authorization": f"Bearer {self._to.key}"},
            compression=None,
            close_timeout=CLOSE_SECONDS,
            proxy=through_proxy(self._to.url),
        ) as socket:
            self._socket = socket
            try:
                await self._greet(socket)
                await self._pump(socket)
            finally:
                self._socket = None

    async def _greet(self, socket: ClientConnection) -> None:
        hello = messages.Hello(self._buffer.boot, self._to.profile)
        await socket.send(self._codec.encode_device(hello))
        async with asyncio.timeout(WELCOME_SECONDS):
            said = self._decode(await socket.recv())
            while not isinstance(said, messages.Welcome):
                if isinstance(said, messages.Error):
                    self._said = said.detail
                said = self._decode(await socket.recv())
        self._buffer.resume(said.ack, said.rate_hz)
        self.welcome = said
        self.connections += 1
        self._changed()

    async def _pump(self, socket: ClientConnection) -> None:
        tasks = [
            asyncio.ensure_future(self._read(socket)),
            asyncio.ensure_future(self._write(socket)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            said = self._decode(await socket.recv())
            match said:
                case messages.Ack(ack):
                    self._backoff.reset()
                    self._buffer.ack(ack)
                    self._work.set()
                    self._changed()
                case messages.Error(detail=detail):
                    self._said = detail
                case messages.Welcome() | None:
                    continue
                case _:
                    self._hear(said)
                    self._changed()

    async def _write(self, socket: ClientConnection) -> None:
        welcome = self.welcome
        if welcome is None:
            raise RuntimeError("nothing may be sent before the welcome")
        blocks = not self._codec.text
        while True:
            self._work.clear()
            while True:
                piece = self._buffer.take(
                    welcome.max_readings, welcome.window, welcome.rate_hz
                )
                if piece is None:
                    break
                said = message(piece, blocks=blocks)
                await socket.send(self._codec.encode_device(said))
            if self._ending and self._buffer.all_sent and not self._end_said:
                await socket.send(self._codec.encode_device(messages.End()))
                self._end_said = True
            await self._work.wait()

    def _decode(self, frame: str | bytes) -> messages.ServerMessage | None:
        """Read a message; one that this version does not know is passed over."""
        try:
            return self._codec.decode_server(frame)
        except InvalidInput as error:
            log.debug("passed over: %s", error)
            return None
