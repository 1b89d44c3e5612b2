"""Readings by HTTP: the same events as by the socket, however cut and resent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api import batches
from app.api.sockets import Patience, Sockets
from app.api.state import State
from app.domain import Float32Array
from app.service.metrics import Metrics
from app.service.streams.commit import GroupCommit, Pace
from app.service.streams.fleet import Fleet
from app.service.streams.ingest import Ingest
from app.service.streams.shared import Shared
from app.store import devices, events
from app.store.events import EventFilter, EventRow
from app.wire.actions import Limits
from tests.api.caller import Caller, require_problem

PATH = "/devices/arm-1/readings"


@pytest.fixture
async def sockets(
    app: FastAPI, state: State, engine: AsyncEngine
) -> AsyncIterator[Sockets]:
    metrics = Metrics()
    commit = GroupCommit(engine, metrics, Pace(0.005, 0.05))
    shared = Shared(state.champions, commit, state.hub, metrics, 1.0)
    made = Sockets(
        ingest=Ingest(engine, shared),
        commit=commit,
        metrics=metrics,
        fleet=Fleet(Limits(), state.hub),
        load=state.load,
        limits=Limits(max_readings=100),
        window=250,
        patience=Patience(10.0, 90.0, 10.0),
        per_key=4,
        per_second=10_000,
    )
    app.state.sockets = made
    running = asyncio.create_task(commit.run())
    yield made
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    del app.state.sockets


def signal(n: int = 1500) -> Float32Array:
    values = np.random.default_rng(1).normal(0, 0.05, (n, 2))
    for begin in (400, 900):
        values[begin : begin + 80] *= 60
    return values.astype(np.float32)


async def send(
    caller: Caller, values: Float32Array, boot: str, first: int = 1, **more: Any
) -> dict[str, Any]:
    rows = values.tolist()
    body = {"boot": boot, "seq": first, "values": rows, "time": 1e9 + first / 50}
    answer = await caller("POST", PATH, json=body | more)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def stored(engine: AsyncEngine, boot: str) -> list[EventRow]:
    async with engine.connect() as conn:
        return (await events.list_(conn, EventFilter(boot=boot)))[0]


def spans(rows: list[EventRow]) -> list[tuple[int, int, str]]:
    return [(row.onset_seq, row.offset_seq, row.onset.isoformat()) for row in rows]


async def test_batches_give_the_same_events_however_they_are_cut_and_resent(
    api: dict[str, Caller], engine: AsyncEngine, sockets: Sockets
) -> None:
    device, values = api["device"], signal()
    whole = await send(device, values, "whole", end=True)
    assert whole["ack"] == 1500
    found = [one for one in whole["said"] if one["type"] == "event"]
    assert len(found) == 2
    for begin in range(0, 1500, 330):
        part = values[begin : begin + 330]
        assert (await send(device, part, "cut", begin + 1))["ack"] == begin + len(part)
        again = await send(device, part, "cut", begin + 1)
        assert again == {"ack": begin + len(part), "said": []}
    await send(device, values[-50:], "cut", 1451, end=True)
    first, second = await stored(engine, "whole"), await stored(engine, "cut")
    assert spans(first) == spans(second)
    assert [str(row.id) for row in first] == [one["event"] for one in found]
    assert not sockets.open


async def test_missing_readings_are_refused_until_they_are_said_to_be_a_gap(
    api: dict[str, Caller], sockets: Sockets
) -> None:
    device = api["device"]
    await send(device, signal(10), "b")
    late = {"boot": "b", "seq": 21, "values": [[0.0, 1.0]]}
    said = require_problem(await device("POST", PATH, json=late), 409)
    assert "seq=21, but 11 comes next" in said["detail"]
    answer = await device("POST", PATH, json=late | {"gap": "the memory was full"})
    assert answer.json() == {"ack": 21, "said": []}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"values": [[1.0]]}, 422),
        ({"values": [["1", "2"]]}, 422),
        ({"values": []}, 422),
        ({"seq": 0}, 422),
        ({"boot": "ä"}, 422),
        ({"time": [1.0, 2.0]}, 422),
        ({"profile": "leg"}, 404),
    ],
)
async def test_batch_that_cannot_be_is_refused(
    api: dict[str, Caller], sockets: Sockets, change: dict[str, Any], status: int
) -> None:
    body = {"boot": "b", "seq": 1, "values": [[1.0, None]]} | change
    require_problem(await api["device"]("POST", PATH, json=body), status)
    assert not sockets.open


async def test_batch_that_is_not_durable_in_time_is_asked_for_again(
    api: dict[str, Caller], sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "DURABLE_SECONDS", 0.05)
    stuck = GroupCommit(sockets.ingest._engine, sockets.metrics, Pace())
    shared = replace(sockets.ingest._shared, commit=stuck)
    monkeypatch.setattr(sockets.ingest, "_shared", shared)
    body = {"boot": "b", "seq": 1, "values": signal(10).tolist()}
    answer = await api["device"]("POST", PATH, json=body)
    assert "durable up to reading 0" in require_problem(answer, 503)["detail"]
    assert not sockets.open


async def test_service_that_drains_takes_no_batch(
    api: dict[str, Caller], sockets: Sockets
) -> None:
    sockets.draining = True
    body = {"boot": "b", "seq": 1, "values": signal(10).tolist()}
    require_problem(await api["device"]("POST", PATH, json=body), 503)


async def test_paused_device_keeps_its_readings_and_goes_on_without_a_gap(
    api: dict[str, Caller], sockets: Sockets, engine: AsyncEngine
) -> None:
    device, operator, values = api["device"], api["operator"], signal()
    await send(device, values[:410], "b")
    visit = batches.Visit(sockets, "arm-1")
    sockets.enter(visit.connection, "a key")
    because = {"reason": "the arm is being mounted"}
    said = await operator("POST", "/devices/arm-1/pause", json=because)
    assert said.json()["paused"]["by"] == "operator"
    assert visit.connection.close is not None
    assert visit.connection.close.code == 4423
    sockets.leave(visit.connection)
    rest = {"boot": "b", "seq": 411, "values": values[410:].tolist(), "end": True}
    refused = require_problem(await device("POST", PATH, json=rest), 409)
    assert "the arm is being mounted" in refused["detail"]
    again = await operator("POST", "/devices/arm-1/pause", json={"reason": "x"})
    assert again.json() == said.json()
    (shown,) = (await api["viewer"]("GET", "/devices")).json()["items"]
    assert shown == said.json()
    resumed = await operator("POST", "/devices/arm-1/resume")
    assert resumed.json()["paused"] is None
    await operator("POST", "/devices/arm-1/resume")
    answer = await device("POST", PATH, json=rest)
    assert answer.json()["ack"] == 1500
    flags = [row.flags for row in await stored(engine, "b")]
    assert len(flags) == 2
    assert not any("gap" in one for one in flags)
    acts = (await api["admin"]("GET", "/audit")).json()["items"]
    done = [act["act"] for act in acts if act["object"] == "device:arm-1"]
    assert done == ["resume", "pause"]
    for act in ("pause", "resume"):
        path = f"/devices/nobody/{act}"
        require_problem(await operator("POST", path, json=because), 404)


async def test_pause_that_another_process_was_told_of_closes_sockets_here(
    state: State,
    secrets: dict[str, str],
    sockets: Sockets,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.api.sockets.KEY_CHECK_SECONDS", 0.01)
    visit = batches.Visit(sockets, "arm-1")
    key = await state.keys.find(secrets["device"])
    sockets.enter(visit.connection, str(key.id))
    async with engine.begin() as conn:
        await devices.pause(conn, "arm-1", "ann", "mounting")
    looking = asyncio.create_task(sockets.expel(engine))
    async with asyncio.timeout(5):
        while visit.connection.close is None:  # noqa: ASYNC110 - as a socket looks
            await asyncio.sleep(0.01)
    looking.cancel()
    assert visit.connection.close.code == 4423
    sockets.leave(visit.connection)
