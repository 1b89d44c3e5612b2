"""An MQTT 3.1.1 broker, as much of it as a bridge meets: sessions, QoS 0 and 1.

A broker that is written in Python, amqtt, pins another version of websockets than
Onset's, so this one stands in.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
DUP = 8


@dataclass
class Session:
    """What is kept of a client while it is away."""

    writer: asyncio.StreamWriter | None = None
    filters: list[tuple[str, int]] = field(default_factory=list)
    unacknowledged: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    acknowledged: list[int] = field(default_factory=list)
    number: int = 0


class Broker:
    """Takes connections on a port of its own."""

    def __init__(self, password: str | None = None) -> None:
        self.sessions: dict[str, Session] = {}
        self.published: list[tuple[str, bytes]] = []
        self.port = 0
        self._password = password
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"mqtt://bridge@127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        for name in self.sessions:
            self.cut(name)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def cut(self, client: str) -> None:
        """Break a client's line; what it has not acknowledged is delivered again."""
        session = self.sessions[client]
        if session.writer is not None:
            session.writer.transport.abort()
            session.writer = None

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Deliver to everybody who subscribed, now or when they come back."""
        for session in self.sessions.values():
            wanted = [q for f, q in session.filters if _fits(f, topic)]
            if not wanted:
                continue
            if min(qos, max(wanted)) == 0:
                self._send(session, PUBLISH << 4, _text(topic) + payload)
                continue
            session.number = session.number % 65535 + 1
            session.unacknowledged[session.number] = topic, payload
            self._deliver(session, session.number, 0)

    def _deliver(self, session: Session, number: int, dup: int) -> None:
        topic, payload = session.unacknowledged[number]
        body = _text(topic) + struct.pack("!H", number) + payload
        self._send(session, PUBLISH << 4 | 2 | dup, body)

    def _send(self, session: Session, head: int, body: bytes) -> None:
        if session.writer is not None:
            session.writer.write(_packet(head, body))

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            _, body = await _read(reader)
            client, password = _who(body)
            if self._password is not None and password != self._password:
                writer.write(_packet(CONNACK << 4, b"\0\x05"))
                await writer.drain()
                writer.close()
                return
            known = client in self.sessions
            session = self.sessions.setdefault(client, Session())
            session.writer = writer
            writer.write(_packet(CONNACK << 4, bytes([known, 0])))
            for number in session.unacknowledged:
                self._deliver(session, number, DUP)
            while True:
                await self._hear(session, *await _read(reader))
        writer.close()

    async def _hear(self, session: Session, head: int, body: bytes) -> None:
        kind = head >> 4
        if kind == PUBLISH:
            length = struct.unpack_from("!H", body)[0]
            topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
            if head >> 1 & 3:
                self._send(session, PUBACK << 4, rest[:2])
                rest = rest[2:]
            self.published.append((topic, rest))
            self.publish(topic, rest, head >> 1 & 3)
        elif kind == PUBACK:
            (number,) = struct.unpack("!H", body)
            session.acknowledged.append(number)
            session.unacknowledged.pop(number, None)
        elif kind == SUBSCRIBE:
            length = struct.unpack_from("!H", body, 2)[0]
            wanted = body[4 : 4 + length].decode(), body[4 + length]
            session.filters.append(wanted)
            self._send(session, SUBACK << 4, body[:2] + bytes([wanted[1]]))
        elif kind == PINGREQ:
            self._send(session, PINGRESP << 4, b"")
        elif kind == DISCONNECT:
            session.writer = None


def _fits(wanted: str, topic: str) -> bool:
    levels, named = wanted.split("/"), topic.split("/")
    return len(levels) == len(named) and all(
        level in ("+", name) for level, name in zip(levels, named, strict=True)
    )


def _who(body: bytes) -> tuple[str, str]:
    """Read the client's name and password of a CONNECT."""
    flags, texts, at = body[7], [], 10
    while at < len(body):
        length = struct.unpack_from("!H", body, at)[0]
        texts.append(body[at + 2 : at + 2 + length].decode())
        at += 2 + length
    return texts[0], texts[-1] if flags & 0x40 else ""


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text)) + text.encode()


def _packet(head: int, body: bytes) -> bytes:
    length, n = bytearray(), len(body)
    while True:
        n, digit = n >> 7, n & 127
        length.append(digit | (128 if n else 0))
        if not n:
            return bytes([head]) + length + body


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 127) << shift
        shift += 7
        if not digit & 128:
            return head, await reader.readexactly(length)


@asynccontextmanager
async def running(password: str | None = None) -> AsyncIterator[Broker]:
    broker = Broker(password)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()
