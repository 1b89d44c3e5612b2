"""The bridge between a broker and a service, both in the test's own loop."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from app.bridge import device as devices
from app.bridge import mqtt
from app.bridge.mqtt import Bridge
from app.bridge.mqtt import Broker as Address
from app.bridge.topics import Topics
from app.client import DeviceStream, retry
from app.errors import Forbidden, InvalidInput, Unauthenticated
from tests.bridge.broker import Broker, running
from tests.client.service import KEY, Service
from tests.client.service import running as serving
from tests.wire.toy import uninterrupted

READINGS, EVENTS = "devices/d/readings", "devices/d/events"
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    async with running() as broker:
        yield broker


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(mqtt, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(mqtt, "RECONNECT_SECONDS", 0.05)


@asynccontextmanager
async def bridged(
    broker: Broker, service: Service, **more: Any
) -> AsyncIterator[Bridge]:
    """Let a bridge work until it is no longer wanted, which is no goodbye."""

    async def opened(name: str, boot: str, told: Callable[[Any], None]) -> DeviceStream:
        if name == "banned":
            raise Forbidden("this one never")
        stream = DeviceStream(
            service.url,
            name,
            KEY,
            boot=boot,
            random=Random(1),
            on_event=told,
        )
        await stream.__aenter__()
        await stream.welcome()
        return stream

    bridge = Bridge(
        Address.at(broker.url, "secret"),
        "onset",
        Topics("devices/{device}/readings"),
        Topics("devices/{device}/events"),
        opened,
        **more,
    )
    task = asyncio.create_task(bridge.run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await bridge.subscribed.wait()
        yield bridge
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - others say nothing when it is
            await asyncio.sleep(0.005)


def count(bridge: Bridge, outcome: str) -> float:
    name, labels = "onset_mqtt_messages_total", {"outcome": outcome}
    return bridge.counts.registry.get_sample_value(name, labels) or 0.0


def numbered(first: int, rows: np.ndarray) -> bytes:
    return json.dumps(
        {"type": "readings", "seq": first, "values": rows.tolist()}
    ).encode()


def series(n: int) -> np.ndarray:
    values = np.random.default_rng(1).integers(0, 6, n)
    return np.column_stack([values, np.arange(1, n + 1)]).astype(np.float32)


async def test_a_message_is_acknowledged_once_its_readings_are_durable(
    broker: Broker, service: Service
):
    async with bridged(broker, service):
        service.open.clear()
        broker.publish(READINGS, b"[[1, 1], [3, 2]]")
        await until(lambda: service.frames)
        assert broker.sessions["onset"].acknowledged == []
        service.open.set()
        await until(lambda: broker.sessions["onset"].acknowledged == [1])
    (row,) = service.store.values()
    assert row.watermark == 2


async def test_what_is_found_is_published_beside_the_readings(
    broker: Broker, service: Service
):
    async with bridged(broker, service):
        for values in (b"[[1, 1], [3, 2]]", b"[4, 3]", b'{"values": [1, 4]}'):
            broker.publish(READINGS, values)
        await until(lambda: broker.published)
    topic, said = broker.published[0]
    event = msgspec.json.decode(said)
    assert (topic, event["type"]) == (EVENTS, "event")
    assert (event["onset_seq"], event["offset_seq"]) == (2, 4)


async def test_a_broken_line_to_the_broker_doubles_nothing(
    broker: Broker, service: Service
):
    async with bridged(broker, service) as bridge:
        service.open.clear()
        for n in range(5):
            broker.publish(READINGS, json.dumps([n, n]).encode())
        await until(lambda: service.frames)
        broker.cut("onset")
        await until(lambda: count(bridge, "again") == 5)
        service.open.set()
        await until(lambda: not broker.sessions["onset"].unacknowledged)
    (row,) = service.store.values()
    assert row.watermark == 5


async def test_numbered_readings_come_once_through_every_break(
    broker: Broker, service: Service
):
    rows = series(200)
    for first in range(1, 201, 40):
        async with bridged(broker, service):  # and is killed, acknowledged or not
            before = service.frames
            for at in range(first, first + 40, 10):
                broker.publish(READINGS, numbered(at, rows[at - 1 : at + 9]))
            await until(lambda before=before: service.frames > before)
    async with bridged(broker, service):
        await until(lambda: not broker.sessions["onset"].unacknowledged)
        broker.publish(READINGS, numbered(191, rows[190:]))  # once more
        await until(lambda: not broker.sessions["onset"].unacknowledged)
    row = service.store["mqtt"]
    assert (row.watermark, row.gaps) == (200, {})
    events, _ = uninterrupted(dict(enumerate(rows.tolist(), 1)), {}, 200)
    assert row.events == events


async def test_a_gap_in_the_numbers_is_told_and_a_new_boot_begins_anew(
    broker: Broker, service: Service
):
    rows = series(40)
    async with bridged(broker, service):
        broker.publish(READINGS, b'{"type": "hello", "boot": "b1"}')
        broker.publish(READINGS, numbered(1, rows[:10]))
        broker.publish(READINGS, numbered(21, rows[20:30]))
        broker.publish(READINGS, b'{"type": "hello", "boot": "b2"}')
        broker.publish(READINGS, numbered(1, rows[:5]))
        await until(lambda: len(broker.sessions["onset"].acknowledged) == 5)
    assert service.store["b1"].watermark == 30
    assert service.store["b1"].gaps == {11: 21}
    assert service.store["b2"].watermark == 5


async def test_what_nobody_can_take_is_counted_and_holds_up_nobody(
    broker: Broker, service: Service
):
    async with bridged(broker, service, most_devices=2) as bridge:
        broker.publish(READINGS, b"what?")
        broker.publish(READINGS, b"[1, 2, 3]")  # two channels
        broker.publish("devices/banned/readings", b"[1, 2]")
        broker.publish("devices/third/readings", b"[1, 2]")
        broker.publish(READINGS, b"[1, 2]")
        await until(lambda: broker.sessions["onset"].acknowledged == [1, 2, 3, 4, 5])
        assert count(bridge, "malformed") == 2
        assert count(bridge, "refused") == 2
        assert count(bridge, "taken") == 1


async def test_of_a_device_that_stands_still_the_newest_are_kept_and_others_go_on(
    broker: Broker, service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mqtt, "HOLD_SECONDS", 0.1)
    monkeypatch.setattr(devices, "MOST_WAITING", 4)
    async with bridged(broker, service) as bridge:
        service.open.clear()
        broker.publish(READINGS, b"[1, 1]")
        await until(lambda: broker.sessions["onset"].acknowledged == [1])
        assert bridge.counts.registry.get_sample_value(
            "onset_mqtt_acknowledged_early_total"
        )
        service.open.set()


async def test_a_broker_that_refuses_the_user_ends_it_with_a_reason(service: Service):
    async with running(password="another") as broker:
        bridge = Bridge(
            Address.at(broker.url, "secret"),
            "onset",
            Topics("devices/{device}/readings"),
            None,
            lambda *_: None,
        )
        with pytest.raises(Unauthenticated, match="'bridge'"):
            await asyncio.wait_for(bridge.run(), PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://broker", "mqtt://host"),
        ("mqtt://ada:secret@broker", "ONSET_MQTT_PASSWORD"),
        ("mqtt://broker:port", "no address"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, why: str):
    with pytest.raises(InvalidInput, match=why) as refused:
        Address.at(url)
    assert "secret" not in str(refused.value)
