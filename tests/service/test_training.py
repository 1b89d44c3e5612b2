import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app import features
from app.domain import LabelledWindow
from app.errors import ArtefactError, Cancelled, CannotLearn, Conflict, InvalidInput
from app.learning import classify
from app.service.champion import Champions
from app.service.jobs import training
from app.service.jobs.progress import Progress
from app.service.jobs.retrain import enqueue
from app.service.jobs.skew import require_no_skew
from app.store import events, jobs, models
from app.store.artefacts import Artefacts
from app.store.jobs import Job
from tests.service.scene import (
    T0,
    add_events,
    add_version,
    cycle,
    profile_of,
    put_profile,
    window,
)


async def ask(engine: AsyncEngine, **request: Any) -> Job:
    job, created = await enqueue(
        engine, profile="arm", by="ann", reason="test", **request
    )
    assert created
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    return started


async def train(engine: AsyncEngine, artefacts: Artefacts, **request: Any) -> dict:
    job = await ask(engine, **request)
    await training.retrain(engine, artefacts, job, Progress())
    async with engine.connect() as conn:
        done = await jobs.get(conn, job.id)
    assert done.state == "succeeded"
    assert done.progress == 1.0
    return dict(done.result)


async def champion(engine: AsyncEngine) -> int | None:
    async with engine.connect() as conn:
        row = await models.champion(conn, "arm")
    return None if row is None else row.version


async def test_the_first_model_is_trained_promoted_and_served(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(60))
    result = await train(engine, artefacts)
    assert result["verdict"] == "promote"
    assert result["promoted"] is True
    assert result["model_version"] == await champion(engine)
    async with engine.connect() as conn:
        curve = (await models.get(conn, result["model_version"])).report["curve"]
    assert curve["labels"] == 60
    assert 0 <= curve["low"] <= curve["gain"] <= curve["high"] < 0.3
    champions = Champions(engine, artefacts)
    await champions.refresh()
    model = champions.model("arm")
    assert model is not None
    assert classify(model, window("wave", 12345), 10, 10).label == "wave"


async def test_too_few_classes_end_well_without_a_model(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    assert (await train(engine, artefacts))["verdict"] == "not_enough_evidence"
    await add_events(engine, "arm", ["fist"] * 20)
    result = await train(engine, artefacts)
    assert result["verdict"] == "not_enough_evidence"
    assert result["model_version"] is None
    assert "2 classes" in result["reason"]


async def test_full_and_incremental_challengers_are_trained_side_by_side(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of(estimator="sgd", mode="auto"))
    await add_events(engine, "arm", cycle(60))
    first = await train(engine, artefacts)
    assert {c["kind"] for c in first["challengers"]} == {"full", "incremental"}
    await add_events(engine, "arm", cycle(30), start=60)
    second = await train(engine, artefacts, mode="incremental")
    [grown] = second["challengers"]
    async with engine.connect() as conn:
        row = await models.get(conn, grown["model_version"])
        parent = await models.get(conn, row.parent)
    assert row.trained_through == T0 + timedelta(seconds=89)
    assert parent.trained_through == T0 + timedelta(seconds=59)
    assert row.report["restarted"] == ""
    assert parent.kind == "incremental"


async def test_promote_never_keeps_the_champion(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(60))
    result = await train(engine, artefacts, promote="never")
    assert (result["verdict"], result["promoted"]) == ("promote", False)
    assert result["model_version"] is not None
    assert await champion(engine) is None


async def test_incremental_is_refused_at_once_for_an_estimator_that_cannot(
    engine: AsyncEngine,
):
    await put_profile(engine, profile_of(estimator="extra_trees", mode="auto"))
    with pytest.raises(CannotLearn, match="'extra_trees' cannot learn incrementally"):
        await enqueue(
            engine, profile="arm", mode="incremental", by="ann", reason="test"
        )
    with pytest.raises(CannotLearn, match="mode 'sideways'"):
        await enqueue(engine, profile="arm", mode="sideways", by="ann", reason="test")
    with pytest.raises(InvalidInput, match="promote='maybe'"):
        await enqueue(engine, profile="arm", promote="maybe", by="ann", reason="test")


async def test_an_estimator_that_nobody_knows_is_refused_at_once(engine: AsyncEngine):
    await put_profile(engine, profile_of(estimator="oracle", mode="full"))
    with pytest.raises(CannotLearn, match="'oracle'"):
        await enqueue(engine, profile="arm", by="ann", reason="test")


async def test_one_retrain_of_a_profile_is_under_way_at_a_time(engine: AsyncEngine):
    await put_profile(engine, profile_of())
    asked = [
        enqueue(engine, profile="arm", by=f"op{i}", reason="test") for i in range(5)
    ]
    got = await asyncio.gather(*asked)
    assert len({job.id for job, _ in got}) == 1
    assert [created for _, created in got].count(True) == 1


async def test_a_champion_that_moved_meanwhile_stays_and_the_work_is_kept(
    engine: AsyncEngine, artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch
):
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(60))
    job = await ask(engine)
    original = training.publish
    meddled: list[int] = []

    async def publish_too_late(*args: Any, **kwargs: Any) -> None:
        if not meddled:
            meddled.append(
                await add_version(engine, artefacts, "v1", promote_from=None)
            )
        await original(*args, **kwargs)

    monkeypatch.setattr(training, "publish", publish_too_late)
    await training.retrain(engine, artefacts, job, Progress())
    async with engine.connect() as conn:
        done = await jobs.get(conn, job.id)
    assert [await champion(engine)] == meddled
    assert done.result["verdict"] == "hold"
    assert done.result["promoted"] is False
    assert done.result["model_version"] not in (None, *meddled)


async def test_two_workers_of_one_job_promote_once(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(60))
    job = await ask(engine)
    done = await asyncio.gather(
        *(training.retrain(engine, artefacts, job, Progress()) for _ in range(2)),
        return_exceptions=True,
    )
    assert [type(d) for d in done if d is not None] == [Conflict]
    async with engine.connect() as conn:
        listed, _ = await models.list_(conn, "arm", 10, None)
        ledger = await models.history(conn, "arm")
    assert (len(listed), len(ledger)) == (1, 1)


async def test_a_cancelled_training_stops_at_its_next_step(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(12))
    job = await ask(engine)
    progress = Progress()
    progress.stop("cancelled by request")
    with pytest.raises(Cancelled, match="by request"):
        await training.retrain(engine, artefacts, job, progress)
    assert await champion(engine) is None


async def test_features_that_were_served_otherwise_refuse_the_training(
    engine: AsyncEngine, artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch
):
    await put_profile(engine, profile_of())
    made = await add_events(engine, "arm", cycle(60))
    await train(engine, artefacts)
    champions = Champions(engine, artefacts)
    await champions.refresh()
    model = champions.model("arm")
    assert model is not None
    said = [(e.id, classify(model, e.window, e.pre_roll, e.post_roll)) for e in made]
    async with engine.begin() as conn:
        await events.add_predictions(conn, said[-3:])
    await train(engine, artefacts)  # nothing changed: trained again
    original: Callable[..., Any] = features.extract
    monkeypatch.setattr(features, "extract", lambda *a: original(*a) * 2)
    job = await ask(engine)
    with pytest.raises(ArtefactError, match="train/serve skew"):
        await training.retrain(engine, artefacts, job, Progress())


def test_skew_is_found_in_any_row():
    profile = profile_of()
    rows = [
        LabelledWindow(uuid.UUID(int=i), "d", T0, window("fist", i), "fist", 10, 10)
        for i in range(5)
    ]
    digests = {
        r.event: features.digest(features.extract(r.window, 50.0, 10, 10)) for r in rows
    }
    require_no_skew(rows, digests, profile, "v1")
    require_no_skew(rows, {}, profile, "v1")
    with pytest.raises(ArtefactError, match="feature set 'v1' was changed"):
        require_no_skew(rows, {**digests, rows[4].event: "0" * 16}, profile, "v1")
