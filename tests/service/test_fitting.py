"""Detectors learn from what people said of recorded streams."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import NOTHING
from app.errors import Conflict, InvalidInput, NotFound
from app.service import boundaries
from app.service.boundaries import Missed
from app.service.jobs import fit, fitting
from app.service.jobs.progress import Progress
from app.store import detectors, devices, jobs, labels, profiles
from app.store.artefacts import Artefacts
from tests.service.recorded import BURSTS, PROFILE, record

DEAF = {"kind": "energy", "on": 500.0}
NO_MODELS = Artefacts(Path("no-models"))


async def deaf_streams(engine: AsyncEngine, count: int) -> None:
    """Streams in which the detector found nothing, and people found every burst."""
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, DEAF)
    for number in range(1, count + 1):
        assert await record(engine, number, gap=number == 2) == []
        async with engine.begin() as conn:
            for onset, offset in BURSTS:
                if number == 2 and onset < 3100 and offset > 3000:
                    continue
                missed = Missed(f"arm-{number}", "b1", onset, offset, "burst")
                await boundaries.add_missed(conn, missed, "ann")


async def do(
    engine: AsyncEngine, promote: str = "auto", device: str | None = None
) -> dict[str, Any]:
    job = await fit.enqueue(
        engine, profile="arm", promote=promote, by="ann", reason="test", device=device
    )
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await fitting.fit(engine, NO_MODELS, started, Progress())
    async with engine.connect() as conn:
        done = await jobs.get(conn, job.id)
    assert done.state == "succeeded"
    return dict(done.result or {})


async def test_detector_that_learnt_serves_is_listed_and_rolled_back(
    engine: AsyncEngine,
):
    await deaf_streams(engine, 6)
    async with engine.connect() as conn:
        deaf = await profiles.detector(conn, "arm")
    said = await do(engine)
    assert (said["verdict"], said["promoted"]) == ("promote", True)
    report = said["report"]
    assert (report["devices"], report["held_out_by"]) == (6, "device")
    assert report["comparison"]["latter"] > 0.9
    assert report["comparison"]["former"] == 0.0
    async with engine.begin() as conn:
        now = await profiles.detector(conn, "arm")
        assert (now.number, now.settings["kind"]) == (
            said["detector_version"],
            "scored",
        )
        newest, first = await detectors.list_(conn, "arm")
        assert (newest.state, newest.source, newest.parent) == (
            "serving",
            "learnt",
            deaf.number,
        )
        assert newest.report == report
        assert (first.state, first.source, first.report) == ("retired", "set", None)
        back = await detectors.rollback(conn, "arm", "ann", "test")
        assert back == (deaf.number, now.number)
        ledger = await detectors.history(conn, "arm")
        assert [entry.act for entry in ledger] == ["rollback", "promote", "set"]
    found = await record(engine, 9)
    assert found == []
    async with engine.begin() as conn:
        await detectors.promote(conn, "arm", now.number, deaf.number, "ann", "test")
    live = [e for e in await record(engine, 10) if not e.flags]
    assert len(live) == len(BURSTS)
    errors = [
        abs(e.onset_seq - onset) for e, (onset, _) in zip(live, BURSTS, strict=True)
    ]
    assert np.median(errors) <= 10
    assert {e.detector_version for e in live} == {now.number}


async def test_without_promotion_it_stays_a_candidate(engine: AsyncEngine):
    await deaf_streams(engine, 2)
    said = await do(engine, "never")
    assert said["promoted"] is False
    assert said["verdict"] == "not_enough_evidence"
    async with engine.connect() as conn:
        newest, _ = await detectors.list_(conn, "arm")
    assert newest.state == "candidate"


async def test_too_few_labels_are_said_and_make_no_version(engine: AsyncEngine):
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, None)
    found = await record(engine, 1)
    async with engine.begin() as conn:
        for event in found[:4]:
            await labels.add(conn, event.id, "burst", "ann", "test")
        await labels.add(conn, found[4].id, NOTHING, "ann", "test")
    said = await do(engine)
    assert said["detector_version"] is None
    assert said["reason"].startswith("4 labelled events")
    async with engine.connect() as conn:
        assert len(await detectors.list_(conn, "arm")) == 1


async def test_asking_again_answers_the_running_job(engine: AsyncEngine):
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, None)
        await devices.put(conn, "arm-1", "arm")
    asked = {"profile": "arm", "promote": "auto", "by": "ann", "reason": "test"}
    first = await fit.enqueue(engine, **asked)
    assert (await fit.enqueue(engine, **asked)).id == first.id
    with pytest.raises(InvalidInput, match="promote='maybe'"):
        await fit.enqueue(engine, **{**asked, "promote": "maybe"})


async def test_detector_for_one_device_learns_from_it_and_serves_it_alone(
    engine: AsyncEngine,
):
    await deaf_streams(engine, 3)
    async with engine.connect() as conn:
        deaf = await profiles.detector(conn, "arm")
    said = await do(engine, device="arm-3")
    assert (said["device"], said["promoted"]) == ("arm-3", False)
    report = said["report"]
    assert (report["devices"], report["held_out_by"]) == (1, "quarter")
    number = said["detector_version"]
    async with engine.begin() as conn:
        newest, _ = await detectors.list_(conn, "arm", "arm-3")
        assert (newest.number, newest.device) == (number, "arm-3")
        assert [row.number for row in await detectors.list_(conn, "arm", "arm-1")] == [
            deaf.number
        ]
        await detectors.promote(
            conn, "arm", number, deaf.number, "ann", "test", "arm-3"
        )
    mine = await record(engine, 3, boot="b2")
    assert len(mine) >= len(BURSTS)
    assert {event.detector_version for event in mine} == {number}
    assert await record(engine, 1, boot="b2") == []


async def test_a_fit_for_another_device_waits_for_the_first(engine: AsyncEngine):
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, None)
        await devices.put(conn, "arm-1", "arm")
    asked = {"profile": "arm", "promote": "auto", "by": "ann", "reason": "test"}
    await fit.enqueue(engine, **asked)
    with pytest.raises(Conflict, match="under way"):
        await fit.enqueue(engine, **asked, device="arm-1")
    with pytest.raises(NotFound, match="no device 'leg-1'"):
        await fit.enqueue(engine, **asked, device="leg-1")
