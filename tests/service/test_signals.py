import asyncio
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.domain import Channel, Profile, Readings
from app.service.notify import signals
from app.service.notify.hub import Hub, Message
from app.service.notify.signals import Signals, Viewer, Wish


@dataclass(frozen=True)
class Stream:
    device: str
    boot: str
    profile: Profile


def stream(device: str, rate_hz: float = 50.0, profile: str = "arm") -> Stream:
    return Stream(device, "b", Profile(profile, (Channel("x"),), rate_hz))


def send(hub: Hub, owner: Stream, first_seq: int, *values: float) -> None:
    """Publish as a live stream does."""
    rows = np.array([values], np.float32).T
    readings = Readings(first_seq, rows, np.zeros(len(rows)))
    message = Message("signal", (owner, readings))
    for topic in (f"signal:{owner.device}", f"signals:{owner.profile.name}"):
        hub.publish(message, topic)


async def blocks(viewer: Viewer) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        frame = await anext(viewer)
    assert isinstance(frame, bytes)
    head, data, *_ = frame.decode().split("\n")
    assert head == "event: signals"
    found: list[dict[str, Any]] = json.loads(data.removeprefix("data: "))["blocks"]
    return found


async def test_readings_of_many_devices_come_in_one_frame_joined():
    hub = Hub()
    gathered = Signals(hub)
    with gathered.watch(Wish("arm")) as viewer:
        send(hub, stream("a"), 1, 0.1)
        send(hub, stream("b"), 7, 5.0, float("nan"))
        send(hub, stream("leg", profile="leg"), 1, 9.0)
        arm = stream("c")
        send(hub, arm, 1, 1.0)
        send(hub, arm, 2, 2.0)
        send(hub, arm, 4, 4.0)
        found = await blocks(viewer)
    assert [(b["device"], b["first_seq"], b["values"]) for b in found] == [
        ("a", 1, [[0.1]]),
        ("b", 7, [[5.0], [None]]),
        ("c", 1, [[1.0], [2.0]]),
        ("c", 4, [[4.0]]),
    ]


async def test_a_viewer_gets_only_the_devices_it_named():
    hub = Hub()
    gathered = Signals(hub)
    with gathered.watch(Wish(devices=("b", "c"))) as viewer:
        for name in "abc":
            send(hub, stream(name), 1, 1.0)
        assert [b["device"] for b in await blocks(viewer)] == ["b", "c"]


async def test_what_many_viewers_wish_is_written_once(monkeypatch):
    times = 0
    plain = signals.write

    def counted(owner, readings):
        nonlocal times
        times += 1
        return plain(owner, readings)

    monkeypatch.setattr(signals, "write", counted)
    hub = Hub()
    gathered = Signals(hub)
    everything, some = Wish("arm"), Wish(devices=("a",))
    with (
        gathered.watch(everything) as one,
        gathered.watch(everything) as two,
        gathered.watch(some) as three,
    ):
        send(hub, stream("a"), 1, 1.0)
        gathered.flush()
        frames = [await anext(viewer) for viewer in (one, two, three)]
    assert times == 1
    assert frames[0] is frames[1]
    assert frames[2] == frames[0]


async def test_a_viewer_that_falls_behind_gets_nothing_until_it_asks_and_is_told():
    hub = Hub()
    gathered = Signals(hub)
    owner = stream("a")
    missed = signals.QUEUE_FRAMES + 1
    with gathered.watch(Wish("arm")) as slow, gathered.watch(Wish("arm")) as quick:
        for n in range(missed):
            send(hub, owner, 1 + n, float(n))
            gathered.flush()
            assert (await blocks(quick))[0]["first_seq"] == 1 + n
        assert await anext(slow) == missed
        send(hub, owner, 1 + missed, 0.0)
        assert (await blocks(slow))[0]["first_seq"] == 1 + missed, "not an old frame"


async def test_for_viewers_that_never_read_nothing_is_gathered():
    hub = Hub()
    gathered = Signals(hub)
    owner = stream("a")
    with gathered.watch(Wish("arm")) as one, gathered.watch(Wish("arm")):
        for n in range(signals.QUEUE_FRAMES + 1):
            assert hub.watched
            send(hub, owner, 1 + n, float(n))
            gathered.flush()
        assert not hub.watched, "devices are taken on the quick way again"
        assert await anext(one) >= signals.QUEUE_FRAMES
        assert hub.wanted("signals:arm")
    assert not hub.watched


async def test_nothing_is_gathered_once_nobody_looks():
    hub = Hub()
    gathered = Signals(hub)
    with gathered.watch(Wish("arm")), gathered.watch(Wish(devices=("a", "b"))):
        with gathered.watch(Wish(devices=("a",))):
            pass
        assert hub.wanted("signal:a"), "another viewer wants it still"
    topics = ("signals:arm", "signal:a", "signal:b")
    assert not any(hub.wanted(topic) for topic in topics)


async def test_a_fast_stream_is_folded_the_same_however_it_is_cut():
    random = np.random.default_rng(1)
    values = random.normal(size=(500, 2)).astype(np.float32)
    values[40:60] = np.nan
    step = 7
    low: dict[int, Any] = {}
    high: dict[int, Any] = {}
    at = 0
    while at < len(values):
        n = int(random.integers(1, 30))
        first, least, most = signals.fold(3 + at, values[at : at + n], step)
        for k, (a, b) in enumerate(zip(least, most, strict=True), first):
            low[k] = np.fmin(low.get(k, a), a)
            high[k] = np.fmax(high.get(k, b), b)
        at += n
    for k in low:
        group = values[max(0, k * step - 3) : (k + 1) * step - 3]
        assert np.array_equal(low[k], np.fmin.reduce(group), equal_nan=True)
        assert np.array_equal(high[k], np.fmax.reduce(group), equal_nan=True)
    assert sorted(low) == list(range(max(low) + 1))


async def test_a_burst_is_cut_to_its_newest_readings():
    n = signals.MOST_ROWS + 50
    readings = Readings(1, np.zeros((n, 1), np.float32), np.zeros(n))
    said = json.loads(signals.write(stream("a"), readings))
    assert (said["first_seq"], len(said["values"])) == (51, signals.MOST_ROWS)
    fast = json.loads(signals.write(stream("a", 1000.0), readings))
    assert (fast["step"], len(fast["low"])) == (5, n // 5 + 1)


def test_rounding_keeps_what_float32_keeps():
    random = np.random.default_rng(2)
    values = (random.normal(size=2000) * 10.0 ** random.integers(-9, 9, 2000)).astype(
        np.float32
    )
    rounded = signals.shortened(values)
    assert np.all(np.abs(rounded - values) <= 5.1e-7 * np.abs(values))
    assert max(len(repr(float(v))) for v in rounded) <= 14
