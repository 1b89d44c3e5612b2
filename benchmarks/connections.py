"""Thousands of devices on one worker: opening, acknowledging, coming back.

    python -m benchmarks.connections [--devices 10000] [--rate 1000] [--seconds 30]

Every device has a key of its own.  All connect as fast as they can; then messages of
one reading are sent at a steady rate, evenly over the devices, and the time from a
message to the acknowledgement that covers it is taken; then all connections are cut and
come back at once.  The client is one process of plain sockets on the same machine: what
it costs is in the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import random
import struct
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import httpx
import numpy as np
import psycopg
import uvloop

from benchmarks.place import KEY, Place, place

AT_ONCE = 1000
IDLE_SECONDS = 10.0
SETTLING_SECONDS = 15.0
"""In which a process that has just begun gets its other kernels ready."""
SOURCES = 4
"""Loopback addresses to connect from, so that ports do not run out."""


@dataclass
class Tally:
    """What happened to all connections."""

    waits: list[float] = field(default_factory=list)
    closes: Counter[str] = field(default_factory=Counter)
    acks: int = 0


class Line(asyncio.Protocol):
    """One device's connection."""

    protocol = "onset.v1.json"

    def __init__(self, device: str, key: str, tally: Tally, boot: str) -> None:
        self.device, self.key, self.tally, self.boot = device, key, tally, boot
        self.buffer = b""
        self.upgraded = False
        self.seq = 1
        self.sent: deque[tuple[int, float]] = deque()
        self.transport: asyncio.WriteTransport | None = None
        self.welcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        """Ask for the upgrade."""
        self.transport = transport
        token = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /devices/{self.device}/stream HTTP/1.1\r\nHost: here\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {token}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Sec-WebSocket-Protocol: {self.protocol}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take frames apart."""
        self.buffer += data
        if not self.upgraded:
            if b"\r\n\r\n" not in self.buffer:
                return
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            if b" 101 " not in head[:20]:
                self.fail(head[9:30].decode())
                return
            self.upgraded = True
            self.send({"type": "hello", "boot": self.boot})
        while len(self.buffer) >= 2:
            kind, size, at = self.buffer[0] & 15, self.buffer[1] & 127, 2
            if size == 126:
                if len(self.buffer) < 4:
                    return
                size, at = struct.unpack(">H", self.buffer[2:4])[0], 4
            if len(self.buffer) < at + size:
                return
            body, self.buffer = self.buffer[at : at + size], self.buffer[at + size :]
            self.take(kind, body)

    def take(self, kind: int, body: bytes) -> None:
        """Take a frame."""
        if kind == 9 and self.transport is not None:
            self.transport.write(frame(10, body))
        elif kind == 8:
            self.fail(f"closed {int.from_bytes(body[:2], 'big')}")
        elif kind == 1:
            said = json.loads(body)
            if said["type"] == "welcome":
                self.seq = said["ack"] + 1
                if not self.welcome.done():
                    self.welcome.set_result(True)
            elif said["type"] == "ack":
                self.tally.acks += 1
                now = time.perf_counter()
                while self.sent and self.sent[0][0] <= said["ack"]:
                    self.tally.waits.append(now - self.sent.popleft()[1])

    def send(self, message: dict) -> None:
        """Send a message."""
        if self.transport is not None:
            self.transport.write(frame(1, json.dumps(message).encode()))

    def reading(self) -> None:
        """Send one reading."""
        self.sent.append((self.seq, time.perf_counter()))
        values = [[0.1, -0.2, random.random()]]
        self.send({"type": "readings", "seq": self.seq, "values": values})
        self.seq += 1

    def fail(self, why: str) -> None:
        """Note why a connection is none."""
        self.tally.closes[why] += 1
        if not self.welcome.done():
            self.welcome.set_result(False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is gone."""
        if not self.welcome.done():
            self.fail("lost before the welcome")


def frame(kind: int, body: bytes) -> bytes:
    """Make a masked frame."""
    size = len(body)
    head = bytes([0x80 | kind])
    head += bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    mask = os.urandom(4)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    masked = (key ^ int.from_bytes(body, "big")).to_bytes(size, "big")
    return head + mask + masked


def prepare(where: Place, count: int, rate_hz: float = 10) -> list[tuple[str, str]]:
    """Register the devices, each with a key; return names and keys."""
    access = {"Authorization": f"Bearer {KEY}"}
    profile = {"channels": [{"name": c} for c in "xyz"], "rate_hz": rate_hz}
    httpx.put(
        f"{where.url}/profiles/many", json=profile, headers=access, trust_env=False
    ).raise_for_status()
    pairs = [(f"d{i}", f"ons_{i:08d}_{'k' * 36}") for i in range(count)]
    with psycopg.connect(where.database) as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO devices (id, profile) VALUES (%s, 'many')",
            [(d,) for d, _ in pairs],
        )
        cursor.executemany(
            "INSERT INTO api_keys (id, sha256, role, name, device) "
            "VALUES (%s, %s, 'device', '', %s)",
            [
                (key.split("_")[1], hashlib.sha256(key.encode()).digest(), device)
                for device, key in pairs
            ],
        )
    return pairs


async def connect(
    where: Place, pairs: list[tuple[str, str]], tally: Tally
) -> tuple[list[Line], float]:
    """Open a connection of every device; return those that were welcomed, and when."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(AT_ONCE)
    began = time.perf_counter()

    async def one(i: int, device: str, key: str) -> Line:
        async with gate:
            source = (f"127.0.0.{1 + i % SOURCES}", 0)
            line = Line(device, key, tally, "b")
            try:
                await loop.create_connection(
                    lambda: line, "127.0.0.1", where.port, local_addr=source
                )
            except OSError as error:
                line.fail(type(error).__name__)
            await line.welcome
            return line

    lines = await asyncio.gather(*(one(i, d, k) for i, (d, k) in enumerate(pairs)))
    took = time.perf_counter() - began
    return [line for line in lines if line.welcome.result()], took


async def idle(where: Place) -> float:
    """Return the share of a processor that the service takes while nobody asks."""
    before = where.cpu_seconds()
    await asyncio.sleep(IDLE_SECONDS)
    return (where.cpu_seconds() - before) / IDLE_SECONDS


async def measure(where: Place, devices: int, rate: float, seconds: float) -> None:
    """Print the table."""
    pairs = prepare(where, devices)
    tally = Tally()
    await asyncio.sleep(SETTLING_SECONDS)
    alone = await idle(where)
    before, cpu = where.memory(), where.cpu_seconds()
    lines, took = await connect(where, pairs, tally)
    each = (where.memory() - before) / max(len(lines), 1) / 1024
    cpu = (where.cpu_seconds() - cpu) / devices * 1e3
    print(
        f"opened {len(lines)} of {devices} in {took:.1f} s, {each:.1f} KiB each, "
        f"{cpu:.2f} ms of the service's processor each"
    )
    await asyncio.sleep(2)
    quiet = await idle(where)
    print(f"processor while nobody sends: {quiet:.2%}, without sockets {alone:.2%}")
    began, cpu, sent = time.perf_counter(), where.cpu_seconds(), 0
    while (passed := time.perf_counter() - began) < seconds:
        for _ in range(int(passed * rate) - sent):
            lines[sent % len(lines)].reading()
            sent += 1
        await asyncio.sleep(0.005)
    cpu = (where.cpu_seconds() - cpu) / seconds
    await asyncio.sleep(3)
    p50, p99 = np.percentile(tally.waits, [50, 99]) if tally.waits else (0, 0)
    print(
        f"{sent} messages, {len(tally.waits)} acknowledged, ack p50 {p50:.3f} s, "
        f"p99 {p99:.3f} s, max {max(tally.waits, default=0):.3f} s, "
        f"processor {cpu:.0%}"
    )
    each = (where.memory() - before) / max(len(lines), 1) / 1024
    print(f"then {each:.1f} KiB each")
    for line in lines:
        if line.transport is not None:
            line.transport.abort()
    lines, took = await connect(where, pairs, tally)
    print(f"all cut: {len(lines)} of {devices} back in {took:.1f} s")
    print(f"refused or dropped: {dict(tally.closes) or 'none'}")


def main() -> None:
    """Start everything, measure, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    asked = parser.parse_args()
    with place() as where:
        uvloop.run(measure(where, asked.devices, asked.rate, asked.seconds))


if __name__ == "__main__":
    main()
