import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.detection import DEFAULT_SETTINGS
from app.domain import Channel, Profile, RetrainPolicy
from app.errors import Conflict, InvalidDetector, NotFound
from app.store import events, profiles
from app.store.tables import detector_versions
from tests.store.conftest import World
from tests.store.rows import PROFILE, new_event, take_over

FULL = Profile(
    "full",
    (Channel("x", "mV"), Channel("y", "g")),
    12.5,
    classes=("a", "b"),
    max_hold_seconds=0.5,
    max_gap_seconds=3.0,
    record=True,
    retrain=RetrainPolicy(None, 60.0, "full", "sgd", "never"),
)


async def test_a_profile_comes_back_as_it_was(conn: AsyncConnection):
    put = await profiles.put(conn, FULL, None)
    assert (put.profile, put.created) == (FULL, True)
    assert put.detector.settings == DEFAULT_SETTINGS
    assert await profiles.get(conn, "full") == FULL
    assert await profiles.list_(conn) == [PROFILE, FULL]
    assert await profiles.detector(conn, "full") == put.detector
    assert await profiles.detector_version(conn, put.detector.number) == put.detector


async def test_settings_that_change_are_a_new_version(conn: AsyncConnection):
    first = await profiles.put(conn, FULL, None)
    kept = await profiles.put(conn, replace(FULL, classes=()), None)
    same = await profiles.put(conn, FULL, first.detector.settings)
    changed = await profiles.put(conn, FULL, {"kind": "sta_lta"})
    assert kept.detector == same.detector == first.detector
    assert not kept.created
    assert changed.detector.number > first.detector.number
    assert changed.detector.settings["kind"] == "sta_lta"
    kept = await profiles.put(conn, FULL, None)
    assert kept.detector == changed.detector
    assert await profiles.detectors(conn, "full") == [changed.detector, first.detector]


async def test_detector_versions_are_never_changed(conn: AsyncConnection, world: World):
    with pytest.raises(IntegrityError, match="never changed"):
        await conn.execute(update(detector_versions).values(settings={}))


async def test_channels_may_change_until_there_are_readings(
    conn: AsyncConnection, world: World
):
    wider = replace(PROFILE, channels=(*PROFILE.channels, Channel("z")))
    assert (await profiles.put(conn, wider, None)).profile == wider
    await profiles.put(conn, PROFILE, None)
    await take_over(conn, "d1", "b1", world.detector)
    for changed in (wider, replace(PROFILE, rate_hz=51.0)):
        with pytest.raises(Conflict):
            await profiles.put(conn, changed, None)
    await profiles.put(conn, replace(PROFILE, classes=("fist",)), None)


async def test_imported_events_are_readings_too(conn: AsyncConnection, world: World):
    await events.add(conn, [new_event(1, detector=0)])
    with pytest.raises(Conflict):
        await profiles.put(conn, replace(PROFILE, rate_hz=51.0), None)


async def test_settings_that_cannot_work_are_refused(conn: AsyncConnection):
    with pytest.raises(InvalidDetector):
        await profiles.put(conn, FULL, {"kind": "tea leaves"})


async def test_many_who_put_at_once_agree(engine: AsyncEngine):
    async def put() -> tuple[bool, int]:
        async with engine.begin() as conn:
            made = await profiles.put(conn, FULL, None)
            return made.created, made.detector.number

    answers = await asyncio.gather(*(put() for _ in range(6)))
    assert sum(created for created, _ in answers) == 1
    assert len({number for _, number in answers}) == 1


async def test_what_is_not_there_is_not_found(conn: AsyncConnection):
    for ask in (profiles.get, profiles.detector):
        with pytest.raises(NotFound):
            await ask(conn, "nobody")
    with pytest.raises(NotFound):
        await profiles.detector_version(conn, 99)
