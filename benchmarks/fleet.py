"""Devices that lose nothing on their side, for benchmarks of what the service loses.

Each keeps its readings, sends them in pieces of random size, goes on from what was
acknowledged after every break, and knows when an acknowledgement is new.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np

from benchmarks.connections import Line, Tally, frame
from benchmarks.place import KEY, Place

CHANNELS = ("x", "y", "z")
RATE_HZ = 50
DIGITS = 4
"""As many decimals are sent: they name each float32 exactly."""
WELCOME_SECONDS = 10.0
BACKOFF_SECONDS = (0.05, 0.3)


@dataclass
class Ledger:
    """What happened to a whole fleet."""

    acks: list[tuple[float, str]] = field(default_factory=list)
    """When something new was acknowledged, and to whom."""
    connections: int = 0
    zombies: int = 0
    zombie_messages: int = 0
    closes: Counter[str] = field(default_factory=Counter)
    replayed: int = 0


def readings(n: int, seed: int) -> np.ndarray:
    """Make a stream of bursts and rest, float32 (n, 3)."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.1, (n, len(CHANNELS)))
    at = 300
    while at < n - 200:
        length = int(rng.integers(50, 160))
        values[at : at + length] += rng.normal(0, 2, (length, len(CHANNELS)))
        at += length + int(rng.integers(120, 400))
    return values.round(DIGITS).astype(np.float32)


class Socket(Line):
    """A connection of a device."""

    def __init__(self, device: Device, port: int) -> None:
        super().__init__(device.name, device.key, Tally(), device.boot)
        self.owner, self.port = device, port
        self.lost = asyncio.get_running_loop().create_future()
        self.next = 0

    def take(self, kind: int, body: bytes) -> None:
        """Take what the server says."""
        if kind == 8:
            code = int.from_bytes(body[:2], "big")
            self.owner.ledger.closes[str(code)] += 1
            if self.transport is not None:  # as RFC 6455 wants it
                self.transport.write(frame(8, body[:2]))
                self.transport.close()
            self.gone()
        elif kind == 9 and self.transport is not None:
            super().take(kind, body)
        elif kind == 1:
            said = json.loads(body)
            if said["type"] == "welcome":
                self.next = said["ack"]
                self.owner.heard(said["ack"], self, welcome=True)
                if not self.welcome.done():
                    self.welcome.set_result(True)
            elif said["type"] == "ack":
                self.owner.heard(said["ack"], self)

    def gone(self) -> None:
        """Hear that nothing more comes."""
        if not self.welcome.done():
            self.welcome.set_result(False)
        if not self.lost.done():
            self.lost.set_result(None)

    def fail(self, why: str) -> None:
        """Note why a connection is none."""
        self.owner.ledger.closes[why] += 1
        self.gone()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is gone."""
        self.gone()

    def piece(self, values: np.ndarray) -> None:
        """Send the next readings."""
        self.send(
            {
                "type": "readings",
                "seq": self.next + 1,
                "values": values.astype(float).round(DIGITS).tolist(),
            }
        )
        self.next += len(values)


class Device:
    """One device with all that it will ever send.

    Parameters
    ----------
    pace : float, seconds
        Longest pause between two messages; 0: none.
    zombie_share : float, 0..1
        How often a message is followed by a reconnect that leaves the old socket open,
        which goes on talking beside the new one.
    """

    def __init__(
        self,
        name: str,
        key: str,
        values: np.ndarray,
        ledger: Ledger,
        *,
        boot: str = "b",
        pace: float = 0.0,
        zombie_share: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.name, self.key, self.boot = name, key, boot
        self.values = values
        self.ledger = ledger
        self.acked = 0
        self.pace = pace
        self.zombie_share = zombie_share
        self.random = random.Random(f"{name}/{seed}")
        self.sent = 0
        self.socket: Socket | None = None
        self._old: list[Socket] = []
        self._moved = asyncio.Event()

    def heard(self, ack: int, socket: Socket, welcome: bool = False) -> None:
        """Take an acknowledgement."""
        if ack > self.acked:
            if not welcome:
                self.ledger.acks.append((time.perf_counter(), self.name))
            self.acked = ack
            self._moved.set()
        elif welcome and ack < self.acked:
            raise SystemExit(f"{self.name}: {self.acked} was acknowledged, now {ack}")

    @property
    def done(self) -> bool:
        """Whether everything is acknowledged."""
        return self.acked >= len(self.values)

    async def run(self, ports: Sequence[int]) -> None:
        """Send everything, over whichever port takes it, until it is acknowledged."""
        while not self.done:
            self._haunt()
            socket = await self._connect(self.random.choice(ports))
            if socket is None:
                await asyncio.sleep(self.random.uniform(*BACKOFF_SECONDS))
                continue
            self._haunt()
            await self._send(socket)
        for old in self._old:
            if old.transport is not None:
                old.transport.abort()

    async def _connect(self, port: int) -> Socket | None:
        socket = Socket(self, port)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: socket, "127.0.0.1", port
            )
            async with asyncio.timeout(WELCOME_SECONDS):
                welcome = await socket.welcome
        except (OSError, TimeoutError):
            welcome = False
        if not welcome:
            if socket.transport is not None:
                socket.transport.abort()
            return None
        self.ledger.connections += 1
        self.ledger.replayed += max(0, self.sent - socket.next)
        self.socket = socket
        return socket

    async def _send(self, socket: Socket) -> None:
        values = self.values
        while socket.next < len(values):
            if socket.lost.done():
                return
            n = self.random.randint(1, 60)
            socket.piece(values[socket.next : socket.next + n])
            self.sent = max(self.sent, socket.next)
            await asyncio.sleep(self.random.uniform(0, self.pace))
            if socket.next - self.acked > 2000:
                await self._acknowledged(socket, socket.next - 1000)
            if self.random.random() < self.zombie_share:
                self._old.append(socket)
                self.ledger.zombies += 1
                return
        await self._acknowledged(socket, len(values))

    async def _acknowledged(self, socket: Socket, seq: int) -> None:
        """Wait until `seq` is acknowledged, or the line is lost."""
        while self.acked < seq and not socket.lost.done():
            self._moved.clear()
            moved = asyncio.ensure_future(self._moved.wait())
            await asyncio.wait([moved, socket.lost], return_when="FIRST_COMPLETED")
            moved.cancel()

    def _haunt(self) -> None:
        """Let old sockets go on talking, as if they still were the device's."""
        for old in self._old:
            if old.transport is not None and not old.lost.done():
                old.piece(self.values[old.next : old.next + 3])
                self.ledger.zombie_messages += 1
        while len(self._old) > 3:
            old = self._old.pop(0)
            if old.transport is not None:
                old.transport.abort()


def register(where: Place, names: Sequence[str], profile: str, **more: object) -> dict:
    """Register a profile and devices; return their keys."""
    access = {"Authorization": f"Bearer {KEY}"}
    body = {"channels": [{"name": c} for c in CHANNELS], "rate_hz": RATE_HZ, **more}
    with httpx.Client(
        base_url=where.url, headers=access, trust_env=False, timeout=30
    ) as api:
        api.put(f"/profiles/{profile}", json=body).raise_for_status()
        keys = {}
        for name in names:
            api.put(f"/devices/{name}", json={"profile": profile}).raise_for_status()
            made = api.post(f"/devices/{name}/keys", json={}).raise_for_status()
            keys[name] = made.json()["key"]
    return keys
