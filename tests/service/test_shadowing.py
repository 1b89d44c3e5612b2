from sqlalchemy.ext.asyncio import AsyncEngine

from app.learning import classify
from app.service.champion import Champions
from app.service.jobs import training
from app.service.jobs.progress import Progress
from app.service.jobs.retrain import enqueue
from app.service.jobs.shadowing import Shadowing, beside
from app.store import events, jobs, labels, models, shadows
from app.store.artefacts import Artefacts
from tests.service.scene import (
    add_events,
    add_version,
    cycle,
    profile_of,
    put_profile,
)


async def test_a_shadow_answers_what_comes_and_is_compared_once_labels_come(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    first = await add_version(engine, artefacts, "v1", promote_from=None)
    second = await add_version(engine, artefacts, "v2")
    champions = Champions(engine, artefacts)
    at_work = Shadowing(engine, champions, backlog=4)
    async with engine.begin() as conn:
        await shadows.begin(conn, second, "ann", "look first")
    made = await add_events(engine, "arm", cycle(6), labelled=False)
    model = await champions.get(first)
    async with engine.begin() as conn:
        said = [
            (e.id, classify(model, e.window, e.pre_roll, e.post_roll)) for e in made
        ]
        await events.add_predictions(conn, said)
    assert await at_work.look() == 4
    assert await at_work.look() == 0
    async with engine.begin() as conn:
        for event, label in zip(made, cycle(6), strict=True):
            await labels.add(conn, event.id, f"v2:{label}", "ann", "test")
        found = beside(await shadows.answered(conn, second))
        now = await shadows.of_profile(conn, "arm")
        await shadows.end(conn, second, "ann")
    assert (found.events, found.compared, found.agree, found.labelled) == (4, 4, 0, 4)
    assert (found.shadow_accuracy, found.served_accuracy) == (1.0, 0.0)
    assert found.wins == 4
    assert "of 4 with a label the shadow has 4 right, what served 0" in found.sentence
    assert ("v1:rest", "v2:rest") in {pair[:2] for pair in found.differ}
    assert now is not None
    assert now.skipped == 2
    await add_events(engine, "arm", cycle(3), start=6, labelled=False)
    assert await at_work.look() == 0


async def test_a_profile_may_ask_that_what_earned_it_shadows_first(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of(promote="shadow"))
    await add_events(engine, "arm", cycle(60))
    versions = []
    for _ in range(2):
        job, _ = await enqueue(engine, profile="arm", by="ann", reason="test")
        async with engine.begin() as conn:
            started = await jobs.start(conn, job.id)
        assert started is not None
        await training.retrain(engine, artefacts, started, Progress())
        async with engine.begin() as conn:
            done = await jobs.get(conn, job.id)
            now = await shadows.of_profile(conn, "arm")
            assert await models.champion(conn, "arm") is None
        assert done.result is not None
        assert done.result["promoted"] is False
        assert now is not None
        assert (now.version, now.by) == (done.result["model_version"], f"job:{job.id}")
        versions.append(now.version)
    assert versions[0] < versions[1]
