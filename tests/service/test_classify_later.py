import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import PredictionLog
from app.domain.answers import SAMPLED
from app.learning import Model, classify
from app.service import labelling
from app.service.jobs.classify_later import BATCH, LateClassifier
from app.store import engine as database
from app.store import events
from app.store.artefacts import Artefacts
from app.store.predictions import predictions_of
from tests.service.scene import (
    add_events,
    add_version,
    cycle,
    event_of,
    profile_of,
    put_profile,
    tiny_model,
)


@pytest.fixture
async def model(engine: AsyncEngine, artefacts: Artefacts) -> Model:
    await put_profile(engine, profile_of())
    version = await add_version(engine, artefacts, "v1", promote_from=None)
    return Model.load(*tiny_model("v1"), version)


async def test_late_predictions_are_those_of_the_live_path(
    engine: AsyncEngine, model: Model
):
    made = await add_events(engine, "arm", cycle(7), labelled=False)
    assert await LateClassifier(engine).run(model) == 7
    assert await LateClassifier(engine).run(model) == 0
    for event in made:
        async with engine.connect() as conn:
            row = await events.get(conn, event.id)
        live = classify(model, event.window, event.pre_roll, event.post_roll)
        assert row.prediction == live


async def test_of_a_prediction_is_kept_what_the_setting_says(
    engine: AsyncEngine, model: Model
):
    made = await add_events(engine, "arm", cycle(12), labelled=False)
    sampled = {event.id for event in made if event.id.int % SAMPLED == 0}
    assert 0 < len(sampled) < 12
    assert await LateClassifier(engine, PredictionLog.SAMPLE).run(model) == 12
    for event in made:
        async with engine.connect() as conn:
            [stored] = await predictions_of(conn, event.id)
        live = classify(model, event.window, event.pre_roll, event.post_roll)
        bare = replace(live, classes=(), probabilities=())
        assert stored.prediction == (live if event.id in sampled else bare)
    # what is asked most of the queue does not need more
    first = await labelling.queue(engine, "arm", 12, datetime.now(UTC))
    assert len(first) == 12


async def test_an_event_without_an_answer_holds_nobody_up(
    engine: AsyncEngine, model: Model
):
    bad = [
        replace(
            event_of("arm", "arm-1", 900 + i, "fist"),
            window=np.zeros((5, 3), np.float32),
        )
        for i in range(BATCH + 5)
    ]
    async with engine.begin() as conn:
        await events.add(conn, bad)
    await add_events(engine, "arm", cycle(3), labelled=False)
    late = LateClassifier(engine)
    assert await late.run(model) == 3
    assert await late.run(model) == 0


async def test_listeners_hear_which_events_were_classified(
    engine: AsyncEngine, model: Model, database_url: str
):
    made = await add_events(engine, "arm", cycle(3), labelled=False)
    heard = database.listen(database_url, ["onset_predictions"])
    async with contextlib.aclosing(heard):
        assert (await anext(heard)).channel == database.CONNECTED
        await LateClassifier(engine).run(model)
        said = json.loads((await anext(heard)).payload)
    assert said == {
        "profile": "arm",
        "events": [str(event.id) for event in made],
    }
