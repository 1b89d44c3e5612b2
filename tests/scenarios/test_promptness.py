"""How soon what ends an event is answered, and told to whoever must look at it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from app.client import Onset
from app.detection import Stream, complete
from app.domain import DetectorVersion, Event, Readings
from app.store import engine as database
from app.store.artefacts import Artefacts
from tests.scenarios.served import Served, bursts
from tests.service.receiver import Receiver, receiving
from tests.service.scene import RATE_HZ, add_version, profile_of, put_profile

PROFILE = profile_of()
ANSWER_SECONDS = 0.1
"""Median from an event's last reading to its answer, beyond what the line itself takes;
some milliseconds are usual."""
ALERT_SECONDS = 4.0
"""Median from an event's last reading to the alert at a receiver; 0.4 s are usual."""
DEVICES = ("alarming-1", "alarming-2", "alarming-3")


@pytest.fixture(scope="module")
def service(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A service whose profile has a champion."""
    folder = tmp_path_factory.mktemp("service")
    asyncio.run(furnish(module_database_url, folder / "models"))
    internal = {"ONSET_WEBHOOKS_ALLOW_INTERNAL": "true"}
    served = Served(module_database_url, folder, **internal)
    try:
        served.start()
        yield served
    finally:
        served.stop()


async def furnish(database_url: str, models: Path) -> None:
    engine = database.create(database_url, pool_size=1)
    await put_profile(engine, PROFILE)
    await add_version(engine, Artefacts(models), "v", promote_from=None)
    await engine.dispose()


class Line:
    """A device that knows which reading ends an event."""

    def __init__(self, line: ClientConnection, seed: int, length: int) -> None:
        self._line = line
        self._values = bursts(length, len(PROFILE.channels), seed)
        version = DetectorVersion(1, PROFILE.name, complete({}))
        alone = Stream(PROFILE, version, "alone", "b")
        self.ends = [  # number of the reading with which each event is known whole
            seq
            for seq, row in enumerate(self._values, 1)
            for one in alone.receive(
                Readings(seq, row[None], np.array([seq / RATE_HZ]))
            )
            if isinstance(one, Event)
        ]
        self._sent = 0

    async def send_until(self, seq: int) -> None:
        rows = self._values[self._sent : seq].tolist()
        said = {"type": "readings", "seq": self._sent + 1, "values": rows}
        await self._line.send(json.dumps(said))
        self._sent = seq

    async def end_event(self, seq: int) -> float:
        """Send the reading that ends an event; when it was sent, by `perf_counter`."""
        await self.send_until(seq - 1)
        await self.ping()  # all that came before is done with
        await asyncio.sleep(0.01)
        began = time.perf_counter()
        await self.send_until(seq)
        return began

    async def answered(self) -> None:
        """Wait for the final answer."""
        async with asyncio.timeout(30):
            while True:
                said = json.loads(await self._line.recv())
                if said["type"] == "prediction" and not said["provisional"]:
                    return

    async def ping(self) -> float:
        """Seconds of a round trip that asks nothing of the product."""
        began = time.perf_counter()
        await (await self._line.ping())
        return time.perf_counter() - began


@asynccontextmanager
async def device(
    service: Served, api: Onset, name: str, length: int
) -> AsyncIterator[Line]:
    await api.put_device(name, PROFILE.name)
    key = await api.device_key(name)
    url = f"{service.url.replace('http', 'ws')}/devices/{name}/stream"
    access = {"Authorization": f"Bearer {key}"}
    async with connect(url, additional_headers=access, compression=None) as line:
        await line.send(json.dumps({"type": "hello", "boot": "b"}))
        await line.recv()
        yield Line(line, 1, length)


async def test_an_answer_comes_at_once_when_the_last_reading_of_its_event_has_come(
    service: Served,
) -> None:
    waits, pings = [], []
    async with service.api() as api, device(service, api, "quick", 2400) as line:
        assert len(line.ends) >= 5
        for seq in line.ends:
            began = await line.end_event(seq)
            await line.answered()
            waits.append(time.perf_counter() - began)
            pings.append(await line.ping())
    wait, ping = np.median(waits), np.median(pings)
    assert wait <= ANSWER_SECONDS + 5 * ping, f"{wait} s, a bare round trip {ping} s"


async def test_an_alert_is_at_its_receiver_seconds_after_its_event_has_ended(
    service: Served,
) -> None:
    waits = []
    async with service.api() as api, receiving() as receiver:
        hook = {"url": receiver.url, "types": ["onset.alert"]}
        await api.call("POST", "/webhooks", json=hook)
        await api.add_alert_rule("look", "event")
        for name in DEVICES:
            async with device(service, api, name, 800) as line:
                began = await line.end_event(line.ends[0])
                await told(receiver, name)
                waits.append(time.perf_counter() - began)
    assert np.median(waits) <= ALERT_SECONDS, waits


async def told(receiver: Receiver, device: str) -> None:
    """Wait until a receiver was told of a device."""
    async with asyncio.timeout(30):
        while True:
            said = [json.loads(body)["data"]["device"] for _, body in receiver.got]
            if device in said:
                return
            await asyncio.sleep(0.01)
