"""The path from a frame to a row, with the real session, detector and database."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event as hook
from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import Stream, complete
from app.detection.detector import CompiledDetector
from app.domain import (
    Channel,
    Event,
    Json,
    Profile,
    Readings,
    RetrainPolicy,
    SetAside,
    Span,
    event_id,
)
from app.service.detectors import Detectors
from app.service.metrics import Metrics
from app.service.notify.feed import Feed
from app.service.notify.hub import Hub
from app.service.streams.commit import GroupCommit, Pace
from app.service.streams.connection import Connection
from app.service.streams.ingest import Ingest
from app.service.streams.live import LiveStream
from app.service.streams.load import Load
from app.service.streams.shared import Shared
from app.store import (
    detectors,
    devices,
    events,
    profiles,
    quarantine,
    recordings,
    stream_list,
    streams,
)
from app.store import engine as database
from app.store.detectors import NewDetector
from app.wire.actions import Limits
from app.wire.frames import JSON
from app.wire.session import Session

PROFILE = Profile(
    "arm-band", (Channel("a"), Channel("b")), 50.0, retrain=RetrainPolicy(None)
)


class NoModels:
    def model(self, profile: str, device: str | None = None) -> None:
        return None


@dataclass
class Service:
    engine: AsyncEngine
    commit: GroupCommit
    ingest: Ingest
    metrics: Metrics
    detectors: Detectors
    heard: list[dict[str, Any]] = field(default_factory=list)

    async def connect(self, device: str = "band-1", window: int = 4096) -> "Line":
        line = Line(self.ingest, device, window)
        line.listening = asyncio.create_task(line.listen())
        return line


class Line:
    """A socket without a network."""

    def __init__(self, ingest: Ingest, device: str, window: int) -> None:
        self.changed = asyncio.Event()
        self.heard: list[dict[str, Any]] = []
        self.listening: asyncio.Task[None] | None = None
        self.load = Load(Metrics(), 1.0)
        self.connection = Connection(
            Session(JSON, Limits()),
            ingest,
            device,
            window=window,
            changed=self.changed.set,
        )

    async def listen(self) -> None:
        while True:
            await self.changed.wait()
            self.changed.clear()
            self.heard += [json.loads(frame) for frame in self.connection.take()]
            if self.connection.close is not None:
                return

    async def room(self) -> None:
        while self.connection.full:  # noqa: ASYNC110 - as a socket looks again
            await asyncio.sleep(0.001)

    async def say(self, **message: Any) -> None:
        await self.room()
        self.connection.receive(json.dumps(message), 1000.0)
        if not self.connection.streaming:
            await self.room()
            await asyncio.sleep(0)

    async def stream(self, values: np.ndarray, first: int, step: int = 100) -> None:
        for at in range(0, len(values), step):
            rows = values[at : at + step].tolist()
            await self.say(type="readings", seq=first + at, values=rows)

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["type"] == kind]


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    engine = database.create(database_url)
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, None)
        await devices.put(conn, "band-1", PROFILE.name)
    metrics = Metrics()
    commit = GroupCommit(engine, metrics, Pace(0.005, 0.05))
    serving = Detectors(engine)
    shared = Shared(NoModels(), commit, Hub(), metrics, 1.0, serving)
    running = asyncio.create_task(commit.run())
    yield Service(engine, commit, Ingest(engine, shared), metrics, serving)
    running.cancel()
    await engine.dispose()


def signal(n: int = 3000, seed: int = 0) -> np.ndarray:
    """Rest with a burst of two seconds in every ten."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.1, (n, 2))
    for at in range(500, n - 100, 500):
        values[at : at + 100] += rng.normal(0, 2.0, (100, 2))
    return values.astype(np.float32)


async def found(service: Service) -> list[tuple[int, int, float]]:
    async with service.engine.connect() as conn:
        rows, _ = await events.list_(conn, events.EventFilter(), 100, None)
    return sorted((row.onset_seq, row.offset_seq, row.peak) for row in rows)


async def test_readings_become_events_and_are_acknowledged(service: Service):
    line = await service.connect()
    await line.say(type="hello", boot="b1")
    await line.stream(signal(), 1)
    await line.say(type="end")
    await line.listening
    assert line.said("ack")[-1]["ack"] == 3000
    assert line.connection.close.code == 1000
    stored = await found(service)
    assert 4 <= len(stored) <= 6
    assert [(m["onset_seq"], m["offset_seq"]) for m in line.said("event")] == [
        (onset, offset) for onset, offset, _ in stored
    ]


async def test_readings_cost_no_query_each(service: Service):
    """The database hears of group commits alone, however many messages there are."""
    asked: list[str] = []
    hook.listen(
        service.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: asked.append(statement),
    )
    line = await service.connect()
    await line.say(type="hello", boot="b1")
    asked.clear()
    before = commits(service)
    await line.stream(signal(), 1, step=10)
    await service.commit.drained()
    assert len(asked) <= 6 * (commits(service) - before)
    assert len(asked) < 300 / 2
    assert not [one for one in asked if "FROM profiles" in one or "FROM devices" in one]


async def test_how_fresh_events_are_is_counted(service: Service, database_url: str):
    def seen(stage: str, what: str) -> float:
        name = f"onset_event_{stage}_seconds_{what}"
        value = service.metrics.registry.get_sample_value(name)
        assert value is not None
        return value

    published = service.metrics.event_published_seconds
    feed = Feed(service.engine, database_url, Hub(), lambda *_: None, published)
    task = asyncio.create_task(feed.run())
    async with asyncio.timeout(5):
        while feed._position is None:  # noqa: ASYNC110 - it has begun to follow
            await asyncio.sleep(0.01)
    line = await service.connect()
    await line.say(type="hello", boot="b1")
    values, begun = signal(), time.time() - 3600
    for at in range(0, 3000, 100):
        rows = values[at : at + 100].tolist()
        said = {"seq": at + 1, "time": begun + at / 50, "values": rows}
        await line.say(type="readings", **said)
    await service.commit.drained()
    stored = len(await found(service))
    async with asyncio.timeout(5):
        while seen("published", "count") < stored:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    assert seen("late", "count") == seen("durable", "count") == stored > 0
    assert 3500 < seen("late", "sum") / stored < 3600 + 5
    assert 0 < seen("durable", "sum") / stored < 5
    assert 0 <= seen("published", "sum") / stored < 5


def commits(service: Service) -> float:
    value = service.metrics.registry.get_sample_value("onset_commits_total")
    assert value is not None
    return value


async def test_a_cut_in_the_middle_of_an_event_changes_nothing(service: Service):
    values = signal()
    line = await service.connect()
    await line.say(type="hello", boot="whole")
    await line.stream(values, 1)
    await service.commit.drained()
    whole = await found(service)
    async with service.engine.begin() as conn:
        await devices.put(conn, "band-2", PROFILE.name)
    for cut in (520, 560, 1015, 1590, 2999):
        line = await service.connect("band-2")
        await line.say(type="hello", boot="cut")
        acked = line.connection._stream.watermark
        await line.stream(values[acked:cut], acked + 1, step=37)
        await service.commit.drained()
        opened = line.connection._stream._stream.open_from()
        line.connection.leave()
        async with service.engine.connect() as conn:
            kept = await recordings.read(conn, "band-2", "cut")
        assert [one.next_seq for one in kept] == [cut + 1] * (opened is not None)
    async with service.engine.connect() as conn:
        rows, _ = await events.list_(
            conn, events.EventFilter(device="band-2"), 100, None
        )
    cut_rows = sorted((r.onset_seq, r.offset_seq, r.peak) for r in rows)
    assert cut_rows == [event for event in whole if event[1] < 2990]


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("sta_lta", {"lta_seconds": 5}),
        ("mahalanobis", {}),
        ("regimes", {"window_seconds": 2}),
        ("windows", {"size_readings": 300, "hop_readings": 150}),
        ("windows", {"size_seconds": 4}),
    ],
)
async def test_every_kind_of_detector_streams_and_stores(
    service: Service, kind: str, rule: Json
):
    detector = {"kind": kind, **rule}
    of = replace(PROFILE, name=kind)
    async with service.engine.begin() as conn:
        put = await profiles.put(conn, of, detector)
        await devices.put(conn, "any-1", of.name)
    values = signal()
    times = 1.7e9 + np.arange(len(values)) / of.rate_hz
    line = await service.connect("any-1")
    await line.say(type="hello", boot="b1")
    for at in range(0, len(values), 100):
        rows = values[at : at + 100].tolist()
        await line.say(type="readings", seq=at + 1, time=float(times[at]), values=rows)
        await line.room()
    await line.say(type="end")
    await line.listening
    alone = Stream(of, put.detector, "any-1", "b1")
    said = alone.receive(Readings(1, values, times, True)) + alone.close()
    expected = [
        (e.onset_seq, e.offset_seq, e.peak) for e in said if isinstance(e, Event)
    ]
    assert len(expected) >= 4
    assert await found(service) == expected


async def test_a_second_connection_takes_the_stream_over(service: Service):
    old = await service.connect()
    await old.say(type="hello", boot="b1")
    new = await service.connect()
    await new.say(type="hello", boot="b1")
    await old.stream(signal(100), 1)
    await old.listening
    assert old.connection.close.code == 4409
    async with service.engine.connect() as conn:
        (row,) = await streams.list_(conn, "band-1")
    assert (row.watermark, row.generation) == (0, 2)


async def test_without_hello_the_server_counts(service: Service):
    line = await service.connect()
    await line.say(type="readings", values=[[1, 2], [3, None]])
    await service.commit.drained()
    await asyncio.sleep(0)
    assert line.said("welcome")[0]["boot"].startswith("auto-")
    assert line.said("ack")[-1]["ack"] == 2


async def test_an_unregistered_device_is_closed_4404(service: Service):
    line = await service.connect("nobody")
    await line.say(type="hello", boot="b1")
    await line.listening
    assert line.connection.close.code == 4404
    assert "nobody" in line.said("error")[0]["detail"]


async def test_a_full_window_stops_reading_until_the_commit(service: Service):
    line = await service.connect(window=50)
    await line.say(type="hello", boot="b1")
    await line.say(type="readings", seq=1, values=[[0, 0]] * 60)
    assert line.connection.full
    await asyncio.wait_for(line.room(), 5)
    assert line.connection._stream.watermark == 60


async def test_a_new_detector_version_closes_the_open_event_with_a_gap(
    service: Service,
):
    line = await service.connect()
    await line.say(type="hello", boot="b1")
    await line.stream(signal()[:560], 1)
    await service.commit.drained()
    assert line.said("onset")
    line.connection.leave()
    async with service.engine.begin() as conn:
        put = await profiles.put(conn, PROFILE, {"kind": "energy", "on": 7.0})
    again = await service.connect()
    await again.say(type="hello", boot="b1")
    await service.commit.drained()
    async with service.engine.connect() as conn:
        rows, _ = await events.list_(conn, events.EventFilter(), 100, None)
        (gap,) = await streams.list_gaps(conn, "band-1", "b1")
    assert [row.flags for row in rows] == [("gap",)] or rows[0].flags == ["gap"]
    assert "was followed by" in gap.why
    assert again.said("welcome")[0]["detector_version"] == put.detector.number


async def test_each_stage_gives_on_what_it_took_or_says_that_it_dropped_it(
    service: Service,
):
    def count(name: str) -> float:
        samples = (s for m in service.metrics.registry.collect() for s in m.samples)
        return sum(s.value for s in samples if s.name == f"onset_{name}_total")

    values = signal()
    values[100:103] = np.nan
    line = await service.connect()
    await line.say(type="hello", boot="b1")
    for at in range(0, 3000, 100):
        rows = np.where(np.isnan(values), None, values)[at : at + 100].tolist()
        await line.say(type="readings", seq=at + 1, values=rows)
    await line.say(type="readings", seq=2901, values=values[2900:].tolist())
    await service.commit.drained()
    assert count("readings") == 3000
    assert count("resent_readings") == 100
    assert count("missing_values") == 6
    assert count("events_detected") == len(await found(service)) > 0
    assert count("events_detected") == count("events_stored")
    assert count("events_detected") == count("predictions") + count(
        "events_unclassified"
    ) + count("predictions_failed")


@pytest.mark.parametrize("changed_at", [1400, 1550])
async def test_open_stream_goes_on_with_a_new_detector_between_two_events(
    service: Service, changed_at: int
):
    """1400 lies in rest, 1550 in a burst: there the event ends first."""
    values = signal()
    line = await service.connect()
    await line.say(type="hello", boot="b1")
    await line.stream(values[:changed_at], 1, step=50)
    async with service.engine.begin() as conn:
        first = await profiles.detector(conn, PROFILE.name)
        put = await profiles.put(conn, PROFILE, {"kind": "energy", "on": 7})
    await service.detectors.refresh()
    await line.stream(values[changed_at:], changed_at + 1, step=50)
    await line.say(type="end")
    await line.listening
    async with service.engine.connect() as conn:
        rows, _ = await events.list_(conn, events.EventFilter(), 100, None)
        gaps = await stream_list.list_gaps(conn, "band-1", "b1")
        (row,) = await streams.list_(conn, "band-1")
    versions = [event.detector_version for event in rows]
    assert versions == sorted(versions)
    assert set(versions) == {first.number, put.detector.number}
    assert versions.count(first.number) == (3 if changed_at == 1550 else 2)
    assert not any("gap" in event.flags for event in rows)
    assert row.detector_version == put.detector.number
    why = f"detector version {first.number} was followed by {put.detector.number}"
    assert [gap.why for gap in gaps] == [why]
    assert gaps[0].first_seq == gaps[0].next_seq > changed_at


async def test_detector_of_one_device_is_taken_over_by_its_stream_and_by_no_other(
    service: Service,
):
    async with service.engine.begin() as conn:
        await devices.put(conn, "band-2", PROFILE.name)
        common = (await profiles.detector(conn, PROFILE.name)).number
        own = await detectors.add(
            conn, NewDetector(PROFILE.name, complete({"on": 7}), device="band-1")
        )
    values = signal()
    lines = [await service.connect(name) for name in ("band-1", "band-2")]
    for line in lines:
        await line.say(type="hello", boot="b1")
        await line.stream(values[:1400], 1, step=50)
    async with service.engine.begin() as conn:
        await detectors.promote(
            conn, PROFILE.name, own, None, "ann", "test", device="band-1"
        )
    await service.detectors.refresh()
    for line in lines:  # asks for the version, which the next look brings
        await line.stream(values[1400:1450], 1401, step=50)
    await service.detectors.refresh()
    for line in lines:
        await line.stream(values[1450:], 1451, step=50)
        await line.say(type="end")
        await line.listening
    found = {}
    async with service.engine.connect() as conn:
        for device in ("band-1", "band-2"):
            wanted = events.EventFilter(device=device)
            rows, _ = await events.list_(conn, wanted, 100, None)
            found[device] = {event.detector_version for event in rows}
            assert all(
                event.id
                == event_id(device, "b1", event.onset_seq, event.detector_version)
                for event in rows
            )
    assert found == {"band-1": {common, own}, "band-2": {common}}
    line = await service.connect("band-1")
    await line.say(type="hello", boot="b2")
    assert line.said("welcome")[-1]["detector_version"] == own
    line = await service.connect("band-2")
    await line.say(type="hello", boot="b2")
    assert line.said("welcome")[-1]["detector_version"] == common


async def test_stream_that_began_after_the_last_look_keeps_its_detector(
    service: Service,
):
    await service.detectors.refresh()
    async with service.engine.begin() as conn:
        put = await profiles.put(conn, PROFILE, {"kind": "energy", "on": 7})
    line = await service.connect()
    await line.say(type="hello", boot="b1")
    await line.stream(signal(200), 1)
    assert line.connection._stream.version == put.detector


async def test_nothing_is_left_of_streams_whose_devices_have_gone(service: Service):
    async with service.engine.begin() as conn:
        for n in range(20):
            await devices.put(conn, f"gone-{n}", PROFILE.name)
    for n in range(20):
        line = await service.connect(f"gone-{n}")
        await line.say(type="hello", boot="b1")
        await line.stream(signal(100, seed=n), 1)
        await service.commit.drained()
        line.connection.leave()
        line.listening.cancel()
        del line
    await service.commit.drained()
    await asyncio.sleep(0)
    gc.collect()
    alive = [one for one in gc.get_objects() if isinstance(one, LiveStream)]
    left = [one.device for one in alive if one.device.startswith("gone-")]
    assert len(left) <= 1  # what was committed last


POISON = 900.0


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that dies of one value, after it has counted it."""
    whole = CompiledDetector.update

    def update(self: CompiledDetector, values: Any, times: Any = None) -> list[Span]:
        found = whole(self, values, times)
        if np.any(values == POISON):
            raise ZeroDivisionError("a quiet channel")
        return found

    monkeypatch.setattr(CompiledDetector, "update", update)


async def test_a_reading_on_which_the_detector_fails_is_set_aside_and_the_rest_goes_on(
    service: Service, fragile: None
):
    values = signal()
    poisoned = values.copy()
    poisoned[1019, 1] = POISON  # reading 1020, in the burst that began at 1001
    line = await service.connect()
    await line.say(type="hello", boot="b")
    await line.stream(poisoned[:1000], 1)
    with pytest.raises(ZeroDivisionError):
        await line.stream(poisoned[1000:1100], 1001)
    line.connection.leave()
    again = await service.connect()
    await again.say(type="hello", boot="b")
    (welcome,) = again.said("welcome")
    assert 0 <= welcome["ack"] <= 1000
    await again.stream(poisoned[welcome["ack"] :], welcome["ack"] + 1)
    await again.say(type="end")
    await asyncio.wait_for(asyncio.shield(again.listening), 10)
    assert max(ack["ack"] for ack in again.said("ack")) == len(values)
    async with service.engine.connect() as conn:
        (kept,) = await quarantine.list_(conn, "band-1", 10)
        gaps = await stream_list.list_gaps(conn, "band-1", "b")
    assert (kept.reading.seq, kept.boot) == (1020, "b")
    assert np.array_equal(kept.reading.values, poisoned[1019])
    assert kept.reading.why == "ZeroDivisionError: a quiet channel"
    assert [(gap.first_seq, gap.next_seq) for gap in gaps] == [(1020, 1021)]
    # what lies before the gap and what comes long after it is as without the poison
    (before,) = {onset for onset, *_ in await found(service) if onset < 900}
    assert 450 < before < 520
    assert max(onset for onset, *_ in await found(service)) > 2400


async def test_of_readings_set_aside_the_newest_are_kept(service: Service):
    line = await service.connect()
    await line.say(type="hello", boot="b")
    await line.stream(signal(10), 1)
    for seq in range(1, 6):
        one = SetAside(seq, np.array([np.nan, seq], np.float32), 1000.0, "x\0" * 400)
        async with service.engine.begin() as conn:
            await quarantine.insert(conn, [("band-1", "b", 1, one)], kept=3)
    async with service.engine.connect() as conn:
        kept = await quarantine.list_(conn, None, 10)
    assert [row.reading.seq for row in kept] == [5, 4, 3]
    assert np.array_equal(kept[0].reading.values, [np.nan, 5], equal_nan=True)
    assert kept[0].reading.why == "x" * 300
