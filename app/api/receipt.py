"""Deadlines for what has begun to arrive: uvicorn itself waits for ever.

    connection  a whole request within `seconds` of its first byte, or of the connection
    body        the same, and a second more for each `BYTES_A_SECOND` that came: whoever
                sends steadily is never late, whoever drips is
    heads       at most `MAX_HEAD_BYTES`, and what one read brings above them
    addresses   at most so many connections without a whole request from one of them

A request for a device's socket leaves here for `devices_socket`, which has the same
deadline for messages.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections import Counter
from collections.abc import Callable
from typing import Any

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.problems import on_the_wire, problem

BYTES_A_SECOND = 16 * 1024
MAX_HEAD_BYTES = 64 * 1024
LATE, CROWDED, LARGE, MANY = "late", "crowded", "large_head", "many_of_one_key"
FAST, OVERLOADED = "too_many_messages", "overloaded"
LINE = "onset.line"
"""In the state of a request: the transport of its connection."""


class Door:
    """What all connections of a process share.

    Parameters
    ----------
    seconds : float > 0
        For a request, or a message of a socket, to be whole.
    per_address : int > 0
        Connections of one address that have not sent a whole request.
    refused : function of the reason
        Called for each connection that is closed here.
    is_socket : function of a path
        Whether an upgrade is wanted there; elsewhere it is asked for in vain.
    socket : function of the connection
        Takes over its transport.
    """

    def __init__(
        self,
        seconds: float,
        per_address: int,
        refused: Callable[[str], None],
        is_socket: Callable[[str], bool],
        socket: Callable[[Any], object],
    ) -> None:
        self.is_socket = is_socket
        self.socket = socket
        self.seconds = seconds
        self.per_address = per_address
        self.refused = refused
        self._waiting: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a connection; False if its address has too many."""
        if self._waiting[address] >= self.per_address:
            return False
        self._waiting[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count it no more: its request is whole, or it has gone."""
        self._waiting[address] -= 1
        if not self._waiting[address]:
            del self._waiting[address]

    def protocol(self) -> type[HttpToolsProtocol]:
        """Make the class that uvicorn builds connections of."""
        return type("HTTP", (PunctualHTTP,), {"door": self})


class Deadline:
    """Calls `late` unless what arrives is whole in time."""

    def __init__(self, seconds: float, late: Callable[[], None]) -> None:
        self._seconds = seconds
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        self._begun = 0.0
        self._bytes = 0

    @property
    def running(self) -> bool:
        """Whether something is expected."""
        return self._timer is not None

    def start(self) -> None:
        """Expect something from now on."""
        self.stop()
        self._begun = asyncio.get_running_loop().time()
        self._bytes = 0
        self._wait(self._seconds)

    def came(self, n_bytes: int) -> None:
        """Take note of what came."""
        self._bytes += n_bytes

    def stop(self) -> None:
        """Expect nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """Expect nothing ever again, and let its owner go."""
        self.stop()
        self._late = _nobody

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        allowed = self._seconds + self._bytes / BYTES_A_SECOND
        left = self._begun + allowed - asyncio.get_running_loop().time()
        if left > 0.001:
            self._wait(left)
        else:
            self._timer = None
            self._late()


def _nobody() -> None:
    """Tell nobody."""


class PunctualHTTP(HttpToolsProtocol):
    """uvicorn's HTTP, but a request must be whole in time."""

    door: Door

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._deadline = Deadline(self.door.seconds, self._too_late)
        self._waits = False
        self._begin_head()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request."""
        super().connection_made(transport)
        if self.door.enter(self._address):
            self._waits = True
            self._deadline.start()
        else:
            self.door.refused(CROWDED)
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._whole()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if not self._deadline.running:
            self._deadline.start()  # the next one on this connection
        self._deadline.came(0 if self._in_head else len(data))
        self._turned = False
        super().data_received(data)
        if self._in_head and not self._turned:  # else `data` is not all of this head
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                most = f"a head of at most {MAX_HEAD_BYTES} bytes"
                self._refuse(LARGE, problem(431, "Head too large", most))

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["state"][LINE] = self.transport
        if not self._deadline.running:  # behind another one, in the same bytes
            self._deadline.start()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """Begin its body."""
        super().on_headers_complete()
        self._in_head = False

    def on_message_complete(self) -> None:
        """Have it whole."""
        super().on_message_complete()
        self._begin_head()
        self._whole()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the socket, which has deadlines of its own."""
        self._whole()
        self.connections.discard(self)
        self.scope["path"] = self._path()
        self.door.socket(self)
        # it is over: what is freed here need not wait for a search for garbage
        self._deadline.end()
        del self.parser

    def _should_upgrade(self) -> bool:
        asked = self._get_upgrade() == b"websocket"
        return asked and self.door.is_socket(self._path())

    def _unsupported_upgrade_warning(self) -> None:
        """Answer like any other request."""

    def _path(self) -> str:
        raw: bytes = httptools.parse_url(self.url).path
        return urllib.parse.unquote(raw.decode("ascii"))

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _begin_head(self) -> None:
        self._in_head = self._turned = True
        self._head_bytes = 0

    def _whole(self) -> None:
        self._deadline.stop()
        if self._waits:
            self._waits = False
            self.door.leave(self._address)

    def _too_late(self) -> None:
        within = f"a request must be whole within {self.door.seconds:g} s"
        self._refuse(LATE, problem(408, "Too late", within))

    def send_400_response(self, msg: str) -> None:
        """Say what was wrong as everywhere else, not as plain text."""
        self.transport.write(on_the_wire(problem(400, "Not a request", msg)))
        self.transport.close()

    def _refuse(self, reason: str, answer: Response) -> None:
        if self.transport.is_closing():
            return
        self.door.refused(reason)
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(on_the_wire(answer))
        self.transport.close()
