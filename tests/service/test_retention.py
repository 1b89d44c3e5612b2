"""What is too old goes, and a training afterwards still knows every class."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Channel, Profile, Readings, RetentionPolicy
from app.errors import InvalidProfile
from app.service.jobs import retention, training
from app.service.jobs.progress import Progress
from app.service.jobs.retrain import enqueue
from app.store import audit, gold, jobs, labels, models, recordings, streams
from app.store.artefacts import Artefacts
from app.store.streams import Claim
from tests.service.scene import add_events, cycle, profile_of, put_profile
from tests.store.rows import new_version


def kept(**days: Any) -> Profile:
    plain = profile_of()
    policy = RetentionPolicy(**days)
    return Profile("arm", plain.channels, 50.0, retrain=plain.retrain, retention=policy)


async def age(engine: AsyncEngine, days: float) -> None:
    """Let everything that is stored be so much older."""
    async with engine.begin() as conn:
        for table, column in (("events", "created_at"), ("recordings", "at")):
            changed = f"UPDATE {table} SET {column} = {column} - :d * interval '1 day'"
            await conn.execute(text(changed), {"d": days})


async def stored(engine: AsyncEngine) -> dict[str | None, int]:
    """Count events by the label that counts."""
    query = (
        "SELECT label, count(*) FROM events e LEFT JOIN LATERAL (SELECT label FROM"
        " labels WHERE event = e.id ORDER BY id DESC LIMIT 1) l ON true GROUP BY 1"
    )
    async with engine.connect() as conn:
        return {label: n for label, n in await conn.execute(text(query))}


async def train(engine: AsyncEngine, artefacts: Artefacts) -> dict[str, Any]:
    job, _ = await enqueue(engine, profile="arm", by="ann", reason="test")
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await training.retrain(engine, artefacts, started, Progress())
    async with engine.connect() as conn:
        return dict((await jobs.get(conn, job.id)).result or {})


async def test_after_retention_a_training_still_knows_the_classes_that_come_no_more(
    engine: AsyncEngine, artefacts: Artefacts
) -> None:
    await put_profile(engine, kept(events_days=1, labelled_days=3, reservoir=8))
    old = await add_events(engine, "arm", cycle(60))
    await add_events(engine, "arm", cycle(20), start=100, labelled=False)
    async with engine.begin() as conn:
        await gold.mark(conn, "arm", [e.id for e in old[:3]], "ann")
        learnt = [[str(e.id), y] for e, y in zip(old, cycle(60), strict=True)]
        manifest = {"train": learnt, "holdout": []}
        first = await models.add(conn, new_version(manifest=manifest))
    await age(engine, 2.0)
    assert await retention.look(engine) == {"arm": retention.Deleted(0, 20, 0)}
    await age(engine, 2.0)
    await add_events(engine, "arm", ["rest", "fist"] * 15, start=200)
    done = (await retention.look(engine))["arm"]
    left = await stored(engine)
    assert 8 <= left["wave"] <= 9  # the reservoir; one in gold may be beside it
    assert 60 + 30 - done.labelled == sum(left.values())
    assert left["rest"] >= 15
    assert await retention.look(engine) == {}
    async with engine.connect() as conn:
        listed = models.listed(await models.get(conn, first))
        (newest, *_), _ = await audit.list_(conn, 1)
        there = {row.event for row in await labels.rows(conn, "arm")}
    assert (newest.actor, newest.act) == ("onset:retention", "expire")
    assert len(set(listed) - there) >= done.labelled - 3
    result = await train(engine, artefacts)
    async with engine.connect() as conn:
        again = await models.get(conn, result["model_version"])
    assert again.report["holdout"]["classes"] == ["fist", "rest", "wave"]


async def test_which_ones_stay_is_a_fair_sample_that_does_not_change(
    engine: AsyncEngine,
) -> None:
    await put_profile(engine, kept(labelled_days=1, reservoir=20))
    made = await add_events(engine, "arm", ["wave"] * 100)
    await age(engine, 2.0)
    await retention.look(engine)

    async def there() -> list[UUID]:
        async with engine.connect() as conn:
            return list(await conn.scalars(text("SELECT id FROM events ORDER BY id")))

    stay = await there()
    assert len(stay) == 20
    numbers = [n for n, event in enumerate(made) if event.id in set(stay)]
    assert 30 < np.mean(numbers) < 70  # of all ages
    await retention.look(engine)
    assert await there() == stay


async def test_a_class_has_its_own_time_and_what_an_alert_waits_for_stays(
    engine: AsyncEngine,
) -> None:
    policy = {"wave": None, "fist": 10.0}
    await put_profile(engine, kept(labelled_days=1, labels=policy, reservoir=0))
    made = await add_events(engine, "arm", cycle(30))
    rests = [e for e, label in zip(made, cycle(30), strict=True) if label == "rest"]
    async with engine.begin() as conn:
        await conn.execute(
            text(
                'INSERT INTO alert_rules (name, "on", cooldown_seconds, group_by,'
                " position) VALUES ('r', 'event', 1, 'rule', 0)"
            )
        )
        await conn.execute(
            text(
                "INSERT INTO alerts (rule, subject, profile, event)"
                " VALUES (1, '', 'arm', :event)"
            ),
            {"event": rests[0].id},
        )
    await age(engine, 2.0)
    await retention.look(engine)
    assert await stored(engine) == {"rest": 1, "fist": 10, "wave": 10}
    await age(engine, 20.0)
    await retention.look(engine)
    assert await stored(engine) == {"rest": 1, "wave": 10}


async def test_old_recordings_go_but_not_those_of_an_open_event(
    engine: AsyncEngine,
) -> None:
    profile = Profile(
        "arm",
        (Channel("x"), Channel("y")),
        50.0,
        record=True,
        retention=RetentionPolicy(recordings_days=1.0),
    )
    await put_profile(engine, profile)
    async with engine.begin() as conn:
        number = await conn.scalar(text("SELECT detector_version FROM profiles"))
        await streams.take_over(conn, [Claim("arm-1", "b1", number)])
        for first in (1, 101, 201):
            values = np.zeros((100, 2), dtype=np.float32)
            part = [Readings(first, values, np.arange(100.0))]
            of = {"detector_version": number, "held": False}
            rows = recordings.rows_of("arm-1", "b1", part, **of)
            await recordings.append(conn, rows)
        await conn.execute(text("UPDATE streams SET held_from = 150"))
    assert await retention.look(engine) == {}
    await age(engine, 2.0)
    assert await retention.look(engine) == {"arm": retention.Deleted(1, 0, 0)}
    async with engine.connect() as conn:
        assert await recordings.spans(conn, "arm-1") == [("b1", 101, 301)]


def test_a_recording_may_not_outlive_its_events() -> None:
    for wrong in (None, 31.0):
        with pytest.raises(InvalidProfile, match="recordings_days"):
            Profile(
                "arm",
                (Channel("x"),),
                50.0,
                record=True,
                retention=RetentionPolicy(recordings_days=wrong, events_days=30.0),
            )
