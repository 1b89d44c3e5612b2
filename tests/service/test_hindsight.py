from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from app.learning import classify
from app.service.champion import Champions
from app.service.hindsight import recall
from app.service.jobs import training
from app.service.jobs.progress import Progress
from app.service.jobs.retrain import enqueue
from app.store import events, gold, jobs, labels, models
from app.store.artefacts import Artefacts
from tests.service.scene import T0, add_events, cycle, profile_of, put_profile


async def trained(engine: AsyncEngine, artefacts: Artefacts) -> int:
    job, _ = await enqueue(engine, profile="arm", by="ann", reason="test")
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await training.retrain(engine, artefacts, started, Progress())
    async with engine.begin() as conn:
        done = await jobs.get(conn, job.id)
    assert done.result is not None
    return int(done.result["model_version"])


async def test_yesterdays_report_is_the_same_after_later_corrections(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    made = await add_events(engine, "arm", cycle(90))
    async with engine.begin() as conn:
        await gold.mark(conn, "arm", [made[0].id, made[1].id], "ann")
    version = await trained(engine, artefacts)
    champions = Champions(engine, artefacts)
    model = await champions.get(version)
    later = await add_events(engine, "arm", cycle(6), start=90)
    async with engine.begin() as conn:
        said = [
            (e.id, classify(model, e.window, e.pre_roll, e.post_roll)) for e in later
        ]
        await events.add_predictions(conn, said)
        row = await models.get(conn, version)
    yesterday = datetime.now(UTC)
    before = await recall(engine, version, yesterday)
    assert before.holdout is not None
    assert before.holdout.to_json() == row.report["holdout"]
    assert before.gold is not None
    assert before.gold.to_json() == row.report["gold"]
    assert (before.served, before.right) == (6, 6)
    assert (before.training.added, before.training.n_changed) == (6, 0)

    held = [event for event, _ in row.manifest["holdout"]]
    wrong = [e.id for e in made if str(e.id) in held] + [later[0].id]
    async with engine.begin() as conn:
        await labels.add_many(conn, [(e, "point") for e in wrong], "bob", "person")
        await labels.add(conn, made[5].id, "", "bob", "person")
        await gold.unmark(conn, "arm", [made[0].id], "bob")
    assert await recall(engine, version, yesterday) == before
    now = await recall(engine, version, datetime.now(UTC))
    assert now.holdout is not None
    assert (now.holdout.n, now.holdout.accuracy) == (len(held), 0.0)
    assert now.gold is not None
    assert (now.gold.n, now.right) == (1, 5)
    assert now.training.n_changed == len(held) + 1
    assert now.training.digest != before.training.digest


async def test_the_training_set_of_a_version_is_found_again_as_it_was(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(60))
    then = datetime.now(UTC)
    version = await trained(engine, artefacts)
    await add_events(engine, "arm", cycle(30), start=60)
    found = await recall(engine, version, then)
    async with engine.begin() as conn:
        row = await models.get(conn, version)
    assert found.training.same
    assert found.training.digest == row.manifest["digest"]
    assert not (await recall(engine, version, datetime.now(UTC))).training.same
    earliest = await recall(engine, version, T0 - timedelta(days=1))
    assert earliest.holdout is not None
    assert (earliest.holdout.n, earliest.training.rows) == (0, 0)
