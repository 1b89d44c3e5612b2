"""A reading to a row, through everything that may die on the way."""

import asyncio
import contextlib
import json
import random
import sys

import pytest
from websockets.asyncio.client import connect

from app.errors import Unauthenticated
from tests.scenarios.served import Served, bursts, events_of, register

PROFILE = {"channels": [{"name": n} for n in "abcdef"], "rate_hz": 50}
N_READINGS = 3000
KILLS = 6  # `python -m benchmarks.crashes` kills 50 times


async def play(
    service: Served,
    device: str,
    key: str,
    boot: str,
    seed: int,
    calm: asyncio.Event | None = None,
) -> None:
    """Stream one device's readings in pieces of random size; slowly until `calm`."""
    rng = random.Random(f"{boot}/{seed}")
    values = bursts(N_READINGS, 6, seed)
    async with service.device(device, key, boot=boot) as stream:
        at = 0
        while at < len(values):
            n = rng.randint(1, 60)
            await stream.send(values[at : at + n])
            at += n
            if calm is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(calm.wait(), rng.uniform(0, 4))


@pytest.mark.timeout(400)
async def test_killing_the_service_again_and_again_changes_no_event(service: Served):
    devices = [f"band-{n}" for n in range(8)]
    async with service.api() as api:
        keys = await register(api, devices, PROFILE, "arm-band")
        await asyncio.gather(
            *(play(service, d, keys[d], "calm", n) for n, d in enumerate(devices))
        )
        calm = asyncio.Event()
        playing = asyncio.gather(
            *(
                play(service, d, keys[d], "killed", n, calm)
                for n, d in enumerate(devices)
            )
        )
        rng = random.Random(7)
        kills = 0
        while kills < KILLS:
            await asyncio.sleep(rng.uniform(0.1, 0.8))
            assert not playing.done(), f"over after {kills} kills: too short a run"
            service.kill()
            kills += 1
            await asyncio.to_thread(service.start)
        calm.set()
        await playing
        total = 0
        for device in devices:
            wanted = await events_of(api, device, "calm")
            assert await events_of(api, device, "killed") == wanted
            total += len(wanted)
    assert total >= 5 * len(devices)


@pytest.mark.timeout(300)
async def test_each_of_200_devices_gets_the_events_it_gets_alone(service: Served):
    crowd = [f"plug-{n}" for n in range(200)]
    alone = ["alone-0", "alone-1", "alone-2"]
    async with service.api() as api:
        keys = await register(api, crowd + alone, PROFILE, "arm-band")
        wanted = []
        for n, device in enumerate(alone):
            await play(service, device, keys[device], "b", n)
            wanted.append(await events_of(api, device, "b"))
        await asyncio.gather(
            *(play(service, d, keys[d], "b", n % 3) for n, d in enumerate(crowd))
        )
        for n, device in enumerate(crowd):
            assert await events_of(api, device, "b") == wanted[n % 3]
    assert min(map(len, wanted)) >= 5


async def test_sigterm_acknowledges_what_was_received_and_closes_1012(
    service: Served,
):
    async with service.api() as api:
        keys = await register(api, ["ended"], PROFILE, "arm-band")
    stream = service.device("ended", keys["ended"], boot="b", linger_seconds=10.0)
    async with stream:
        await stream.welcome()
        await stream.send(bursts(1000, 6, 0))
        await asyncio.sleep(0.05)  # on its way, and perhaps not committed
        await asyncio.to_thread(service.terminate)
        assert stream.acked == 1000
        await asyncio.to_thread(service.start)
        await stream.send(bursts(10, 6, 1))
        await stream.drained()
        assert stream.connections == 2


async def test_revoking_a_key_closes_its_open_socket(service: Served):
    with pytest.raises(Unauthenticated, match="revoked"):
        await stream_until_refused(service)


async def stream_until_refused(service: Served) -> None:
    """Revoke the key of a device that streams, and go on for twelve seconds."""
    async with service.api() as api:
        keys = await register(api, ["revoked"], PROFILE, "arm-band")
        async with service.device("revoked", keys["revoked"]) as stream:
            await stream.send(bursts(10, 6, 0))
            await stream.drained()
            listed = (await api.call("GET", "/keys"))["items"]
            (key,) = [k["id"] for k in listed if k["device"] == "revoked"]
            await api.call("DELETE", f"/keys/{key}")
            for _ in range(120):
                await stream.send(bursts(1, 6, 0))
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("boot", ["the same", "another"])
async def test_a_silent_old_connection_is_closed_when_the_device_comes_again(
    service: Served, boot: str
):
    device = f"silent-{boot[0]}"
    async with service.api() as api:
        keys = await register(api, [device], PROFILE, "arm-band")
    url = f"{service.url.replace('http', 'ws')}/devices/{device}/stream"
    access = {"Authorization": f"Bearer {keys[device]}"}
    async with (
        connect(url, additional_headers=access) as old,
        connect(url, additional_headers=access) as new,
    ):
        for line, name in ((old, "the same"), (new, boot)):
            await line.send(json.dumps({"type": "hello", "boot": name}))
            assert json.loads(await line.recv())["type"] == "welcome"
        async with asyncio.timeout(5):
            assert json.loads(await old.recv())["title"] == "superseded"
            await old.wait_closed()
        assert old.close_code == 4409
        await new.send(json.dumps({"type": "readings", "seq": 1, "values": [[0] * 6]}))
        async with asyncio.timeout(5):
            assert json.loads(await new.recv()) == {"type": "ack", "ack": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
async def test_a_million_readings_through_one_connection_leave_memory_flat(
    service: Served,
):
    async with service.api() as api:
        keys = await register(api, ["endless"], PROFILE, "arm-band")
    block = bursts(20_000, 6, 0)
    async with service.device("endless", keys["endless"], boot="b") as stream:
        resident = []
        for turn in range(50):
            for at in range(0, len(block), 1000):
                await stream.send(block[at : at + 1000])
            if turn in (9, 49):
                await stream.drained()
                resident.append(service.resident_mib())
    assert stream.acked == 1_000_000
    assert stream.connections == 1
    assert resident[1] - resident[0] < 16
