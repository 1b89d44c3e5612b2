import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import DataError, OperationalError

from app.service.metrics import Metrics
from app.service.streams import commit as module
from app.service.streams.commit import GroupCommit, Pace
from app.store.streams import StreamCommit


class FakeStream:
    """A stream with a counter instead of a detector."""

    def __init__(self, name: str, generation: int = 1) -> None:
        self.name = name
        self.generation = generation
        self.received = 0
        self.acked = 0
        self.rests_until = 0.0
        self.urgent = False
        self.ended: str | None = None

    def snapshot(self) -> StreamCommit:
        return StreamCommit(
            self.name, "b", self.generation, self.acked, self.received, b"", 1
        )

    def committed(self, watermark, events):
        self.acked = watermark

    def superseded(self):
        self.ended = "superseded"

    def refused(self, reason):
        self.ended = reason


class FakeStore:
    """A store whose commits can fail before or after they are durable."""

    def __init__(self) -> None:
        self.watermarks: dict[str, int] = {}
        self.batches: list[list[str]] = []
        self.faults: list[str] = []
        self.fenced: set[str] = set()
        self.poison: set[str] = set()
        self.called = asyncio.Event()

    @asynccontextmanager
    async def begin(self):
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "away":
            raise OperationalError("begin", {}, OSError("away"))
        self.pending = {}
        yield self
        self.watermarks |= self.pending
        if fault == "reply lost":
            raise OperationalError("commit", {}, OSError("cut"))

    async def persist(self, engine, batch):
        async with self.begin():
            return self.commit(batch)

    def commit(self, batch):
        self.batches.append([c.device for c in batch])
        self.called.set()
        if any(c.device in self.poison for c in batch):
            raise DataError("insert", {}, ValueError("poison"))
        mine = [c for c in batch if c.device not in self.fenced]
        for c in mine:
            assert self.watermarks.get(c.device, 0) in (c.old, c.new)
            self.pending[c.device] = c.new
        return {(c.device, c.boot, c.generation) for c in mine}


@pytest.fixture
async def store(monkeypatch):
    fake = FakeStore()
    monkeypatch.setattr(module.streams, "persist", fake.persist)
    monkeypatch.setattr(module, "RETRY_SECONDS", (0.0,))
    return fake


@asynccontextmanager
async def running(store, **pace):
    group = GroupCommit(store, Metrics(), Pace(**{"tick_seconds": 0.0, **pace}))
    task = asyncio.create_task(group.run())
    try:
        yield group
    finally:
        task.cancel()


async def received(group, store, fleet, count, urgent=None):
    """Let streams have received so many readings; wait for the next commit."""
    store.called.clear()
    for stream in fleet:
        stream.received = count
        group.touch(stream, urgent=stream is urgent)
    await store.called.wait()


async def test_nothing_is_acknowledged_before_the_store_has_it(store):
    stream = FakeStream("a")
    store.faults = ["away", "away", "away"]
    async with running(store) as group:
        stream.received = 7
        group.touch(stream)
        await asyncio.sleep(0)
        assert stream.acked == 0
        await group.drained()
    assert (stream.acked, store.watermarks) == (7, {"a": 7})


async def test_a_commit_whose_reply_was_lost_is_done_again_unchanged(store):
    stream = FakeStream("a")
    store.faults = ["reply lost"]
    async with running(store) as group:
        stream.received = 5
        group.touch(stream)
        await group.drained()
    assert (stream.acked, store.batches) == (5, [["a"], ["a"]])


async def test_a_stream_with_another_owner_is_told_and_not_acknowledged(store):
    mine, lost = FakeStream("mine"), FakeStream("lost")
    store.fenced = {"lost"}
    async with running(store) as group:
        for stream in (mine, lost):
            stream.received = 3
            group.touch(stream)
        await group.drained()
    assert (mine.acked, mine.ended) == (3, None)
    assert (lost.acked, lost.ended) == (0, "superseded")


async def test_data_that_the_store_refuses_stops_only_its_own_stream(store):
    good, bad = FakeStream("good"), FakeStream("bad")
    store.poison = {"bad"}
    async with running(store) as group:
        for stream in (bad, good):
            stream.received = 3
            group.touch(stream)
        await group.drained()
    assert (good.acked, bad.acked, bad.ended) == (3, 0, "DataError")


async def test_a_large_fleet_is_committed_once_an_interval_but_events_at_once(store):
    fleet = [FakeStream(str(n)) for n in range(10)]
    async with running(store, eager=2, ack_seconds=3600.0) as group:
        await received(group, store, fleet, 1)
        assert store.batches == [[stream.name for stream in fleet]]  # all had rested
        await received(group, store, fleet, 2, urgent=fleet[9])
        assert store.batches[1] == ["9", "0", "1"]
        await group.drained()
    assert all(stream.acked == 2 for stream in fleet)


async def test_who_speaks_once_an_interval_waits_for_no_interval(store):
    busy, seldom = FakeStream("busy"), FakeStream("seldom")
    async with running(store, eager=0, ack_seconds=3600.0) as group:
        await received(group, store, [busy], 1)
        await received(group, store, [busy, seldom], 2)
        assert store.batches == [["busy"], ["seldom"]]
        await group.drained()
    assert busy.acked == 2


async def test_of_two_connections_of_one_stream_only_the_later_one_commits(store):
    old, new = FakeStream("a", 1), FakeStream("a", 2)
    for first, second in ((old, new), (new, old)):
        async with running(store) as group:
            for stream in (first, second):
                stream.ended, stream.acked, stream.received = None, 0, 4
                group.touch(stream)
            await group.drained()
        assert (new.acked, new.ended) == (4, None)
        assert (old.acked, old.ended) == (0, "superseded")
        store.watermarks.clear()


async def test_a_store_that_is_away_is_a_problem_until_it_is_back(store):
    stream = FakeStream("a")
    store.faults = ["away"] * 50
    async with running(store) as group:
        assert group.problem() is None
        stream.received = 1
        group.touch(stream)
        while store.faults:
            await asyncio.sleep(0)
            seen = group.problem()
        assert seen == "database: commits fail, nothing is acknowledged"
        await group.drained()
        assert group.problem() is None
