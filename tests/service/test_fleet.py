"""What is taken for all streams in one call is what each would have taken alone."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from app.api.devices_socket import DeviceSocket
from app.api.sockets import Patience, Sockets
from app.api.upgrade import Accepted
from app.detection import Stream
from app.domain import Channel, DetectorVersion, Prediction, Profile
from app.service.metrics import Metrics
from app.service.notify.hub import Hub
from app.service.streams import answers
from app.service.streams.fleet import Fleet
from app.service.streams.live import LiveStream
from app.service.streams.load import Load
from app.service.streams.shared import Shared
from app.store.streams import StreamRow
from app.wire.actions import Limits
from tests.detection.oracle import (
    HOLD,
    MAX_GAP_SECONDS,
    RATE_HZ,
    SETTINGS,
    Planted,
    plant,
)

KEY = bytes(range(4))


@dataclass
class Dirty:
    """A group commit that waits to be asked."""

    streams: dict[LiveStream, None] = field(default_factory=dict)

    def touch(self, stream: LiveStream, *, urgent: bool = False) -> None:
        self.streams[stream] = None

    def forget(self, stream: LiveStream) -> None:
        self.streams.pop(stream, None)


class Transport:
    """Where a socket writes."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.protocol: Any = None
        self.reading = self.open = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return not self.open

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.open = False

    abort = close


class Admitted(DeviceSocket):
    """A socket whose device needs no key."""

    async def _admit(self, scope: Any, state: Any) -> None:
        self._admitting = None
        self._open(Accepted(b"", scope["protocol"], "arm-1", "key"))


class Alone(Admitted):
    """One that takes every message the careful way."""

    def attend(self) -> None:
        self._watch()


class Place:
    """A process with nothing but sockets."""

    def __init__(self, profile: Profile, kind: type[Admitted], window: int) -> None:
        self.metrics, self.hub, self.commit = Metrics(), Hub(), Dirty()
        champions = SimpleNamespace(
            model=lambda name, device: SimpleNamespace(version=1)
        )
        self.shared = Shared(champions, self.commit, self.hub, self.metrics, 0.1)
        self.profile, self.kind = profile, kind
        self.settings = SETTINGS
        self.lives: list[LiveStream] = []
        limits = Limits(max_readings=50)
        self.fleet = Fleet(limits, self.hub)
        self.sockets = Sockets(
            ingest=self,
            commit=self.commit,
            metrics=self.metrics,
            fleet=self.fleet,
            load=Load(self.metrics, 1.0),
            limits=limits,
            window=window,
            per_key=10,
            per_second=10_000,
            patience=Patience(10.0, 90.0, 10.0),
        )
        self.direct = 0

    async def open(self, device: str, boot: str, profile: Any, sink: Any) -> LiveStream:
        version = DetectorVersion(1, "p", self.settings)
        stream = Stream(self.profile, version, device, boot)
        row = StreamRow(1, 1, 0, None, 1, [])
        live = LiveStream(
            self.shared, stream, self.profile, version, row, device, boot, sink
        )
        self.lives.append(live)
        return live

    async def connect(self, protocol: str) -> Transport:
        transport = Transport()
        scope = {"protocol": protocol}
        upgrading = SimpleNamespace(transport=transport, scope=scope, connections=set())
        state = SimpleNamespace(onset=None, sockets=self.sockets)
        self.kind(upgrading, SimpleNamespace(state=state))
        await asyncio.sleep(0)
        return transport

    def make_durable(self) -> list[Any]:
        """Commit what is new; say what it was."""
        commits = []
        for one in list(self.commit.streams):
            if one.lane is not None:
                self.direct += int(self.fleet.table[one.lane.row, -3])
            commit = one.snapshot()
            one.committed(commit.new, commit.events)
            commits.append(told(commit))
        self.commit.streams.clear()
        return commits


def told(commit: Any) -> tuple[Any, ...]:
    """Everything of a commit that can be compared."""
    return (
        commit.new,
        commit.state,
        [
            (e.id, e.onset, e.offset, e.peak, e.window.tobytes(), e.flags)
            for e in commit.events
        ],
        commit.predictions,
        commit.gaps,
        commit.missing,
        commit.keep_from,
        np.concatenate([r.values for r in commit.readings]).tobytes()
        if commit.readings
        else b"",
        np.concatenate([r.times for r in commit.readings]).tobytes()
        if commit.readings
        else b"",
    )


def frame(message: dict[str, Any], protocol: str) -> bytes:
    if protocol == "onset.v1.json":
        first, body = 0x81, json.dumps(message).encode()
    else:
        first, body = 0x82, msgspec.msgpack.encode(message)
    size = len(body)
    head = bytes([first, 0x80 + size]) if size < 126 else bytes([first, 0xFE])
    if size >= 126:
        head += size.to_bytes(2, "big")
    return head + KEY + bytes(b ^ KEY[i % 4] for i, b in enumerate(body))


def frames(planted: Planted, protocol: str, rng: random.Random) -> Iterator[bytes]:
    """Say a stream as a device would, in one of many ways."""
    n = len(planted.values)
    timed = rng.random()
    at, seq, last = 0, 1, b""
    while at < n:
        if at + 1 in planted.skips:
            seq += planted.skips[at + 1]
            yield frame({"type": "skip", "to": seq, "why": "test"}, protocol)
            last = b""
        size = min(rng.choice([1, 1, 2, 7, 40]), n - at)
        for skip in planted.skips:
            if at < skip - 1 < at + size:
                size = skip - 1 - at
        values = planted.values[at : at + size]
        message: dict[str, Any] = {"type": "readings", "seq": seq}
        if protocol != "onset.v1.json" and rng.random() < 0.8:
            message["values"] = values.tobytes()
        else:
            message["values"] = [
                [None if np.isnan(v) else float(v) for v in row] for row in values
            ]
        if timed < 0.4:
            message["time"] = float(planted.times[at])
        elif timed < 0.5:
            message["time"] = planted.times[at : at + size].tolist()
        if rng.random() < 0.2:
            message["n"] = size
        if rng.random() < 0.1:
            message = dict(reversed(message.items()))
        if last and rng.random() < 0.1:
            yield last
        last = frame(message, protocol)
        yield last
        at, seq = at + size, seq + size


def chunks(said: Iterator[bytes], rng: random.Random) -> Iterator[bytes]:
    """Cut frames and put them together, as a network does."""
    left = b""
    for one in said:
        left += one
        if rng.random() < 0.2:
            cut = rng.randrange(1, len(left))
            yield left[:cut]
            left = left[cut:]
        if rng.random() < 0.8:
            yield left
            left = b""
    if left:
        yield left


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1.7e9]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def answer(
        model: Any, window: Any, pre: int, post: int, context: Any
    ) -> Prediction:
        sure = float(abs(window).mean() % 1)
        return Prediction("a", sure, ("a", "b"), (sure, 1 - sure), False, 1, str(pre))

    monkeypatch.setattr(answers, "classify", answer)
    return now


async def play(
    place: Place, seed: int, clock: list[float], protocol: str
) -> tuple[list[bytes], list[Any]]:
    """Send a stream in the same turns; return what was said, and what was stored."""
    planted, rng = plant(seed), random.Random(seed)
    transport = await place.connect(protocol)
    stored: list[Any] = []
    hello = frame({"type": "hello", "boot": "b"}, protocol)
    transport.protocol.data_received(hello)
    for _ in range(5):
        await asyncio.sleep(0)
    for chunk in chunks(frames(planted, protocol, rng), rng):
        transport.protocol.data_received(chunk)
        # one kind sees at once that the window is full, the other when the turn ends
        if rng.random() < 0.7 or place.sockets.window < 100:
            for _ in range(10):  # what was cut takes a turn more each time
                await asyncio.sleep(0)
            clock[0] += 0.05  # between two turns, as both kinds take their time
            if rng.random() < 0.3 or not transport.reading:
                stored += place.make_durable()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    stored += place.make_durable()
    await asyncio.sleep(0)
    transport.protocol.connection_lost(None)
    return transport.said, stored


@pytest.mark.parametrize("protocol", ["onset.v1.json", "onset.v1.msgpack"])
async def test_taken_together_is_what_each_would_take_alone(clock, protocol):
    direct = total = named = 0
    for seed in range(60):
        planted = plant(seed)
        profile = Profile(
            "p",
            tuple(Channel(str(c)) for c in range(planted.values.shape[1])),
            RATE_HZ,
            max_hold_seconds=HOLD / RATE_HZ,
            max_gap_seconds=MAX_GAP_SECONDS,
            record=seed % 3 == 0,
        )
        window = 64 if seed % 5 == 0 else 4096
        got = []
        for kind in (Admitted, Alone):
            clock[0] = 1.7e9
            place = Place(profile, kind, window)
            if seed % 4 == 1:  # of some streams the loudest values are not credible
                place.settings = {**SETTINGS, "limits": {"0": [-4.0, 4.0]}}
            said, stored = await play(place, seed, clock, protocol)
            got.append((b"".join(said), stored))
            if kind is Admitted:
                direct += place.direct
        total += len(planted.values)
        named += sum(len(commit[3]) for commit in got[0][1])
        assert got[0][1] == got[1][1], f"stream {seed}: what is stored"
        assert got[0][0] == got[1][0], f"stream {seed}: what the device hears"
    assert direct > 0.2 * total
    assert named > 30


PLAIN = Profile("p", (Channel("x"),), RATE_HZ)


def one(seq: int) -> bytes:
    message = {"type": "readings", "seq": seq, "values": [[0.5 + seq % 7]]}
    return frame(message, "onset.v1.json")


async def opened(place: Place) -> Transport:
    transport = await place.connect("onset.v1.json")
    transport.protocol.data_received(
        frame({"type": "hello", "boot": "b"}, "onset.v1.json")
    )
    for _ in range(5):
        await asyncio.sleep(0)
    return transport


async def test_messages_that_are_taken_together_are_counted_too(clock):
    place = Place(PLAIN, Admitted, 4096)
    place.sockets.per_second = 100
    place.fleet.warm()  # to load a kernel may take a second
    transport = await opened(place)
    for seq in range(1, 100):
        transport.protocol.data_received(one(seq))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert transport.open
    for seq in range(100, 160):
        transport.protocol.data_received(one(seq))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not transport.open
    assert b"more than 100 messages in a second" in b"".join(transport.said)


async def test_whoever_watches_sees_readings_that_are_taken_together(clock):
    place = Place(PLAIN, Admitted, 4096)
    transport = await opened(place)
    seen: list[float] = []
    with place.hub.subscribe("signal:arm-1") as signal:
        for seq in range(1, 50):
            transport.protocol.data_received(one(seq) if seq < 49 else one(seq)[:-1])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while len(seen) < 48:
            _, readings = (await anext(signal)).data
            assert readings.first_seq == len(seen) + 1
            seen += readings.values[:, 0].tolist()
    assert seen == [0.5 + seq % 7 for seq in range(1, 49)]
    assert place.lives[0].next_seq == 49


async def test_a_socket_that_goes_leaves_what_it_sent_and_its_place(clock):
    place = Place(PLAIN, Admitted, 4096)
    transport = await opened(place)
    for seq in range(1, 30):
        transport.protocol.data_received(one(seq))
        if seq == 10:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    free = len(place.fleet._free)
    transport.protocol.connection_lost(None)
    assert len(place.fleet._free) == free + 1
    assert not place.fleet.table.any()
    (stored,) = place.make_durable()
    assert stored[0] == 29


async def test_what_is_on_the_line_when_the_service_restarts_is_made_durable(clock):
    place = Place(PLAIN, Admitted, 4096)

    async def drained() -> None:
        place.make_durable()

    place.commit.drained = drained
    transport = await opened(place)
    for seq in range(1, 11):
        transport.protocol.data_received(one(seq))
    draining = asyncio.create_task(place.sockets.drain(7.0))
    for _ in range(10):
        await asyncio.sleep(0)
    assert transport.said[-1].endswith(b"restart")
    assert b'"ack":10' in transport.said[-2]
    assert transport.reading
    said = len(transport.said)
    for seq in range(11, 21):
        transport.protocol.data_received(one(seq))
        await asyncio.sleep(0)
    transport.protocol.data_received(b"\x88\x82" + KEY + bytes([3, 0xF4 ^ 1]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not transport.open
    transport.protocol.connection_lost(None)
    await draining
    assert place.lives[0].watermark == 20
    assert transport.said[said:] == []
