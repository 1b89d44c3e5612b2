"""The SDK against real sockets: whatever breaks, everything becomes durable once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from app.client import DeviceStream, retry
from app.errors import (
    Conflict,
    InvalidInput,
    InvalidReadings,
    Superseded,
    Unauthenticated,
    Unavailable,
)
from app.wire import messages
from app.wire.session import Close
from tests.client.service import KEY, Service, running
from tests.wire.toy import uninterrupted


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running() as service:
        yield service


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(retry, "LONGEST_SECONDS", 0.05)


def stream(service: Service, **more: object) -> DeviceStream:
    return DeviceStream(service.url, "d", KEY, random=Random(1), **more)  # type: ignore[arg-type]


def series(n: int, seed: int = 1) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 6, n)
    return np.column_stack([values, np.arange(1, n + 1)]).astype(np.float32)


def made(rows: np.ndarray) -> dict[int, tuple[float, float]]:
    return {seq: (row[0], row[1]) for seq, row in enumerate(rows.tolist(), 1)}


@pytest.mark.parametrize("subprotocol", ["onset.v1.json", "onset.v1.msgpack"])
async def test_everything_sent_becomes_durable_and_events_are_heard(
    service: Service, subprotocol: str
) -> None:
    rows, heard = series(500), list[messages.Event]()
    async with stream(service, subprotocol=subprotocol, on_event=heard.append) as s:
        for first in range(0, 500, 20):
            await s.send(rows[first : first + 20], time=100.0 + first)
        await s.drained()
        assert s.acked == 500
        assert s.unacked == 0
        boot = s.boot
    events, _ = uninterrupted(made(rows), {}, 500)
    row = service.store[boot]
    assert {(e.onset_seq, e.offset_seq) for e in heard} == {e[:2] for e in row.events}
    assert events <= row.events, "all of them, and the one that end() closed"
    assert row.events.total() - events.total() <= 1


async def test_cuts_kills_and_resends_change_nothing(service: Service) -> None:
    rows, random = series(1500), Random(7)
    async with stream(service) as s:
        await s.welcome()
        for first in range(0, 1500, 10):
            await s.send(rows[first : first + 10])
            fate = random.random()
            if fate < 0.05:
                s.cut()
            elif fate < 0.08:
                await service.kill()
                await service.start()
            elif fate < 0.12:
                s.resend(max(1, s.acked - 5))
            elif fate < 0.14:
                await service.stop()
                await service.start()
        await s.drained()
        events, state = uninterrupted(made(rows), {}, 1500)
        row = service.store[s.boot]
        assert row.watermark == 1500
        assert row.events == events
        assert row.state == state
        assert not row.gaps
        assert s.connections >= 10


async def test_send_waits_while_the_window_is_full(service: Service) -> None:
    async with stream(service) as s:
        await s.welcome()
        service.open.clear()
        for _ in range(16):
            await s.send([1, 1])
        waiting = asyncio.create_task(s.send([1, 1]))
        await asyncio.sleep(0.03)
        assert not waiting.done()
        service.open.set()
        assert await waiting == 17


async def test_a_sensor_gives_up_the_oldest_and_says_so(service: Service) -> None:
    await service.stop()
    rows = series(100)
    async with stream(service, overflow="drop_oldest", capacity=30) as s:
        for row in rows:
            await s.send(row)
        assert s.skipped == 70
        await service.start()
        await s.drained()
        row = service.store[s.boot]
        assert row.gaps == {1: 71}
        assert row.watermark == 100


async def test_an_announced_skip_reaches_the_server(service: Service) -> None:
    async with stream(service) as s:
        await s.send([1, 1])
        s.skip(5, "sensor fell off")
        assert await s.send([1, 2]) == 7
        await s.drained()
        assert service.store[s.boot].gaps == {2: 7}


async def test_a_file_survives_the_restart_of_the_device(
    service: Service, tmp_path: Path
) -> None:
    rows, path = series(60), tmp_path / "device.db"
    async with stream(service, path=path) as s:
        await s.send(rows[:20])
        await s.drained()
        await service.stop()
        await s.send(rows[20:40])
        boot = s.boot
        with pytest.raises(Conflict, match="in use"):
            stream(service, path=path)
    await service.start()
    async with stream(service, path=path) as s:
        assert s.boot == boot
        assert await s.send(rows[40:]) == 42, "41 says that the device restarted"
        await s.drained()
    row = service.store[boot]
    assert row.watermark == 61
    assert row.gaps == {41: 42}


async def test_a_known_boot_goes_on_where_the_server_stands(service: Service) -> None:
    rows = series(40)
    async with stream(service, boot="part-1") as s:
        await s.send(rows[:25])
        await s.drained()
        await s.close()
    async with stream(service, boot="part-1") as s:
        ack = (await s.welcome()).ack
        assert ack == 25
        assert await s.send(rows[ack:]) == 26
        await s.drained()
        events, _ = uninterrupted(made(rows), {}, 40)
        assert service.store["part-1"].events == events


async def test_a_server_that_lost_what_it_had_is_told_of_the_gap(
    service: Service,
) -> None:
    async with stream(service) as s:
        await s.send(series(20))
        await s.drained()
        service.store[s.boot].watermark = 5
        service.store[s.boot].state = None
        s.cut()
        await s.send(series(20))
        await s.drained()
        assert service.store[s.boot].gaps[6] == 21


REFUSALS = [
    (4400, InvalidInput),
    (4401, Unauthenticated),
    (4409, Superseded),
    (4410, InvalidReadings),
]


@pytest.mark.parametrize(("code", "error"), REFUSALS)
async def test_what_a_retry_cannot_mend_is_raised_with_its_reason(
    service: Service, code: int, error: type[Exception]
) -> None:
    async with stream(service) as s:
        await s.welcome()
        service.refuse.append(Close(code, "refused", "because of this", False))
        await s.send([1, 1])
        with pytest.raises(error, match="because of this"):
            await s.drained()
        with pytest.raises(error):
            await s.send([1, 1])
        with pytest.raises(error):
            await anext(aiter(s))
        await s.close()


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4407, 4408, 4423, 4429])
async def test_what_a_retry_can_mend_is_mended(service: Service, code: int) -> None:
    async with stream(service) as s:
        await s.welcome()
        service.refuse.append(Close(code, "later", "", True))
        await s.send([1, 1])
        await s.drained()
        assert s.connections == 2


async def test_a_wrong_key_is_said_at_once(service: Service) -> None:
    async with DeviceStream(service.url, "d", "ons_wrong") as s:
        with pytest.raises(Unauthenticated, match=r"401.*no such key"):
            await s.welcome()
        await s.close()


async def test_leaving_says_what_is_not_durable(service: Service) -> None:
    await service.stop()
    with pytest.raises(Unavailable, match="2 readings"):
        async with stream(service, linger_seconds=0.05) as s:
            await s.send([[1, 1], [2, 2]])


async def test_readings_of_another_width_are_refused_before_they_are_sent(
    service: Service,
) -> None:
    async with stream(service) as s:
        await s.send([1, 2])
        with pytest.raises(InvalidReadings, match="3 values"):
            await s.send([1, 2, 3])
        with pytest.raises(InvalidReadings, match="2 times"):
            await s.send([1, 2], time=[1.0, 2.0])


async def test_iteration_hears_events_and_stops_at_the_end(service: Service) -> None:
    async with stream(service) as s:
        await s.send([[0, 1], [5, 2], [4, 3], [0, 4]])
        heard = asyncio.create_task(listen(s))
        await s.end()
        events = await heard
    assert [(e.onset_seq, e.offset_seq, e.peak) for e in events] == [(2, 4, 5.0)]


async def listen(s: DeviceStream) -> list[messages.Event]:
    return [said async for said in s if isinstance(said, messages.Event)]


async def test_a_callback_that_fails_ends_the_stream_by_its_name(
    service: Service,
) -> None:
    def fail(event: messages.Event) -> None:
        raise OSError("disk full")

    async with stream(service, on_event=fail) as s:
        await s.send([[5, 1], [0, 2]])
        with pytest.raises(RuntimeError, match="callback"):
            await s.end()
        await s.close()


async def test_no_task_outlives_the_stream(service: Service) -> None:
    before = asyncio.all_tasks()
    async with stream(service) as s:
        await s.send([1, 1])
    await service.kill()
    await asyncio.sleep(0)
    assert {
        t for t in asyncio.all_tasks() - before if "DeviceStream" in repr(t)
    } == set()
    assert s._runner is not None
    assert s._runner.done()
