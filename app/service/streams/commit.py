"""The group commit: many streams' consequences in one transaction, then their acks.

Every tick takes the streams that are due, makes one `StreamCommit` of each and
commits them together.  A stream that has rested is due at once; one that goes on is
checkpointed once an interval, so that its messages share the cost of a commit.

A commit whose reply was lost is done again, unchanged: the store's compare-and-set on
the watermark makes that a no-op.  Nothing is acknowledged before the commit; while the
database is away the batch waits, the streams' windows fill, their sockets are not read,
and memory stays bounded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

import structlog
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Event
from app.service.metrics import Metrics
from app.store import streams
from app.store.streams import StreamCommit

log = structlog.get_logger()

MAX_STREAMS = 500
"""Streams in one transaction: 500 keep it near 50 ms."""
COMMIT_TIMEOUT_SECONDS = 15.0
SLOW_SECONDS = 3.0
"""A commit that takes longer is told to the load balancer."""
RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)


class Committable(Protocol):
    """A stream as the group commit sees it."""

    rests_until: float
    """When its next checkpoint is due, by the group commit's clock."""
    urgent: bool

    def snapshot(self) -> StreamCommit:
        """Hand over what is to be made durable now."""

    def committed(self, watermark: int, events: Sequence[Event]) -> None:
        """Hear that a snapshot is durable."""

    def superseded(self) -> None:
        """Hear that another connection owns the stream."""

    def refused(self, reason: str) -> None:
        """Hear that the store will never take this snapshot."""


Batch = Sequence[tuple[Committable, StreamCommit]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to commit.

    Parameters
    ----------
    tick_seconds : float
        Shortest time between two commits.
    ack_seconds : float
        Time between two checkpoints of a stream, so the longest that it waits for one.
    eager : int
        Streams committed at each tick although their time has not come.
    """

    tick_seconds: float = 0.05
    ack_seconds: float = 0.5
    eager: int = 16


class GroupCommit:
    """Commits dirty streams together, oldest first, urgent ones at once."""

    def __init__(self, engine: AsyncEngine, metrics: Metrics, pace: Pace) -> None:
        self._engine = engine
        self._metrics = metrics
        self._pace = pace
        self._dirty: dict[Committable, None] = {}
        self._work = asyncio.Event()
        self._hurry = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._away_since: float | None = None
        self._trying_since: float | None = None

    def problem(self) -> str | None:
        """Say why nothing is acknowledged at present, None when all is well."""
        if self._away_since is not None:
            return "database: commits fail, nothing is acknowledged"
        since = self._trying_since
        if since is not None and time.monotonic() - since > SLOW_SECONDS:
            return "database: a commit gets no answer, nothing is acknowledged"
        return None

    def touch(self, stream: Committable, *, urgent: bool = False) -> None:
        """Say that a stream has something to commit."""
        if stream not in self._dirty:
            self._dirty[stream] = None
            self._idle.clear()
            self._work.set()
        stream.urgent = stream.urgent or urgent

    def forget(self, stream: Committable) -> None:
        """Commit nothing of a stream, whose state is broken."""
        self._dirty.pop(stream, None)

    async def drained(self) -> None:
        """Commit everything now and wait until it is durable."""
        self._hurry = True
        try:
            await self._idle.wait()
        finally:
            self._hurry = False

    async def run(self) -> None:
        """Commit for ever; cancel to stop."""
        while True:
            await self._work.wait()
            batch = self._due(time.monotonic())
            if batch:
                await self._commit(batch)
            self._metrics.pending_streams.set(len(self._dirty))
            if not self._dirty:
                self._work.clear()
                self._idle.set()
            await asyncio.sleep(self._pace.tick_seconds)

    def _due(self, now: float) -> list[Committable]:
        dirty, eager = self._dirty, self._pace.eager
        urgent = [s for s in dirty if s.urgent]
        due = dirty if self._hurry else [s for s in dirty if s.rests_until <= now]
        each_once = dict.fromkeys(chain(urgent, due, islice(dirty, eager)))
        batch = list(islice(each_once, MAX_STREAMS))
        for stream in batch:
            del dirty[stream]
            stream.urgent = False
            stream.rests_until = now + self._pace.ack_seconds
        return batch

    async def _commit(self, batch: Sequence[Committable]) -> None:
        owners: dict[tuple[str, str], tuple[Committable, StreamCommit]] = {}
        for stream in batch:
            try:
                commit = stream.snapshot()
            except Exception:
                log.exception("snapshot_failed")  # of this stream; the others go on
                stream.refused("its state cannot be written")
                continue
            key = (commit.device, commit.boot)
            rival = owners.get(key)
            if rival is None:
                owners[key] = stream, commit
                continue
            # Two connections of this process had the same stream: the later one has.
            if rival[1].generation < commit.generation:
                owners[key] = stream, commit
                stream = rival[0]
            self._lose(stream)
        await self._persist(list(owners.values()))

    def _lose(self, stream: Committable) -> None:
        self._metrics.superseded.inc()
        stream.superseded()

    async def _persist(self, batch: Batch) -> None:
        """Store the batch, again and again while the store is away."""
        tries = 0
        while True:
            self._trying_since = time.monotonic()
            try:
                with self._metrics.commit_seconds.time():
                    async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                        commits = [commit for _, commit in batch]
                        accepted = await streams.persist(self._engine, commits)
            except (IntegrityError, DataError, ProgrammingError, ValueError) as error:
                await self._one_by_one(batch, error)
                return
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                await self._wait(tries, error)
                tries += 1
            else:
                break
        self._away_since = self._trying_since = None
        self._metrics.commits.inc()
        for stream, commit in batch:
            if (commit.device, commit.boot, commit.generation) in accepted:
                self._metrics.events_stored.inc(len(commit.events))
                stream.committed(commit.new, commit.events)
            else:
                self._lose(stream)

    async def _one_by_one(self, batch: Batch, error: Exception) -> None:
        """Find the stream whose data the store refuses; the others go on."""
        if len(batch) > 1:
            for one in batch:
                await self._persist([one])
            return
        self._away_since = self._trying_since = None
        ((stream, commit),) = batch
        why = str(error.__cause__ or error)
        log.error("stream_refused", device=commit.device, boot=commit.boot, error=why)
        stream.refused(type(error).__name__)

    async def _wait(self, tries: int, error: BaseException) -> None:
        self._metrics.commit_retries.inc()
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("database_away", error=type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
