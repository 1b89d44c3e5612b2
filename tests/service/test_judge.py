"""Settings that somebody chose become a version, judged on what was held out."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Conflict, InvalidDetector, InvalidInput, NotFound
from app.learning.heldout import STRETCH_SECONDS
from app.service.jobs import explore, judge, judging, labelled
from app.service.jobs.progress import Progress
from app.service.jobs.rerun import Recorded
from app.store import detectors, devices, jobs, labels, profiles
from app.store.artefacts import Artefacts
from tests.service.recorded import PROFILE, record
from tests.service.scene import RATE_HZ, put_profile

DEAF = {"kind": "energy", "on": 500.0}
NO_MODELS = Artefacts(Path("no-models"))
ASKED: dict[str, Any] = {"promote": "auto", "by": "ann", "reason": "test"}


async def do(
    engine: AsyncEngine, artefacts: Artefacts | None = None, **asked: Any
) -> dict[str, Any]:
    job = await judge.enqueue(engine, "arm", **ASKED | asked)
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await judging.judge(engine, artefacts or NO_MODELS, started, Progress())
    async with engine.connect() as conn:
        return dict((await jobs.get(conn, job.id)).result or {})


async def hear(engine: AsyncEngine, numbers: range) -> None:
    for number in numbers:
        found = await record(engine, number)
        async with engine.begin() as conn:
            for event in found:
                await labels.add(conn, event.id, "burst", "ann", "test")


@pytest.fixture
async def heard(engine: AsyncEngine) -> None:
    """Fourteen labelled streams; then somebody makes the profile deaf."""
    await put_profile(engine, PROFILE)
    await hear(engine, range(1, 15))
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, DEAF)


@pytest.mark.usefixtures("heard")
async def test_better_settings_serve_and_worse_are_rejected(engine: AsyncEngine):
    async with engine.connect() as conn:
        deaf = await profiles.detector(conn, "arm")
    said = await do(engine, detector={"kind": "energy"})
    assert (said["verdict"], said["promoted"]) == ("promote", True)
    report = said["report"]
    # of fourteen stretches, those that the explorer does not show
    assert report["held_out_by"] == "stretch"
    assert 6 <= report["comparison"]["n"] < 14
    async with engine.connect() as conn:
        now = await profiles.detector(conn, "arm")
        newest, *_ = await detectors.list_(conn, "arm")
    assert now.number == said["detector_version"] == newest.number
    assert (newest.source, newest.parent) == ("set", deaf.number)
    with pytest.raises(Conflict, match=f"version {now.number} has these"):
        await judge.enqueue(engine, "arm", **ASKED, detector={"kind": "energy"})
    worse = await do(engine, detector=DEAF)
    assert (worse["verdict"], worse["promoted"]) == ("reject", False)
    async with engine.connect() as conn:
        newest, *_ = await detectors.list_(conn, "arm")
    assert newest.state == "rejected"


@pytest.mark.usefixtures("heard")
async def test_explorer_shows_only_what_does_not_judge(engine: AsyncEngine):
    job = await explore.enqueue(
        engine, "arm", detector=None, setting="on", values=[6.0], by="ann"
    )
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await explore.explore(engine, started, Progress())
    async with engine.connect() as conn:
        seen = dict((await jobs.get(conn, job.id)).result or {})
    told = (await do(engine, detector={"kind": "energy"}))["report"]
    assert seen["held_out"] is True
    async with engine.connect() as conn:
        profile = await profiles.get(conn, "arm")
    both = await labelled.labelled_streams(engine, profile, None)
    n_true = sum(len(true) for _, true in both.streams)
    assert 0 < seen["events"] < n_true
    assert seen["events"] + told["events"] == n_true


async def test_settings_for_one_device_are_judged_on_it_and_serve_it_alone(
    engine: AsyncEngine,
):
    await put_profile(engine, PROFILE)
    await hear(engine, range(1, 4))
    async with engine.begin() as conn:
        common = (await profiles.put(conn, PROFILE, DEAF)).detector
    said = await do(engine, detector={"kind": "energy"}, device="arm-2")
    assert (said["device"], said["report"]["recordings"]) == ("arm-2", 1)
    assert said["verdict"] == "not_enough_evidence"
    number = said["detector_version"]
    async with engine.begin() as conn:
        await detectors.promote(
            conn, "arm", number, common.number, "ann", "I know", "arm-2"
        )
        assert (await profiles.detector(conn, "arm", "arm-2")).number == number
        assert (await profiles.detector(conn, "arm", "arm-1")) == common
        assert (await profiles.detector(conn, "arm")) == common
    mine = await record(engine, 2, boot="b2")
    assert mine
    assert {event.detector_version for event in mine} == {number}
    assert await record(engine, 1, boot="b2") == []


async def test_what_was_chosen_on_the_same_readings_is_not_promoted(
    engine: AsyncEngine,
):
    """Seven stretches are enough to differ, but not to hold some out."""
    await put_profile(engine, PROFILE)
    await hear(engine, range(1, 8))
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, DEAF)
    said = await do(engine, detector={"kind": "energy"})
    assert said["report"]["held_out_by"] == "nothing"
    assert said["report"]["comparison"]["verdict"] == "better"
    assert (said["verdict"], said["promoted"]) == ("not_enough_evidence", False)
    assert said["reason"].startswith("too few recordings to hold some out")


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"detector": {"kind": "magic"}}, InvalidDetector),
        ({"detector": {"kind": "scored", "model": "sha256:0"}}, InvalidDetector),
        ({"detector": {"on": 7}, "promote": "perhaps"}, InvalidInput),
        ({"detector": {"on": 7}, "device": "leg-1"}, NotFound),
        ({"detector": {}}, Conflict),
    ],
)
async def test_what_cannot_be_judged_is_refused_at_once(
    engine: AsyncEngine, asked: dict[str, Any], refusal: type[Exception]
):
    await put_profile(engine, PROFILE)
    async with engine.begin() as conn:
        await devices.put(conn, "arm-1", "arm")
    with pytest.raises(refusal):
        await judge.enqueue(engine, "arm", **ASKED | asked)


def test_every_stretch_tunes_or_judges_and_none_does_both():
    step = STRETCH_SECONDS * RATE_HZ
    stream = Recorded("arm-1", "b1", 1, 1 + int(7.5 * step))
    told = labelled.Labelled([], step, splits=True)
    assert (told.tuned(stream) ^ told.judged(stream)).all()
    assert len(told.tuned(stream)) == 7
    few = labelled.Labelled([], step, splits=False)
    assert few.tuned(stream).all()
    assert few.judged(stream).all()
