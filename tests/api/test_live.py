"""What happens, as it happens, without a hole."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api import live
from app.api.state import State
from app.domain import Onset, Profile, Readings, Retraction
from app.service.notify.hub import Hub, Message
from app.store import events, keys
from tests.api.reader import reading
from tests.service.scene import T0, add_events, cycle, event_of, profile_of


@dataclass(frozen=True)
class Stream:
    """What the hub's messages say of a stream."""

    device: str
    boot: str
    profile: Profile


STREAM = Stream("arm-1", "b1", profile_of())


async def publish_stored(state: State, position: int) -> int:
    """Do what the feed does; return the newest position."""
    async with state.engine.begin() as conn:
        for row in await events.after(conn, position, 100):
            state.hub.publish(Message("event", row, row.position))
            position = row.position
    return position


async def test_reader_who_comes_back_misses_nothing_and_hears_nothing_twice(
    app: FastAPI, state: State, engine: AsyncEngine, secrets: dict[str, str]
) -> None:
    first = await add_events(engine, "arm", cycle(3))
    async with reading(app, secrets["viewer"], "/live") as reader:
        hello = await reader.take()
        assert (hello.kind, reader.status) == ("hello", 200)
        assert hello.id == str(hello.data["position"])
        position = int(hello.id)
        (seen,) = await add_events(engine, "arm", ["fist"], start=3)
        position = await publish_stored(state, position)
        said = await reader.take()
        assert (said.kind, said.data["id"]) == ("event", str(seen.id))
        last = said.id
    missed = await add_events(engine, "arm", cycle(5), start=4)
    async with reading(
        app, secrets["viewer"], "/live", **{"last-event-id": last or ""}
    ) as reader:
        ids = [(await reader.take()).data["id"] for _ in missed]
        position = await publish_stored(state, position)  # the feed was behind
        (fresh,) = await add_events(engine, "arm", ["wave"], start=20)
        await publish_stored(state, position)
        ids.append((await reader.take()).data["id"])
    assert ids == [str(e.id) for e in (*missed, fresh)]
    assert len(first) == 3


async def test_every_kind_is_said_in_its_shape(
    app: FastAPI, state: State, secrets: dict[str, str]
) -> None:
    event = event_of("arm", "arm-1", 0, "fist")
    whose = {"event": str(event.id), "device": "arm-1", "boot": "b1", "profile": "arm"}
    async with reading(app, secrets["viewer"], "/live") as reader:
        await reader.take()
        state.hub.publish(Message("onset", (STREAM, Onset(event.id, 5, T0))))
        state.hub.publish(Message("retract", (STREAM, Retraction(event.id))))
        state.hub.publish(Message("job", {"id": 1, "profile": "arm"}))
        onset = await reader.take()
        assert onset.data == whose | {
            "onset_seq": 5,
            "onset": "2026-01-01T00:00:00.000000Z",
        }
        assert onset.id is None
        assert (await reader.take()).data == whose
        assert await reader.take() == ("job", {"id": 1, "profile": "arm"}, None)


async def test_reader_hears_only_what_was_asked_for(
    app: FastAPI, state: State, secrets: dict[str, str]
) -> None:
    query = "kind=job&kind=model&profile=arm"
    async with reading(app, secrets["viewer"], "/live", query) as reader:
        await reader.take()
        for kind, profile in (("job", "leg"), ("label", "arm"), ("model", "arm")):
            state.hub.publish(Message(kind, {"profile": profile}))
        assert (await reader.take()).kind == "model"


async def test_slow_reader_is_told_and_dropped(
    app: FastAPI, state: State, secrets: dict[str, str]
) -> None:
    object.__setattr__(state, "hub", Hub(queue_messages=3))
    async with reading(app, secrets["viewer"], "/live") as reader:
        await reader.take()
        for number in range(5):  # without letting the reader turn
            state.hub.publish(Message("job", {"id": number}))
        assert (await reader.take()).data["title"] == "Too slow"
        async with asyncio.timeout(5):
            await reader.ended.wait()


async def test_reader_whose_key_is_revoked_is_sent_away(
    app: FastAPI,
    state: State,
    secrets: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.0)
    async with reading(app, secrets["viewer"], "/live") as reader:
        await reader.take()
        key = await state.keys.find(secrets["viewer"])
        async with state.engine.begin() as conn:
            await keys.revoke(conn, key.id)
        state.keys.forget()
        state.hub.publish(Message("job", {"id": 1}))
        assert (await reader.take()).kind == "error"


@pytest.mark.parametrize("last", ["x", "-1", "9" * 30])
async def test_id_that_this_stream_never_gave_is_refused(
    app: FastAPI, secrets: dict[str, str], last: str
) -> None:
    headers: dict[str, Any] = {"last-event-id": last}
    async with reading(app, secrets["viewer"], "/live", **headers) as reader:
        async with asyncio.timeout(5):
            await reader.ended.wait()
        assert reader.status == 422


async def until(true: Callable[[], bool]) -> None:
    """Let the application turn until something is so."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


async def test_signal_shows_the_readings_of_one_device(
    app: FastAPI, state: State, secrets: dict[str, str]
) -> None:
    path = "/devices/arm-1/signal"
    async with reading(app, secrets["viewer"], path) as reader:
        await until(lambda: state.hub.wanted("signal:arm-1"))
        values = np.array([[1.5, np.nan], [2.0, np.inf]], np.float32)
        block = Readings(7, values, np.zeros(2))
        state.hub.publish(Message("signal", (STREAM, block)), topic="signal:arm-1")
        assert (await reader.take()).data == {
            "boot": "b1",
            "first_seq": 7,
            "values": [[1.5, None], [2.0, None]],
            "channels": ["x", "y"],
            "rate_hz": 50.0,
        }
    assert not state.hub.wanted("signal:arm-1")


async def test_signals_show_the_readings_of_a_profile_and_name_its_channels(
    app: FastAPI, state: State, secrets: dict[str, str]
) -> None:
    async with reading(app, secrets["viewer"], "/signals", "profile=arm") as reader:
        hello = await reader.take()
        channels = hello.data["profiles"]["arm"]["channels"]
        assert [one["name"] for one in channels] == ["x", "y"]
        await until(lambda: state.hub.wanted("signals:arm"))
        block = Readings(7, np.array([[1.5, np.nan]], np.float32), np.zeros(1))
        state.hub.publish(Message("signal", (STREAM, block)), topic="signals:arm")
        assert (await reader.take()) == (
            "signals",
            {
                "blocks": [
                    {
                        "device": "arm-1",
                        "boot": "b1",
                        "profile": "arm",
                        "rate_hz": 50.0,
                        "first_seq": 7,
                        "values": [[1.5, None]],
                    }
                ]
            },
            None,
        )
    assert not state.hub.wanted("signals:arm")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("profile=arm&device=arm-1", 422),
        ("profile=leg", 404),
        ("device=arm-1&device=arm-9", 404),
    ],
)
async def test_signals_of_nobody_are_refused(
    app: FastAPI, secrets: dict[str, str], query: str, status: int
) -> None:
    async with reading(app, secrets["viewer"], "/signals", query) as reader:
        async with asyncio.timeout(5):
            await reader.ended.wait()
        assert reader.status == status


async def test_what_many_hear_is_written_once(
    app: FastAPI,
    state: State,
    secrets: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = 0
    plain = live.happening

    def counted(message: Message) -> Any:
        nonlocal times
        times += 1
        return plain(message)

    monkeypatch.setattr(live, "happening", counted)
    async with (
        reading(app, secrets["viewer"], "/live") as one,
        reading(app, secrets["viewer"], "/live", "kind=job") as two,
    ):
        for reader in (one, two):
            await reader.take()
        state.hub.publish(Message("job", {"id": 1, "profile": "arm"}))
        assert await one.take() == await two.take()
    assert times == 1
