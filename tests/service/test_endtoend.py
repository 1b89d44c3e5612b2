"""Detector and model together, from readings to labels: what makes them worse."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import complete
from app.learning.model import classify
from app.service.champion import load
from app.service.jobs import replay
from app.service.jobs.progress import Progress
from app.service.jobs.replay import Side
from app.store import jobs, labels, models, profiles
from app.store.artefacts import Artefacts
from tests.service.recorded import PROFILE, record
from tests.service.scene import add_version, put_profile
from tests.service.test_judge import do as judge

DEAF = {"kind": "energy", "on": 500.0}
GOOD = complete({"kind": "energy"})


@pytest.fixture
async def versions(engine: AsyncEngine, artefacts: Artefacts) -> tuple[int, int]:
    """Fourteen recordings, labelled with what the first model says; the other never."""
    await put_profile(engine, replace(PROFILE, classes=()))
    good = await add_version(engine, artefacts, "v", promote_from=None)
    bad = await add_version(engine, artefacts, "w")
    async with engine.connect() as conn:
        model = load(artefacts, await models.get(conn, good))
    for number in range(1, 15):
        found = await record(engine, number)
        async with engine.begin() as conn:
            for event in found:
                said = classify(model, event.window, event.pre_roll, event.post_roll)
                await labels.add(conn, event.id, said.label, "ann", "test")
    return good, bad


async def compare(
    engine: AsyncEngine, artefacts: Artefacts, side: Side, against: Side
) -> dict[str, Any]:
    job = await replay.enqueue(engine, "arm", side, against, "ann")
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await replay.replay(engine, artefacts, started, Progress())
    async with engine.connect() as conn:
        return dict((await jobs.get(conn, job.id)).result or {})


async def test_a_regression_of_detector_model_or_both_is_named(
    engine: AsyncEngine, artefacts: Artefacts, versions: tuple[int, int]
):
    good, bad = versions
    present = Side(None, GOOD, good)
    for side, cause in (
        (Side(None, DEAF, good), "detector"),
        (Side(None, GOOD, bad), "model"),
        (Side(None, DEAF, bad), "detector and model"),
    ):
        said = await compare(engine, artefacts, side, present)
        assert (said["verdict"], said["cause"]) == ("worse", cause)
        both = said["end_to_end"]["comparison"]
        assert (both["verdict"], both["measure"]) == ("worse", "end-to-end F1")
        assert both["former"] == 1.0
        assert both["high"] < 0
    same = await compare(engine, artefacts, present, present)
    assert (same["verdict"], same["cause"]) == ("no evidence", None)
    better = await compare(engine, artefacts, present, Side(None, DEAF, bad))
    assert (better["verdict"], better["cause"]) == ("better", None)


async def test_what_was_served_is_compared_as_it_was_answered(
    engine: AsyncEngine, artefacts: Artefacts, versions: tuple[int, int]
):
    said = await compare(engine, artefacts, Side(None, GOOD, versions[0]), Side())
    both = said["end_to_end"]["comparison"]
    # nothing was ever answered of these events
    assert (both["former"], both["latter"]) == (0.0, 1.0)
    assert said["cause"] is None


async def test_detector_that_makes_labels_worse_is_rejected_whatever_it_finds(
    engine: AsyncEngine, artefacts: Artefacts, versions: tuple[int, int]
):
    """It finds the same, but its windows lack the rolls that the model learnt with."""
    bare = {**GOOD, "pre_seconds": 0.0, "post_seconds": 0.0}
    said = await judge(engine, artefacts, detector=bare)
    report = said["report"]
    assert report["comparison"]["verdict"] == "no evidence"
    assert report["end_to_end"]["verdict"] == "worse"
    assert (said["verdict"], said["promoted"]) == ("reject", False)
    assert said["reason"].startswith("end-to-end F1: worse: over")
    async with engine.connect() as conn:
        assert (await profiles.detector(conn, "arm")).settings == GOOD


async def test_detector_that_is_better_serves_if_labels_do_not_suffer(
    engine: AsyncEngine, artefacts: Artefacts, versions: tuple[int, int]
):
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, DEAF)
    said = await judge(engine, artefacts, detector=GOOD)
    assert (said["verdict"], said["promoted"]) == ("promote", True)
    assert said["report"]["end_to_end"]["verdict"] == "better"
