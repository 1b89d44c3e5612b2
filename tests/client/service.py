"""A service in the test's own loop: real sockets around the toy server of the wire."""

import asyncio
import http
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from app.domain import Event, event_id
from app.wire.frames import SUBPROTOCOLS
from app.wire.session import Close
from tests.wire.toy import PROFILE, Connection, Row

KEY = "ons_test"
NO_WINDOW = np.zeros((0, 2), np.float32)


class Service:
    """Accepts devices, commits after every frame while `open`."""

    def __init__(self) -> None:
        self.store: dict[str, Row] = {}
        self.sockets: set[ServerConnection] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.refuse: list[Close] = []
        self.frames = 0
        self.port = 0
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await serve(
            self._stream,
            "127.0.0.1",
            self.port,
            subprotocols=list(SUBPROTOCOLS),  # type: ignore[arg-type]
            process_request=self._authenticate,
            compression=None,
            close_timeout=0.2,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close politely (1001), as an orderly end does."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def kill(self) -> None:
        """Vanish, as kill -9 does: what was not committed is gone."""
        for socket in list(self.sockets):
            socket.transport.abort()
        await self.stop()

    def _authenticate(
        self, socket: ServerConnection, request: Request
    ) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return socket.respond(http.HTTPStatus.UNAUTHORIZED, "no such key\n")
        return None

    async def _stream(self, socket: ServerConnection) -> None:
        connection = Connection(self.store, SUBPROTOCOLS[str(socket.subprotocol)])
        self.sockets.add(socket)
        try:
            async for frame in socket:
                self.frames += 1
                connection.receive(frame)
                if self.refuse:
                    connection._close(self.refuse.pop(0))
                await self._answer(socket, connection)
        except ConnectionClosed:
            pass
        finally:
            connection.alive = False
            self.sockets.discard(socket)

    async def _answer(self, socket: ServerConnection, connection: Connection) -> None:
        while connection.batches and connection.alive:
            await self.open.wait()
            ended = connection.batches[0].events
            connection.commit()
            for onset, offset, peak, _ in ended:
                at = datetime.fromtimestamp(onset / PROFILE.rate_hz, UTC)
                identity = event_id("d", connection.boot, onset, 1)
                connection.out.append(
                    connection.session.event(
                        Event(
                            identity,
                            "d",
                            connection.boot,
                            PROFILE.name,
                            1,
                            onset,
                            offset,
                            at,
                            at,
                            peak,
                            NO_WINDOW,
                        )
                    )
                )
        out, connection.out = connection.out, []
        for frame in out:
            await socket.send(frame)
        if connection.closed is not None:
            await socket.close(connection.closed.code, connection.closed.title)


@asynccontextmanager
async def running() -> AsyncIterator[Service]:
    service = Service()
    await service.start()
    try:
        yield service
    finally:
        await service.kill()
