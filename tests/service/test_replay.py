"""Recorded streams and labelled windows through other versions."""

import uuid
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import NOTHING, DetectorVersion, Event, Profile
from app.errors import Conflict, InvalidDetector, InvalidInput, NotFound
from app.service import boundaries
from app.service.boundaries import Missed
from app.service.jobs import replay
from app.service.jobs.progress import Progress
from app.service.jobs.replay import Side
from app.store import jobs, labels, profiles
from app.store.artefacts import Artefacts
from tests.service.recorded import PROFILE, record
from tests.service.scene import (
    add_events,
    add_version,
    cycle,
    profile_of,
    put_profile,
)

DEAF = {"kind": "energy", "on": 500.0}


async def do(
    engine: AsyncEngine, artefacts: Artefacts, side: Side, against: Side | None = None
) -> dict[str, Any]:
    job = await replay.enqueue(engine, "arm", side, against or Side(), "ann")
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await replay.replay(engine, artefacts, started, Progress())
    async with engine.connect() as conn:
        done = await jobs.get(conn, job.id)
    assert done.state == "succeeded"
    return dict(done.result or {})


@pytest.fixture
async def recorded(engine: AsyncEngine) -> list[Event]:
    await put_profile(engine, PROFILE)
    found: list[Event] = []
    for number in range(1, 8):
        found += await record(engine, number, gap=number % 2 == 0)
    async with engine.begin() as conn:
        for event in found:
            await labels.add(conn, event.id, "burst", "ann", "test")
    return found


async def test_the_same_detector_finds_what_was_found_live(
    engine: AsyncEngine, artefacts: Artefacts, recorded: list[Event]
):
    async with engine.connect() as conn:
        version = await profiles.detector(conn, "arm")
    said = await do(engine, artefacts, Side(detector_version=version.number))
    found = said["detection"]
    assert found["same_events"] == len(recorded) >= 30
    assert (found["only_side"], found["only_against"]) == (0, 0)
    assert found["streams"] == 7
    assert said["verdict"] == "no evidence"
    assert found["comparison"]["former"] == 1.0


async def test_a_deaf_detector_is_worse_with_numbers_and_an_interval(
    engine: AsyncEngine, artefacts: Artefacts, recorded: list[Event]
):
    said = await do(engine, artefacts, Side(detector=DEAF))
    found = said["detection"]["comparison"]
    assert said["verdict"] == "worse"
    assert found["high"] < 0
    assert found["latter"] < 0.1
    assert "event F1: worse: over 7 stretches" in said["reason"]
    back = await do(engine, artefacts, Side(detector={}), Side(detector=DEAF))
    assert back["verdict"] == "better"


async def test_false_alarms_that_people_called_nothing_count_against_a_detector(
    engine: AsyncEngine, artefacts: Artefacts, recorded: list[Event]
):
    async with engine.begin() as conn:
        for event in recorded[::2]:
            await labels.add(conn, event.id, NOTHING, "ann", "test")
    said = await do(engine, artefacts, Side(detector={}))
    assert said["detection"]["comparison"]["latter"] < 0.9


async def test_moved_boundaries_are_the_truth_but_not_what_was_served(
    engine: AsyncEngine, artefacts: Artefacts, recorded: list[Event]
):
    async with engine.begin() as conn:
        version = await profiles.detector(conn, "arm")
        for event in recorded[:3]:
            end = event.onset_seq + 20
            await boundaries.move(conn, event.id, None, end, "ann")
        missed = Missed("arm-1", "b1", 100, 200, "burst")
        await boundaries.add_missed(conn, missed, "ann")
    found = (await do(engine, artefacts, Side(detector_version=version.number)))[
        "detection"
    ]
    assert found["same_events"] == len(recorded)
    assert found["comparison"]["former"] == found["comparison"]["latter"] < 1


async def test_a_better_model_is_better_on_windows_that_neither_learnt(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    good = await add_version(engine, artefacts, "v", promote_from=None)
    bad = await add_version(engine, artefacts, "w")
    made = await add_events(engine, "arm", cycle(60), labelled=False)
    async with engine.begin() as conn:
        for event, label in zip(made, cycle(60), strict=True):
            await labels.add(conn, event.id, f"v:{label}", "ann", "test")
    sides = Side(model_version=good), Side(model_version=bad)
    said = await do(engine, artefacts, *sides)
    assert said["verdict"] == "better"
    assert said["classification"]["compared"] == 60
    assert (await do(engine, artefacts, *sides[::-1]))["verdict"] == "worse"
    equal = await do(engine, artefacts, sides[0], sides[0])
    assert equal["verdict"] == "no evidence"
    assert equal["classification"]["agree"] == 60


async def test_what_was_served_is_the_other_side_where_none_is_named(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    good = await add_version(engine, artefacts, "v", promote_from=None)
    await add_events(engine, "arm", cycle(30))
    said = await do(engine, artefacts, Side(model_version=good))
    assert said["classification"]["compared"] == 0  # nothing was ever answered
    assert said["verdict"] == "no evidence"


@pytest.mark.parametrize(
    ("side", "against", "refusal"),
    [
        (Side(), Side(), InvalidInput),
        (Side(detector={"on": -1}), Side(), InvalidDetector),
        (Side(detector_version=999), Side(), NotFound),
        (Side(model_version=999), Side(), NotFound),
        (Side(detector={}), Side(model_version=1), InvalidInput),
        (Side(model_version=1), Side(detector={}), InvalidInput),
    ],
)
async def test_what_cannot_be_replayed_is_refused_at_once(
    engine: AsyncEngine, side: Side, against: Side, refusal: type[Exception]
):
    await put_profile(engine, PROFILE)
    with pytest.raises(refusal):
        await replay.enqueue(engine, "arm", side, against, "ann")


def test_a_detector_is_named_once():
    with pytest.raises(InvalidInput, match="not both"):
        Side(1, {})


async def test_another_profiles_version_and_a_second_replay_are_refused(
    engine: AsyncEngine,
):
    await put_profile(engine, PROFILE)
    other: Profile = profile_of(f"leg-{uuid.uuid4().hex[:4]}")
    await put_profile(engine, other)
    async with engine.connect() as conn:
        foreign: DetectorVersion = await profiles.detector(conn, other.name)
    with pytest.raises(NotFound, match=other.name):
        await replay.enqueue(
            engine, "arm", Side(detector_version=foreign.number), Side(), "ann"
        )
    first = await replay.enqueue(engine, "arm", Side(detector={}), Side(), "ann")
    again = await replay.enqueue(engine, "arm", Side(detector={}), Side(), "ann")
    assert again.id == first.id
    with pytest.raises(Conflict, match="under way"):
        await replay.enqueue(engine, "arm", Side(detector=DEAF), Side(), "ann")
