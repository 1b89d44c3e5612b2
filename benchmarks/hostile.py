"""When hundreds of slow peers are closed, and whether good devices notice them.

    python -m benchmarks.hostile [--peers 400] [--devices 50]

Good devices send ten messages a second, first alone, then beside the peers of one kind
after another: those that connect and say nothing, that send a request byte by byte,
that are upgraded and never say hello, that say hello and then send a frame byte by
byte, send half a message in whole frames, say nothing more, or never read what they are
told.  What is printed: when the last of each kind was closed, and the good devices'
acknowledgements beside and without them.  A device may be silent for 90 s by default;
here for ten, so that the last two kinds are seen to end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import time

import numpy as np
import uvloop

from benchmarks.connections import Line, Tally, frame
from benchmarks.fleet import register
from benchmarks.place import Place, place
from benchmarks.soak import descriptors

ALONE_SECONDS = 10.0
PATIENCE_SECONDS = 30.0
SOURCES = 40
"""Loopback addresses that the peers come from."""
TRICKLE_SECONDS = 1.0
IDLE_SECONDS = "10"
POOL = 8
"""Connections to the database that the service may have opened meanwhile."""


class Peer(asyncio.Protocol):
    """A peer that says very little."""

    hears = True
    """Whether it is told that it was closed; else the service is looked at."""

    def __init__(self, key: str, device: str) -> None:
        self.key, self.device = key, device
        self.transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.began = time.perf_counter()
        self.upgraded = False
        self.said = b""

    def connection_made(self, transport) -> None:
        """Begin."""
        self.transport = transport
        self.begin()

    def begin(self) -> None:
        """Say nothing."""

    def head(self) -> bytes:
        """Make a request for the upgrade."""
        return (
            f"GET /devices/{self.device}/stream HTTP/1.1\r\nHost: here\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {self.key}\r\n\r\n"
        ).encode()

    def data_received(self, data: bytes) -> None:
        """Hear the answer."""
        if not self.upgraded and b" 101 " in data:
            self.upgraded = True
            self.began = time.perf_counter()
            self.welcome()
        elif data[:1] == b"\x88" and not self.closed.done():
            self.closed.set_result(time.perf_counter() - self.began)

    def welcome(self) -> None:
        """Be upgraded."""

    def write(self, data: bytes) -> None:
        """Send."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def trickle(self, data: bytes) -> None:
        """Send byte by byte."""
        if self.transport is None or self.transport.is_closing() or not data:
            return
        self.write(data[:1])
        asyncio.get_running_loop().call_later(TRICKLE_SECONDS, self.trickle, data[1:])

    def connection_lost(self, exc: Exception | None) -> None:
        """Be closed."""
        if not self.closed.done():
            self.closed.set_result(time.perf_counter() - self.began)


class SlowHead(Peer):
    """Sends its request byte by byte."""

    def begin(self) -> None:
        """Begin the request."""
        self.trickle(self.head())


class NoHello(Peer):
    """Is upgraded and says nothing."""

    def begin(self) -> None:
        """Ask for the upgrade."""
        self.write(self.head())


class SlowFrame(NoHello):
    """Says hello, then a frame byte by byte."""

    def welcome(self) -> None:
        """Say hello and begin a frame."""
        hello = {"type": "hello", "boot": str(id(self))}
        self.write(frame(1, json.dumps(hello).encode()))
        message = {"type": "readings", "seq": 1, "values": [[1, 2, 3]] * 5}
        self.trickle(frame(1, json.dumps(message).encode()))


class HalfMessage(NoHello):
    """Says hello, then one part after another of a message that never ends."""

    def welcome(self) -> None:
        """Say hello and begin a message."""
        hello = {"type": "hello", "boot": str(id(self))}
        self.write(frame(1, json.dumps(hello).encode()))
        self.write(b"\x01" + frame(1, b'{"type":')[1:])
        self.go_on()

    def go_on(self) -> None:
        """Send another part."""
        if self.transport is not None and not self.transport.is_closing():
            self.write(b"\x00" + frame(1, b" ")[1:])
            asyncio.get_running_loop().call_later(TRICKLE_SECONDS, self.go_on)


class HalfBody(Peer):
    """Sends a request whose body never comes."""

    def begin(self) -> None:
        """Send the head and a byte."""
        self.write(
            b"POST /classify HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n"
            b"Content-Type: application/json\r\n"
            b"Authorization: Bearer " + self.key.encode() + b"\r\n\r\n{"
        )


class Gone(NoHello):
    """Says hello and nothing more, nor answers a close."""

    def welcome(self) -> None:
        """Say hello."""
        hello = {"type": "hello", "boot": str(id(self))}
        self.write(frame(1, json.dumps(hello).encode()))


class NeverReading(Gone):
    """Says hello, asks and asks, and takes no answer."""

    hears = False

    def welcome(self) -> None:
        """Say hello and stop reading."""
        super().welcome()
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.transport.pause_reading()
        self.go_on(2000)

    def go_on(self, count: int) -> None:
        """Ask for more answers than the peer's kernel takes."""
        if self.transport is None or self.transport.is_closing():
            return
        self.write(frame(9, bytes(125)) * count)
        asyncio.get_running_loop().call_later(TRICKLE_SECONDS, self.go_on, 0)


KINDS: dict[str, type[Peer]] = {
    "silent": Peer,
    "request byte by byte": SlowHead,
    "no hello": NoHello,
    "frame byte by byte": SlowFrame,
    "half a body": HalfBody,
    "half a message": HalfMessage,
    "hello, then gone": Gone,
    "never reading": NeverReading,
}


async def send(lines: list[Line], stop: asyncio.Event) -> None:
    """Let good devices send ten messages a second each."""
    while not stop.is_set():
        began = time.perf_counter()
        for i, line in enumerate(lines):
            line.reading()
            if i % 10 == 9:
                await asyncio.sleep(0)
        await asyncio.sleep(max(0.0, 0.1 - (time.perf_counter() - began)))


async def besiege(where: Place, kind, pairs, count: int) -> list[float]:
    """Open peers of one kind; return after how many seconds each was closed."""
    loop = asyncio.get_running_loop()
    before, began = descriptors(where.service.pid), time.perf_counter()
    peers = [
        kind(pairs[i % len(pairs)][1], pairs[i % len(pairs)][0]) for i in range(count)
    ]
    for i, peer in enumerate(peers):
        source = (f"127.0.0.{10 + i % SOURCES}", 0)
        peer.began = time.perf_counter()
        await loop.create_connection(
            lambda peer=peer: peer, "127.0.0.1", where.port, local_addr=source
        )
    while not kind.hears and time.perf_counter() - began < PATIENCE_SECONDS:
        await asyncio.sleep(0.1)
        if descriptors(where.service.pid) <= before + POOL:
            return [time.perf_counter() - began] * count
    await asyncio.wait([p.closed for p in peers], timeout=PATIENCE_SECONDS)
    took = [p.closed.result() if p.closed.done() else np.inf for p in peers]
    for peer in peers:
        if peer.transport is not None:
            peer.transport.abort()
    return took


async def measure(
    where: Place, count: int, devices: int, seconds: float, only: str
) -> bool:
    """Print the table."""
    loop = asyncio.get_running_loop()
    names = [f"good{i}" for i in range(devices)] + [f"bad{i}" for i in range(count)]
    keys = await asyncio.to_thread(register, where, names, "hostile")
    tally = Tally()
    lines = [Line(n, keys[n], tally, "b") for n in names[:devices]]
    for line in lines:
        await loop.create_connection(lambda line=line: line, "127.0.0.1", where.port)
        await line.welcome
    stop = asyncio.Event()
    sending = asyncio.ensure_future(send(lines, stop))

    async def alone() -> float:
        tally.waits.clear()
        await asyncio.sleep(seconds)
        return float(np.percentile(tally.waits, 99))

    await alone()
    pairs = [(n, keys[n]) for n in names[devices:]]
    right = True
    print("| peers | closed: median, last | ack p99 without, beside | change |")
    print("| --- | --- | --- | --- |")
    for name, kind in KINDS.items():
        if only not in name:
            continue
        without = await alone()
        tally.waits.clear()
        began = time.perf_counter()
        took = await besiege(where, kind, pairs, count)
        # no shorter than without them, though they are closed at once
        await asyncio.sleep(max(0.0, began + seconds - time.perf_counter()))
        beside = float(np.percentile(tally.waits, 99))
        change = beside / without - 1
        print(
            f"| {count} x {name} | {np.median(took):.1f} s, {max(took):.1f} s | "
            f"{without:.3f} s, {beside:.3f} s | {change:+.0%} |",
            flush=True,
        )
        right = right and max(took) <= 15 and change <= 0.2
    stop.set()
    await sending
    print(f"good devices that were closed: {dict(tally.closes) or 'none'}")
    return right and not tally.closes


def main() -> None:
    """Start everything, besiege it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=int, default=400)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=ALONE_SECONDS)
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    asked = parser.parse_args()
    with place(ONSET_IDLE_TIMEOUT_SECONDS=IDLE_SECONDS) as where:
        right = uvloop.run(
            measure(where, asked.peers, asked.devices, asked.seconds, asked.only)
        )
    raise SystemExit(not right)


if __name__ == "__main__":
    main()
