import json
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Profile
from app.service.champion import Champions
from app.service.gauges import ModelGauges
from app.service.jobs import drift_watch, training
from app.service.jobs.drift_watch import BUDGET, DriftWatch
from app.service.jobs.policies import Policies
from app.service.jobs.progress import Progress
from app.service.jobs.retrain import enqueue
from app.store import drifts, jobs, labels, webhooks
from app.store.artefacts import Artefacts
from app.store.hooks import deliveries
from tests.service.scene import add_events, cycle, profile_of, put_profile


async def serving(engine: AsyncEngine, artefacts: Artefacts, profile: Profile) -> int:
    await put_profile(engine, profile)
    await add_events(engine, "arm", cycle(60))
    job, _ = await enqueue(engine, profile="arm", by="ann", reason="test")
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await training.retrain(engine, artefacts, started, Progress())
    async with engine.begin() as conn:
        [(_, version)] = await drifts.champions(conn)
    return version


async def test_a_drift_is_announced_once_and_makes_the_policy_train(
    engine: AsyncEngine, artefacts: Artefacts
):
    """Nothing but waves come, and what served never saw so many."""
    version = await serving(engine, artefacts, profile_of(drift_labels=5))
    watch = DriftWatch(engine, Champions(engine, artefacts))
    async with engine.begin() as conn:
        hook = await webhooks.add(
            conn, "https://example.com/", b"s" * 32, ["onset.drift"], None
        )
    assert await watch.look() == []  # looking begins
    await add_events(engine, "arm", cycle(51), start=60, labelled=False)
    [calm] = await watch.look()
    assert (calm.number, calm.alarm, calm.budget) == (1, False, BUDGET / 2)
    assert await watch.look() == []  # nothing new
    policies = Policies(engine, 1.0, 0.0)
    waves = await add_events(engine, "arm", ["wave"] * 200, start=120, labelled=False)
    assert [(one.number, one.alarm) for one in await watch.look()] == [(2, True)]
    await add_events(engine, "arm", ["wave"] * 50, start=400, labelled=False)
    assert [(one.number, one.alarm) for one in await watch.look()] == [(3, True)]
    async with engine.begin() as conn:
        owed = list(await conn.execute(select(deliveries)))
        await labels.add_many(
            conn, [(e.id, "wave") for e in waves[:4]], "ann", "person"
        )
    [told] = owed
    data = json.loads(told.body)["data"]
    assert (told.webhook, data["model_version"], data["look"]) == (hook.id, version, 2)
    assert "look unlike the" in data["sentence"]
    assert await policies.look(datetime.now(UTC)) == []
    async with engine.begin() as conn:
        await labels.add(conn, waves[4].id, "wave", "ann", "person")
    [job] = await policies.look(datetime.now(UTC))
    async with engine.begin() as conn:
        asked = await jobs.get(conn, job)
    assert "5 new labels, and the champion has drifted" in asked.request["reason"]


async def test_late_labels_are_a_reason_to_look_and_gauges_tell(
    engine: AsyncEngine, artefacts: Artefacts
):
    version = await serving(engine, artefacts, profile_of())
    watch = DriftWatch(engine, Champions(engine, artefacts))
    made = await add_events(engine, "arm", cycle(30), start=60, labelled=False)
    assert await watch.look() == []
    async with engine.begin() as conn:
        wrong = [(event.id, "rest") for event in made]
        await labels.add_many(conn, wrong, "ann", "person")
    [look] = await watch.look()
    assert "The model is wrong more often" in look.sentence
    gauges = ModelGauges()
    await gauges.read(engine)
    registry = CollectorRegistry()
    registry.register(gauges)
    said = generate_latest(registry).decode()
    of = f'model_version="{version}",profile="arm"'
    assert f"onset_labels_since_training{{{of}}} 30.0" in said
    assert f"onset_drift_alarm{{{of}}} 1.0" in said
    assert f'onset_drift{{{of},signal="error"}} 0.' in said
    assert f"onset_model_age_seconds{{{of}}} " in said
    assert 'onset_shadow_skipped_events{profile="arm"} 0.0' in said


def test_all_looks_at_a_champion_share_one_budget():
    budgets = [drift_watch.BUDGET / (k * (k + 1)) for k in range(1, 10_000)]
    assert sum(budgets) <= BUDGET
