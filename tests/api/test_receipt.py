"""Peers that begin to say something and do not end."""

import asyncio
import gc
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
import websockets
from fastapi import FastAPI

from app.api import devices_socket, live, upgrade
from app.api.access import Caller
from app.api.devices_socket import DeviceSocket
from app.api.receipt import (
    CROWDED,
    FAST,
    LARGE,
    LATE,
    MAX_HEAD_BYTES,
    Deadline,
    Door,
    PunctualHTTP,
)
from app.api.sockets import Patience, Sockets
from app.domain import Role
from app.errors import NotFound
from app.service.metrics import Metrics
from app.service.notify.hub import Hub
from app.service.streams.fleet import Fleet
from app.service.streams.load import ORDER, Load
from app.wire.actions import Limits

SECONDS = 0.2
PER_ADDRESS = 4
PER_KEY = 3
PER_SECOND = 100_000


async def endless() -> AsyncIterator[bytes]:
    """Say more than lies between."""
    while True:
        yield b"data: %b\n\n" % bytes(2**20)


taken = 0


async def drip() -> AsyncIterator[bytes]:
    """Say little at a time, and count what is taken."""
    global taken
    while True:
        yield b"data: %b\n\n" % bytes(1000)
        taken += 1000
        await asyncio.sleep(0)  # a feed waits for news, so that an end can be heard


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer a request with the size of its body; or without an end."""
    if scope["path"] == "/endless":
        await live.Events(endless(), send_timeout=SECONDS)(scope, receive, send)
        return
    if scope["path"] == "/drip":
        await live.Events(drip(), send_timeout=3 * SECONDS)(scope, receive, send)
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        size += len(message["body"])
        more = message["more_body"]
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Nowhere:
    """Knows no device."""

    async def open(self, device: str, *_: Any) -> None:
        raise NotFound(f"no device {device!r}")


class Place:
    """A server with short deadlines."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        metrics = Metrics()
        door = Door(
            SECONDS,
            PER_ADDRESS,
            lambda why: self.refused.update([why]),
            devices_socket.wanted,
            lambda upgrading: DeviceSocket(upgrading, self.app),
        )
        self.app = FastAPI()
        self.app.state.onset = None
        self.app.state.sockets = Sockets(
            ingest=Nowhere(),
            commit=None,
            metrics=metrics,
            fleet=Fleet(Limits(), Hub()),
            load=Load(metrics, 1.0),
            limits=Limits(max_message_bytes=100_000),
            window=64,
            per_key=PER_KEY,
            per_second=PER_SECOND,
            patience=Patience(hello=5 * SECONDS, idle=60.0, message=SECONDS),
        )
        self.server = uvicorn.Server(
            uvicorn.Config(
                echo,
                http=door.protocol(),
                ws="none",
                lifespan="off",
                port=0,
                log_level="error",
            )
        )

    @property
    def port(self) -> int:
        return int(self.server.servers[0].sockets[0].getsockname()[1])

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async def anybody(*_: Any) -> Caller:
        return Caller("", "anybody", Role.DEVICE, "d1")

    monkeypatch.setattr(upgrade, "authorize_device", anybody)
    made = Place()
    task = asyncio.create_task(made.server.serve())
    while not made.server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    yield made
    made.server.should_exit = True
    await task


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Read to the end, which must come soon."""
    async with asyncio.timeout(10 * SECONDS):
        return await reader.read()


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = (
    b"GET /devices/d1/stream HTTP/1.1\r\nHost: a\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


PING = b"\x89\xfd\0\0\0\0" + bytes(125)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Y: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
        GET + b"GET / HT",
    ],
)
async def test_a_request_that_does_not_end_is_closed(place: Place, begun: bytes):
    reader, writer = await place.open()
    writer.write(begun)
    said = await ended(reader)
    assert b"408 Request Timeout" in said or not begun
    assert place.refused == {LATE: 1}
    writer.close()


@pytest.mark.parametrize(
    "begun",
    [
        b"\x82",
        b"\x82\x85\x01\x02\x03\x04ab",
        b"\x02\x81\x00\x00\x00\x00a",  # the first of several fragments
        b"\x02\x81\x00\x00\x00\x00a\x89\x80\x00\x00\x00\x00",  # and a ping
    ],
)
async def test_a_message_that_does_not_end_is_closed_4407(place: Place, begun: bytes):
    reader, writer = await place.open()
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(begun)
    said = await ended(reader)
    assert (4407).to_bytes(2, "big") in said
    writer.close()


async def test_whoever_sends_steadily_is_not_late(place: Place):
    reader, writer = await place.open()
    size = 40_000  # two and a half seconds' worth at the least rate
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
    for _ in range(8):
        writer.write(b"x" * (size // 8))
        await asyncio.sleep(SECONDS / 4)
    said = await reader.readuntil(b"40000")
    assert said.startswith(b"HTTP/1.1 200")
    assert not place.refused
    writer.close()


async def test_quiet_sockets_and_whole_messages_are_never_late(place: Place):
    async with websockets.connect(f"{place.ws}/devices/d1/stream") as line:
        for _ in range(5):
            await (await line.ping())
            await asyncio.sleep(SECONDS / 2)
        await line.send('{"type": "hello", "boot": "b"}')
        assert "no device 'd1'" in await line.recv()
        with pytest.raises(websockets.ConnectionClosed):
            await line.recv()
    assert line.close_code == 4404
    assert not place.refused


async def test_a_device_that_says_nothing_is_closed_4407(place: Place):
    async with websockets.connect(f"{place.ws}/devices/d1/stream") as line:
        assert "nothing was said" in await line.recv()
        with pytest.raises(websockets.ConnectionClosed):
            await line.recv()
    assert line.close_code == 4407


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{", 4400),
        (b"{}", 4400),
        ("x" * 100_001, 1009),
        ("x" * 500_000, 1009),
        ('{"type": "end"}', 4400),
    ],
)
async def test_a_message_that_is_none_ends_with_its_code(place: Place, said, code):
    async with websockets.connect(f"{place.ws}/devices/d1/stream") as line:
        await line.send(said)
        with suppress(websockets.ConnectionClosed):
            while True:
                await line.recv()
    assert line.close_code == code


async def test_a_broken_frame_is_closed_1002_and_nothing_of_it_stays(place: Place):
    reader, writer = await place.open()
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    assert len(place.app.state.sockets.open) == 1
    writer.write(b"\xf1\x80\0\0\0\0")
    assert (1002).to_bytes(2, "big") in await ended(reader)
    writer.close()
    assert not place.app.state.sockets.open
    assert not place.server.server_state.connections


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"Version: 13", b"Version: 8", b"426 "),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"short", b"400 "),
        (b"GET ", b"POST ", b"400 "),
        (b"HTTP/1.1", b"HTTP/1.0", b"400 "),
        (b"/stream", b"/other", b"200 OK"),  # no socket: like any request
    ],
)
async def test_a_handshake_that_is_none_is_answered_in_http(
    place: Place, old: bytes, new: bytes, status: bytes
):
    reader, writer = await place.open()
    writer.write(UPGRADE.replace(old, new))
    said = await reader.readuntil(b"\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 " + status)
    writer.close()


async def test_a_key_has_so_many_sockets_and_is_told_so(place: Place):
    url = f"{place.ws}/devices/d1/stream"
    lines = [await websockets.connect(url) for _ in range(PER_KEY)]
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(url)
    assert refused.value.response.status_code == 429
    assert b"at most 3 connections" in refused.value.response.body
    await lines.pop().close()
    async with asyncio.timeout(5):
        while len(place.app.state.sockets.open) == PER_KEY:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    lines.append(await websockets.connect(url))
    for line in lines:
        await line.close()
    assert not place.app.state.sockets.of_key


async def test_what_a_connection_leaves_is_freed_without_a_search_for_garbage(
    place: Place,
):
    def kept(kind: type) -> int:
        return sum(isinstance(one, kind) for one in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        line = await websockets.connect(f"{place.ws}/devices/d1/stream")
        assert kept(DeviceSocket) == 1
        assert kept(PunctualHTTP) == 0
        await line.close()
        async with asyncio.timeout(5):
            while kept(DeviceSocket):  # noqa: ASYNC110 - nothing says so
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


async def test_a_process_that_cannot_keep_up_refuses_new_sockets_and_says_why(
    place: Place,
):
    url = f"{place.ws}/devices/d1/stream"
    async with await websockets.connect(url):
        place.app.state.sockets.load.given_up = ORDER
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url)
        assert refused.value.response.status_code == 503
        assert b"overloaded: new connections" in refused.value.response.body
        assert len(place.app.state.sockets.open) == 1  # who is here stays
        place.app.state.sockets.load.given_up = ORDER[:-1]
        async with await websockets.connect(url):
            pass


async def test_a_peer_that_takes_no_answer_is_not_read(place: Place):
    place.app.state.sockets.pings_per_second = PER_SECOND
    reader, writer = await place.open()
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    reader._transport.pause_reading()
    sent = 0
    with suppress(TimeoutError, ConnectionError):
        while sent < 40_000_000:
            writer.write(PING)
            sent += len(PING)
            if sent % 13_100 == 0:
                async with asyncio.timeout(2 * SECONDS):
                    await writer.drain()
    assert sent < 40_000_000
    writer.transport.abort()


async def test_a_reader_of_a_stream_that_takes_nothing_is_cut(
    place: Place, caplog: pytest.LogCaptureFixture
):
    _, writer = await place.open()
    writer.write(b"GET /endless HTTP/1.1\r\nhost: here\r\n\r\n")
    there = place.server.server_state.connections
    async with asyncio.timeout(5):
        while not there:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        while there:  # noqa: ASYNC110 - nor for this
            await asyncio.sleep(0.01)
    assert caplog.text == ""
    writer.transport.abort()


async def test_little_waits_in_the_kernel_for_a_reader_that_takes_nothing(place: Place):
    global taken
    taken = 0
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(silent, ("127.0.0.1", place.port))
        await loop.sock_sendall(silent, b"GET /drip HTTP/1.1\r\nhost: here\r\n\r\n")
        before = -1
        while taken == 0 or taken != before:
            before = taken
            await asyncio.sleep(SECONDS / 2)
        assert taken < 8 * live.UNSENT_BYTES, "the kernel alone would take megabytes"


async def test_a_kept_connection_waits_for_its_next_request(place: Place):
    reader, writer = await place.open()
    for _ in range(3):
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(1.5 * SECONDS)
    assert not place.refused
    writer.close()


async def test_an_endless_head_is_refused(place: Place):
    reader, writer = await place.open()
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
    await asyncio.sleep(SECONDS / 4)  # so that all that follows is a read of its own
    writer.write(b"X-Y: " + b"z" * MAX_HEAD_BYTES)
    said = await ended(reader)
    assert b"431 Request Header Fields Too Large" in said
    assert b"application/problem+json" in said
    assert str(MAX_HEAD_BYTES).encode() in said
    assert place.refused == {LARGE: 1}
    writer.close()


@pytest.mark.parametrize("n_before", [0, 3])
async def test_a_large_body_in_one_piece_with_its_head_is_no_large_head(
    place: Place, n_before: int
):
    reader, writer = await place.open()
    size = 2 * MAX_HEAD_BYTES
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
    writer.write(n_before * GET + head + bytes(size) + GET[:9])
    await reader.readuntil(b"\r\n\r\n%d" % size)
    writer.write(GET[9:])
    await reader.readuntil(b"\r\n\r\n0")
    assert not place.refused
    writer.close()


async def test_an_address_has_so_many_connections_that_say_nothing_whole(place: Place):
    silent = [await place.open() for _ in range(PER_ADDRESS)]
    reader, writer = await place.open()
    with suppress(ConnectionError):
        assert await ended(reader) == b""
    writer.close()
    assert place.refused == {CROWDED: 1}
    for one, other in silent:
        await ended(one)
        other.close()
    reader, writer = await place.open()
    writer.write(GET)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_deadline_that_is_met_never_fires():
    fired: list[int] = []
    deadline = Deadline(0.01, lambda: fired.append(1))
    deadline.start()
    deadline.stop()
    await asyncio.sleep(0.03)
    assert not fired
    deadline.start()
    await asyncio.sleep(0.03)
    assert fired
    assert not deadline.running


async def test_what_is_no_request_is_refused_as_a_problem(place: Place):
    reader, writer = await place.open()
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n")
    head, _, body = (await ended(reader)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["title"] == "Not a request"
    writer.close()


async def test_a_flood_of_pings_is_closed_4429_and_the_rest_is_not_answered(
    place: Place,
):
    sockets = place.app.state.sockets
    most = sockets.pings_per_second = 20
    reader, writer = await place.open()
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(PING * 400)
    said = await ended(reader)
    writer.close()
    assert said.count(b"\x8a\x7d") == most  # as many as it may are answered
    assert f"more than {most} pings in a second".encode() in said
    assert said.endswith((4429).to_bytes(2, "big") + b"too fast")
    (counted,) = sockets.metrics.refused.collect()
    assert next(s.labels for s in counted.samples if s.value == 1) == {"reason": FAST}
