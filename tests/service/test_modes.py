"""One suite for all modes: what holds of a label holds however models are trained."""

from dataclasses import dataclass

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Prediction
from app.errors import ArtefactError
from app.learning import classify
from app.service.champion import Champions
from app.service.jobs import training
from app.service.jobs.progress import Progress
from app.service.jobs.retrain import enqueue
from app.store import events, gold, jobs, labels, models
from app.store.artefacts import Artefacts
from app.store.jobs import Job
from app.store.models import ModelVersion
from tests.service.scene import (
    add_events,
    cycle,
    profile_of,
    put_profile,
    window,
)

FULL, INCREMENTAL, ONLINE = "full", "incremental", "online"
ESTIMATORS = {FULL: "logistic", INCREMENTAL: "sgd", ONLINE: "adaptive"}


@dataclass
class World:
    """A profile in one mode, and a process that serves it."""

    engine: AsyncEngine
    artefacts: Artefacts
    champions: Champions
    mode: str

    async def job(self) -> Job:
        job, _ = await enqueue(self.engine, profile="arm", by="ann", reason="test")
        async with self.engine.begin() as conn:
            started = await jobs.start(conn, job.id)
        assert started is not None
        return started

    async def train(self) -> dict:
        job = await self.job()
        await training.retrain(self.engine, self.artefacts, job, Progress())
        async with self.engine.connect() as conn:
            done = await jobs.get(conn, job.id)
        await self.champions.refresh()
        return dict(done.result)

    async def row(self, version: int) -> ModelVersion:
        async with self.engine.connect() as conn:
            return await models.get(conn, version)

    def say(self, label: str, number: int = 12345) -> Prediction:
        model = self.champions.model("arm")
        assert model is not None
        return classify(model, window(label, number), 10, 10)


@pytest.fixture(params=[FULL, INCREMENTAL, ONLINE])
async def world(
    request: pytest.FixtureRequest, engine: AsyncEngine, artefacts: Artefacts
) -> World:
    mode = request.param
    profile = profile_of(mode=mode, estimator=ESTIMATORS[mode])
    await put_profile(engine, profile)
    return World(engine, artefacts, Champions(engine, artefacts), mode)


async def test_labels_become_a_version_that_is_judged_served_named_and_taken_back(
    world: World,
):
    assert (await world.train())["verdict"] == "not_enough_evidence"
    made = await add_events(world.engine, "arm", cycle(90))
    first = await world.train()
    assert (first["verdict"], first["promoted"]) == ("promote", True)
    row = await world.row(first["model_version"])
    assert row.kind == ("full" if world.mode == FULL else "incremental")
    assert row.estimator == ESTIMATORS[world.mode]
    assert row.report["holdout"]["accuracy"] >= 0.9
    assert row.reason
    limits = [one for one in row.report["card"]["limits"] if "of their own" in one]
    assert len(limits) == (world.mode != FULL)  # devices get none beside these
    said = world.say("wave")
    assert (said.label, said.model_version) == ("wave", first["model_version"])
    # a class that nobody knew, and a label that is corrected
    await add_events(world.engine, "arm", ["shake", *cycle(2)] * 20, start=100)
    async with world.engine.begin() as conn:
        await labels.add(conn, made[0].id, "fist", "ann", "test")
    second = await world.train()
    newer = second["model_version"]
    row = await world.row(newer)
    assert (row.verdict, row.reason) == (second["verdict"], second["reason"])
    if not second["promoted"]:  # what is not better beyond chance, a person may choose
        async with world.engine.begin() as conn:
            older = first["model_version"]
            await models.promote(conn, "arm", newer, older, "ann", "knows more")
        await world.champions.refresh()
    listed = dict(row.manifest["train"]) | dict(row.manifest["holdout"])
    assert listed[str(made[0].id)] == "fist"
    assert "shake" in row.card["classes"]
    said = world.say("shake")
    assert said.model_version == newer
    assert "shake" in said.classes
    async with world.engine.begin() as conn:
        await models.rollback(conn, "arm", "ann", "just to see")
    await world.champions.refresh()
    assert world.say("wave").model_version == first["model_version"]
    async with world.engine.connect() as conn:
        told = [one.version for one in reversed(await models.history(conn, "arm"))]
    assert told == [first["model_version"], newer, first["model_version"]]


async def test_the_same_labels_and_parent_give_the_same_bits(world: World):
    await add_events(world.engine, "arm", cycle(60))
    await world.train()
    await add_events(world.engine, "arm", cycle(30), start=100)
    job = await world.job()
    async with world.engine.connect() as conn:
        material = await training.read(conn, job)
    (one,), (again,) = (
        training.learn(world.artefacts, material, Progress()).challengers
        for _ in range(2)
    )
    assert one.onnx == again.onnx
    assert one.manifest == again.manifest
    assert (one.state is None) == (world.mode == FULL)


async def test_what_is_like_nothing_that_was_learnt_is_unknown(world: World):
    await add_events(world.engine, "arm", cycle(300))
    result = await world.train()
    row = await world.row(result["model_version"])
    assert row.report["unknown"]["by"] == "distance and probability"
    known = [world.say(y, 1000 + i).unknown for i, y in enumerate(cycle(60))]
    assert sum(known) <= 12  # of 60, at a rate of 0.05
    model = world.champions.model("arm")
    assert model is not None
    strange = np.cumsum(np.ones((60, 2), np.float32), axis=0) * 1000
    assert classify(model, strange, 10, 10).unknown


async def test_nobody_learns_gold_or_from_features_that_were_served_otherwise(
    world: World,
):
    made = await add_events(world.engine, "arm", cycle(60))
    async with world.engine.begin() as conn:
        await gold.mark(conn, "arm", [e.id for e in made[:6]], "ann")
    result = await world.train()
    row = await world.row(result["model_version"])
    listed = dict(row.manifest["train"]) | dict(row.manifest["holdout"])
    assert not {str(e.id) for e in made[:6]} & set(listed)
    assert row.report["gold"]["n"] == 6
    model = world.champions.model("arm")
    assert model is not None
    other = classify(model, made[1].window, 9, 10)
    async with world.engine.begin() as conn:
        await events.add_predictions(conn, [(made[-1].id, other)])
    with pytest.raises(ArtefactError, match="train/serve skew"):
        await world.train()
