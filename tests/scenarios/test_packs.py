"""Any kind of device, all at once: each is served by its own models, by no other's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.client import DeviceStream, Onset
from app.domain import Float32Array
from app.errors import Conflict, InvalidInput, InvalidReadings, NotFound
from app.simulate.operator import true_event
from app.simulate.recording import Recording
from app.simulate.signals import Pack, packs
from tests.scenarios.served import Served, register
from tests.scenarios.test_labels import body, bootstrap, send, simulate, streaming

PACKS = packs()
HISTORY_SECONDS = {
    "arm-band": 350.0,
    "smart-plug": 1200.0,
    "pump": 650.0,
    "twin": 1200.0,
}
UNITS = 2


@pytest.fixture(scope="module")
def versions(service: Served) -> dict[str, int]:
    """All packs, trained and streamed at once; the version of each."""

    async def all_at_once() -> list[int]:
        async with service.api() as api:
            return await asyncio.gather(
                *(live(service, api, pack) for pack in PACKS.values())
            )

    service.start("trainer")
    return dict(zip(PACKS, asyncio.run(all_at_once()), strict=True))


async def test_three_kinds_of_device_stream_at_once_each_to_its_own_models(
    service: Served, versions: dict[str, int]
):
    async with service.api() as api:
        for pack in PACKS.values():
            name = pack.profile.name
            version = versions[name]
            assert [m["version"] async for m in api.models(name)] == [version]
            events = [e async for e in streamed(api, pack)]
            assert {e["prediction"]["model_version"] for e in events} == {version}
            assert {e["prediction"]["label"] for e in events} == set(pack.classes)
            assert {e["profile"] for e in events} == {name}
            assert correct(events, pack) >= 0.9
    assert len(set(versions.values())) == len(PACKS) == 3


async def test_a_profiles_model_is_given_to_no_other_profiles_window(
    service: Served, versions: dict[str, int]
):
    plug, version = PACKS["smart-plug"], versions["smart-plug"]
    twin = replace(plug, profile=replace(plug.profile, name="twin"))  # same channels
    async with service.api() as api, connected(service, api, twin) as unserved:
        await send(unserved[0], recording(twin, 0))
        events = [e async for e in streamed(api, twin)]
        assert len(events) >= 5
        assert [e["prediction"] for e in events] == [None] * len(events)
        window = await api.window(events[0]["id"])
        with pytest.raises(NotFound, match=f"twin has no model version {version}"):
            await api.classify("twin", [window], model_version=version)
        with pytest.raises(InvalidInput, match=r"4\) must be \(n_readings, 3\)"):
            await api.classify("smart-plug", [np.zeros((20, 4))])


@pytest.mark.parametrize(
    "subprotocol",
    [
        "onset.v1.json",
        "onset.v1.msgpack",
    ],
)
async def test_readings_of_another_kind_of_device_are_refused_and_leave_no_event(
    service: Served, subprotocol: str
):
    plug, pump = PACKS["smart-plug"], PACKS["pump"]
    async with service.api() as api:
        keys = await register(api, ["wrong"], body(plug), "smart-plug")
        line = service.device("wrong", keys["wrong"], subprotocol=subprotocol)
        with pytest.raises(InvalidReadings, match="channels"):
            await play(line, recording(pump, 0).values[:50])
        with pytest.raises(Conflict, match="smart-plug"):
            await api.put_profile("smart-plug", body(pump))
        assert [e async for e in api.events(device="wrong")] == []


async def live(service: Served, api: Onset, pack: Pack) -> int:
    """Declare a pack, train it on history, and stream all its devices at once."""
    async with connected(service, api, pack) as streams:
        version = await bootstrap(api, pack, HISTORY_SECONDS[pack.profile.name])
        await asyncio.gather(
            *(send(stream, recording(pack, n)) for n, stream in enumerate(streams))
        )
    return version


async def play(line: DeviceStream, values: Float32Array) -> None:
    """Connect and send readings, until they are durable."""
    async with line:
        await line.send(values)
        await line.drained()


@asynccontextmanager
async def connected(
    service: Served, api: Onset, pack: Pack
) -> AsyncIterator[list[DeviceStream]]:
    """Connect the devices of a pack."""
    names = [f"{pack.profile.name}-{n}" for n in range(UNITS)]
    async with streaming(service, api, pack, names) as streams:
        yield list(streams.values())


def recording(pack: Pack, number: int) -> Recording:
    """Make what a device of a pack has to say."""
    name = pack.profile.name
    return simulate(pack, f"{name}-{number}", HISTORY_SECONDS[name] / 4)


async def streamed(api: Onset, pack: Pack) -> AsyncIterator[dict[str, Any]]:
    """Read the events that a detector found."""
    async for event in api.events(profile=pack.profile.name):
        if "imported" not in event["flags"]:
            yield event


def correct(events: list[dict[str, Any]], pack: Pack) -> float:
    """Share of right answers among the events that really happened."""
    played = {f"{pack.profile.name}-{n}": recording(pack, n) for n in range(UNITS)}
    right = []
    for event in events:
        seqs = event["onset_seq"], event["offset_seq"]
        truth = true_event(played[event["device"]], *seqs)
        if truth is not None:
            right.append(truth.label == event["prediction"]["label"])
    return float(np.mean(right))
