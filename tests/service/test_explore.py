"""Precision, recall and false alarms over a threshold, from what was recorded."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Conflict, InvalidDetector, InvalidInput
from app.service.jobs import explore
from app.service.jobs.progress import Progress
from app.store import jobs, labels
from tests.service.recorded import BURSTS, PROFILE, record
from tests.service.scene import put_profile

ASKED: dict[str, Any] = {"detector": None, "setting": None, "values": None, "by": "ann"}


async def curve(engine: AsyncEngine, **asked: Any) -> dict[str, Any]:
    job = await explore.enqueue(engine, "arm", **ASKED | asked)
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await explore.explore(engine, started, Progress())
    async with engine.connect() as conn:
        return dict((await jobs.get(conn, job.id)).result or {})


@pytest.fixture
async def labelled(engine: AsyncEngine) -> int:
    """Two streams; the events of the third are not labelled."""
    await put_profile(engine, PROFILE)
    count = 0
    for number in (1, 2, 3):
        found = await record(engine, number)
        async with engine.begin() as conn:
            for event in found if number < 3 else ():
                await labels.add(conn, event.id, "burst", "ann", "test")
                count += 1
    return count


async def test_a_higher_threshold_finds_less_and_raises_fewer_alarms(
    engine: AsyncEngine, labelled: int
):
    said = await curve(engine, setting="on", values=[6.0, 15.0, 500.0])
    assert (said["setting"], said["present"]) == ("on", 6.0)
    assert (said["streams"], said["events"]) == (2, labelled)
    assert said["hours"] == round(2 * 6000 / 50 / 3600, 4)
    low, high, deaf = said["curve"]
    assert low["f1"] == low["precision"] == low["recall"] == 1.0
    assert low["false_alarms_per_hour"] == 0.0
    assert low["found"] == labelled >= len(BURSTS)
    assert low["found"] >= high["found"] > deaf["found"] == 0
    assert (deaf["precision"], deaf["recall"]) == (None, 0.0)


async def test_without_values_some_around_the_present_one_are_tried(
    engine: AsyncEngine, labelled: int
):
    said = await curve(engine)
    assert said["setting"] == "on_share"
    values = [point["value"] for point in said["curve"]]
    # below off_share = 0.35 there is none
    assert values == [0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    said = await curve(engine, detector={"kind": "sta_lta"})
    assert said["setting"] == "on"
    assert len(said["curve"]) >= 5


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"setting": "kind"}, InvalidInput),
        ({"setting": "sta_seconds"}, InvalidInput),
        ({"detector": {"kind": "magic"}}, InvalidDetector),
        ({"setting": "on", "values": [1.0, 6.0]}, InvalidDetector),
    ],
)
async def test_what_cannot_be_explored_is_refused_at_once(
    engine: AsyncEngine, asked: dict[str, Any], refusal: type[Exception]
):
    await put_profile(engine, PROFILE)
    with pytest.raises(refusal):
        await explore.enqueue(engine, "arm", **ASKED | asked)


async def test_a_second_exploration_waits_for_the_first(engine: AsyncEngine):
    await put_profile(engine, PROFILE)
    first = await explore.enqueue(engine, "arm", **ASKED)
    assert (await explore.enqueue(engine, "arm", **ASKED)).id == first.id
    with pytest.raises(Conflict, match="under way"):
        await explore.enqueue(engine, "arm", **ASKED | {"values": [0.5]})
