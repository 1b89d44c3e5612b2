"""The device sockets of this process: how many, which must go, and the last drain."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from app.service.metrics import Metrics
from app.service.streams.commit import GroupCommit
from app.service.streams.connection import Connection
from app.service.streams.fleet import Fleet
from app.service.streams.ingest import Ingest
from app.service.streams.load import Load
from app.store import devices, keys
from app.wire import closes
from app.wire.actions import Limits

KEY_CHECK_SECONDS = 5.0
"""A revoked key's socket is closed within twice that."""

CHECKED_AT_ONCE = 1000
"""Connections; the event loop turns between them."""

PINGS_PER_SECOND = 100
"""A device that wants to know whether the line holds asks every few seconds."""

LAST_WORDS_SECONDS = 1.5
"""Which a closed device has to close, too; and which the last commit has."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a device may take, in seconds.

    `hello` until its first message, `idle` between two of them, `message` for one that
    has begun (`receipt.Deadline`).
    """

    hello: float
    idle: float
    message: float


@dataclass(slots=True, eq=False)
class Sockets:
    """The device connections of this process."""

    ingest: Ingest
    commit: GroupCommit
    metrics: Metrics
    fleet: Fleet
    load: Load
    limits: Limits
    window: int
    patience: Patience
    per_key: int
    per_second: int
    pings_per_second: int = PINGS_PER_SECOND
    open: dict[Connection, str] = field(default_factory=dict)
    of_device: dict[str, set[Connection]] = field(default_factory=dict)
    of_key: Counter[str] = field(default_factory=Counter)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    draining: bool = False

    def newest(self, device: str, connection: int) -> None:
        """Hear which connection of a device is its newest; older ones close."""
        for one in tuple(self.of_device.get(device, ())):
            one.yield_to(connection)

    def enter(self, connection: Connection, key_id: str) -> None:
        """Count a connection in."""
        self.open[connection] = key_id
        self.of_key[key_id] += 1
        self.of_device.setdefault(connection.device, set()).add(connection)
        self.empty.clear()
        self.metrics.connections.inc()

    def leave(self, connection: Connection) -> None:
        """Count it out."""
        key_id = self.open.pop(connection)
        self.of_key[key_id] -= 1
        if not self.of_key[key_id]:
            del self.of_key[key_id]
        siblings = self.of_device[connection.device]
        siblings.discard(connection)
        if not siblings:
            del self.of_device[connection.device]
        if not self.open:
            self.empty.set()
        self.metrics.connections.dec()
        connection.leave()
        if connection.close is not None:
            self.metrics.closes.labels(str(connection.close.code)).inc()

    async def expel(self, engine: AsyncEngine) -> None:
        """Close sockets whose key is no longer good, or whose device is paused."""
        while True:
            await asyncio.sleep(KEY_CHECK_SECONDS)
            present = list(self.open.items())
            for at in range(0, len(present), CHECKED_AT_ONCE):
                some = dict(present[at : at + CHECKED_AT_ONCE])
                async with engine.begin() as conn:
                    gone = await keys.unusable(conn, set(filter(None, some.values())))
                    held = await devices.paused(conn, [c.device for c in some])
                for connection, key in some.items():
                    if key in gone:
                        connection.end(closes.UNAUTHENTICATED, "the key is revoked")
                for device, why in held.items():
                    self.pause(device, why)

    def pause(self, device: str, why: str) -> None:
        """Close what a device has open here; new ones are closed by `Ingest`."""
        for connection in tuple(self.of_device.get(device, ())):
            connection.end(closes.PAUSED, f"the device is paused: {why}")

    async def drain(self, seconds: float) -> None:
        """Make everything durable, acknowledge it, close 1012, and take the last words.

        What a device had on the line when it was closed is read until it closes, too,
        and made durable: its next welcome says so, and it has nothing to send again.
        """
        self.draining = True
        connections = list(self.open)
        if not connections:
            self.empty.set()
        for connection in connections:
            connection.pause()
        durable = False
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds - LAST_WORDS_SECONDS):
                await self.commit.drained()
                durable = True
        for connection in tuple(self.open):
            if durable:
                connection.restart()
            else:  # the database is away: whatever came would be sent again anyway
                connection.end(closes.RESTART, "the service restarts: come back")
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self.empty.wait()
        if durable:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_SECONDS):
                    await self.commit.drained()
