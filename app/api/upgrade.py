"""Whether a device's request for a socket is granted, before anything is opened."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import compile_path

from app.api.access import TICKET_PREFIX, authorize_device
from app.api.problems import problem, problem_response, unavailable, unforeseen
from app.api.receipt import MANY, OVERLOADED
from app.api.sockets import Sockets
from app.api.state import State
from app.errors import OnsetError
from app.store.engine import AWAY
from app.wire import websocket
from app.wire.frames import SUBPROTOCOLS

log = structlog.get_logger()

PATH = "/devices/{device_id}/stream"
_PATH = compile_path(PATH)[0]


def device_of(path: str) -> str | None:
    """Give the device that a path names, None if it is not that of a socket."""
    match = _PATH.match(path)
    return match.group("device_id") if match else None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A socket that may be opened.

    Parameters
    ----------
    answer : bytes
        To the handshake's key.
    protocol : str or None
        The subprotocol that was agreed.
    """

    answer: bytes
    protocol: str | None
    device: str
    key_id: str

    def head(self) -> bytes:
        """Write the answer that opens the socket."""
        said = [
            b"HTTP/1.1 101 Switching Protocols",
            b"upgrade: websocket",
            b"connection: Upgrade",
            b"sec-websocket-accept: " + self.answer,
        ]
        if self.protocol is not None:
            said.append(b"sec-websocket-protocol: " + self.protocol.encode("latin-1"))
        return b"\r\n".join([*said, b"", b""])


async def admit(
    line: asyncio.Transport, scope: dict[str, Any], state: State, sockets: Sockets
) -> Accepted | None:
    """Answer a request by HTTP unless its socket may be opened."""
    said: Accepted | Response
    try:
        said = await answer(HTTPConnection(scope), state, sockets)
    except OnsetError as error:
        said = problem_response(error)
    except AWAY:
        said = unavailable()
    except Exception:
        log.exception("unforeseen", method="WS", path=scope["path"])
        said = unforeseen()
    if line.is_closing():
        return None
    if isinstance(said, Accepted):
        return said
    line.write(written(said))
    line.close()
    return None


async def answer(
    asked: HTTPConnection, state: State, sockets: Sockets
) -> Accepted | Response:
    """Look at who asks, how, and whether there is room.

    Raises
    ------
    OnsetError
        If the key is none, or not this device's.
    """
    device = device_of(asked.scope["path"]) or ""
    offered = [
        name.strip()
        for line in asked.headers.getlist("sec-websocket-protocol")
        for name in line.split(",")
    ]
    who = await authorize_device(state, asked, device, offered)
    accepted = websocket.accept(
        asked.headers.get("sec-websocket-key", "").encode("latin-1")
    )
    if asked.headers.get("sec-websocket-version") != "13":
        headers = {"Sec-WebSocket-Version": "13"}
        return problem(426, "Upgrade required", headers=headers)
    get = asked.scope["method"] == "GET" and asked.scope["http_version"] == "1.1"
    if accepted is None or not get:
        return problem(400, "Not a WebSocket handshake")
    if sockets.draining:
        return unavailable("the service restarts: come back")
    overload = sockets.load.problem()
    if overload is not None:
        sockets.metrics.refused.labels(OVERLOADED).inc()
        return unavailable(overload)
    if sockets.of_key[who.key_id] >= sockets.per_key:
        most = f"at most {sockets.per_key} connections with one key"
        sockets.metrics.refused.labels(MANY).inc()
        return problem(429, "Too many connections", most)
    return Accepted(accepted, agree(offered), device, who.key_id)


def agree(offered: Sequence[str]) -> str | None:
    """Choose a subprotocol; a ticket is only acknowledged where nothing else is."""
    for name in offered:
        if name in SUBPROTOCOLS:
            return name
    return next((name for name in offered if name.startswith(TICKET_PREFIX)), None)


def written(response: Response) -> bytes:
    """Write an HTTP answer that ends the connection."""
    status = http.HTTPStatus(response.status_code)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode("ascii")]
    head += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*head, b"connection: close", b"", bytes(response.body)])
