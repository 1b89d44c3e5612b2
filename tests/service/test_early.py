"""What a device hears of an open event: onset, provisional answers, retraction."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import Stream
from app.domain import DetectorVersion, Event, Readings
from app.service.champion import Champions
from app.service.metrics import Metrics
from app.service.notify.hub import Hub
from app.service.streams.commit import GroupCommit, Pace
from app.service.streams.ingest import Ingest
from app.service.streams.load import ORDER, Load
from app.service.streams.shared import Shared
from app.store import events
from app.store.artefacts import Artefacts
from tests.service.scene import RATE_HZ, add_version, profile_of, put_profile
from tests.service.test_ingest import Line

EVERY_SECONDS = 1.0
STEP = 5
BURST = 2000


@dataclass
class Heard:
    """A message, and how many readings had been sent when it came."""

    after: int
    message: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.message["type"])


@pytest.fixture
async def line(engine: AsyncEngine, artefacts: Artefacts) -> AsyncIterator[Line]:
    """A connection to a service with a champion."""
    await put_profile(engine, profile_of())
    await add_version(engine, artefacts, "v", promote_from=None)
    champions = Champions(engine, artefacts)
    await champions.refresh()
    metrics = Metrics()
    commit = GroupCommit(engine, metrics, Pace(0.005, 0.05))
    load = Load(metrics, 1.0)
    shared = Shared(champions, commit, Hub(), metrics, EVERY_SECONDS, load=load)
    running = asyncio.create_task(commit.run())
    opened = Line(Ingest(engine, shared), "arm-1", 8192)
    opened.load = load
    opened.listening = asyncio.create_task(opened.listen())
    await opened.say(type="hello", boot="b1")
    yield opened
    await commit.drained()
    for task in (opened.listening, running):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def burst(seconds: float) -> np.ndarray:
    values = np.random.default_rng(3).normal(0, 0.1, (3000, 2))
    values[BURST : BURST + int(seconds * RATE_HZ)] *= 40
    return values.astype(np.float32)


async def play(line: Line, values: np.ndarray) -> list[Heard]:
    """Send readings as they would come; note what was heard after which."""
    heard: list[Heard] = []
    known = len(line.heard)
    for at in range(0, len(values), STEP):
        rows = values[at : at + STEP].tolist()
        await line.say(type="readings", seq=1 + at, values=rows)
        await asyncio.sleep(0)
        heard += [Heard(at + STEP, one) for one in line.heard[known:]]
        known = len(line.heard)
    return [one for one in heard if one.kind != "ack"]


async def test_onset_and_provisional_answers_come_while_the_event_is_open(line: Line):
    heard = await play(line, burst(5.0))
    onset = heard[0]
    assert onset.kind == "onset"
    late = (onset.after - BURST) / RATE_HZ
    assert 0 < late <= 0.6  # the smoothing of `energy`
    event = onset.message["event"]
    answers = [one for one in heard if one.kind == "prediction"]
    assert {one.message["event"] for one in answers} == {event}
    open_then = [one for one in answers if one.message["provisional"]]
    assert answers[: len(open_then)] == open_then
    assert [one.message["provisional"] for one in answers[len(open_then) :]] == [False]
    # one with the onset, then one each second of readings, and none late
    assert open_then[0].after == onset.after
    apart = np.diff([one.after for one in open_then]) / RATE_HZ
    assert len(apart) >= 4
    assert apart.min() >= EVERY_SECONDS
    assert apart.max() <= EVERY_SECONDS + STEP / RATE_HZ
    assert not any(one.kind == "retract" for one in heard)


async def test_the_answer_comes_with_the_reading_that_ends_the_event_before_any_commit(
    line: Line,
):
    values = burst(2.0)
    alone = Stream(profile_of(), DetectorVersion(1, "arm", {}), "arm-1", "b1")
    ended = []
    for at in range(0, len(values), STEP):
        times = (at + np.arange(STEP)) / RATE_HZ
        said = alone.receive(Readings(1 + at, values[at : at + STEP], times))
        ended += [at + STEP for one in said if isinstance(one, Event)]
    assert len(ended) == 1
    heard = await play(line, values)
    final = [one for one in heard if one.message.get("provisional") is False]
    assert [one.after for one in final] == ended
    durable = [one for one in heard if one.kind == "event"]
    assert all(heard.index(final[0]) < heard.index(one) for one in durable)


async def test_what_comes_to_nothing_is_retracted_and_never_stored(
    line: Line, engine: AsyncEngine
):
    heard = await play(line, burst(0.4))
    kinds = [one.kind for one in heard]
    assert (kinds[0], kinds[-1]) == ("onset", "retract")
    assert heard[0].message["event"] == heard[-1].message["event"]
    assert all(one.message["provisional"] for one in heard if one.kind == "prediction")
    late = (heard[-1].after - BURST) / RATE_HZ
    assert late <= 0.4 + 2.5  # the end, and what `energy` waits to be sure of it
    async with engine.connect() as conn:
        found, _ = await events.list_(conn, events.EventFilter(), 10, None)
    assert found == []


async def test_a_process_that_cannot_keep_up_says_nothing_provisional(line: Line):
    line.load.given_up = ORDER[:2]
    heard = await play(line, burst(5.0))
    kinds = [one.kind for one in heard]
    assert kinds[0] == "onset"
    answers = [one for one in heard if one.kind == "prediction"]
    assert [one.message["provisional"] for one in answers] == [False]
