"""Drift by REST: real rows, a real champion, a planted change."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from app.domain import LabelledWindow
from app.learning import Model, classify
from app.learning.dataset import build, manifest, split
from app.learning.evaluate import evaluate
from app.learning.export import export
from app.learning.train import train_full
from app.store import events, labels, models
from app.store.models import NewVersion
from tests.api.caller import Caller, require_problem
from tests.service.scene import add_events, add_version, cycle, event_of, profile_of

DRIFT = "/profiles/arm/drift"


@pytest.fixture
async def champion(engine: AsyncEngine, state: State, admin: Caller) -> Model:
    """A model of 150 labelled events, judged on its hold-out."""
    said = cycle(150)
    made = await add_events(engine, "arm", said)
    rows = [
        LabelledWindow(e.id, e.device, e.onset, e.window, y, e.pre_roll, e.post_roll)
        for e, y in zip(made, said, strict=True)
    ]
    profile, dataset = profile_of(), build(profile_of(), rows)
    parts = split(dataset)
    train = dataset.take(parts.train)
    trained = train_full(train, "logistic", seed=1, progress=lambda _s, _f: None)
    onnx, card = export(trained, profile, train)
    report = evaluate(Model.load(onnx, card), dataset.take(parts.holdout))
    row = NewVersion(
        profile="arm",
        parent=None,
        kind="full",
        estimator="logistic",
        feature_set=card.feature_set,
        seed=1,
        code_version="test",
        artefact_sha256=state.artefacts.put(onnx),
        trainer_state_sha256=None,
        card=card.to_json(),
        manifest=manifest(dataset, parts, "v1").to_json(),
        report={"holdout": report.to_json()},
        verdict="promote",
        reason="test",
    )
    async with engine.begin() as conn:
        version = await models.add(conn, row)
        await models.promote(conn, "arm", version, None, "ann", "test")
    await state.champions.refresh()
    return await state.champions.get(version)


async def serve(
    engine: AsyncEngine,
    model: Model,
    start: int,
    count: int,
    *,
    offset: float = 0.0,
    said: bool | str = False,
    device: str = "arm-1",
) -> None:
    """Store events as the live path does, with labels if told."""
    made = [event_of("arm", device, start + i, y) for i, y in enumerate(cycle(count))]
    moved = np.array([0.0, offset], dtype=np.float32)
    made = [replace(one, window=one.window + moved) for one in made]
    async with engine.begin() as conn:
        await events.add(conn, made)
        await events.add_predictions(
            conn, [(e.id, classify(model, e.window, 10, 10)) for e in made]
        )
        for event, label in zip(made, cycle(count), strict=True):
            if said:
                spoken = said if isinstance(said, str) else label
                await labels.add(conn, event.id, spoken, "ann", "test")


async def look(viewer: Caller, **query: Any) -> dict[str, Any]:
    answer = await viewer("GET", DRIFT, params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told | {one["kind"]: one for one in told["signals"]}


async def test_events_like_those_it_learnt_raise_nothing(
    engine: AsyncEngine, champion: Model, api: dict[str, Caller]
) -> None:
    await serve(engine, champion, 1000, 120, said=True)
    told = await look(api["viewer"], events=60)
    assert (told["alarm"], told["budget"], told["events"]) == (False, 0.01, 60)
    assert told["model_version"] == champion.version
    sizes = [(told[k]["n"], told[k]["n_reference"]) for k in ("input", "score")]
    assert sizes == [(60, 150), (60, 60)]
    assert told["error"]["n"] == 60
    assert all(told[k]["p_value"] > 0.003 for k in ("input", "score", "error"))


async def test_planted_input_drift_is_seen_within_60_events_and_named(
    engine: AsyncEngine, champion: Model, api: dict[str, Caller]
) -> None:
    await serve(engine, champion, 1000, 60)
    await serve(engine, champion, 2000, 60, offset=20.0)
    told = await look(api["viewer"], events=60)
    assert told["alarm"]
    assert told["input"]["alarm"]
    assert len(told["input"]["drifted"]) == 5
    assert "mean of y" in told["input"]["drifted"]
    assert told["error"]["sentence"].startswith("Not enough evidence: 0 recent")


async def test_planted_error_drift_is_seen_by_late_labels(
    engine: AsyncEngine, champion: Model, api: dict[str, Caller]
) -> None:
    await serve(engine, champion, 1000, 60, said="something else")
    told = await look(api["viewer"], events=60)
    assert told["error"]["alarm"]
    assert not told["input"]["alarm"]


async def test_one_device_is_looked_at_alone(
    engine: AsyncEngine, champion: Model, api: dict[str, Caller], admin: Caller
) -> None:
    await admin("PUT", "/devices/arm-2", json={"profile": "arm"})
    await serve(engine, champion, 1000, 60)
    await serve(engine, champion, 2000, 60, offset=20.0, device="arm-2")
    mine = await look(api["viewer"], device="arm-1")
    other = await look(api["viewer"], device="arm-2")
    assert (mine["reference"], mine["alarm"], mine["events"]) == ("device", False, 60)
    assert (other["reference"], other["alarm"]) == ("profile", True)
    assert (await look(api["viewer"]))["alarm"]
    own = {"reason": "its own", "device": "arm-2"}
    await admin("POST", f"/models/{champion.version}/promote", json=own)
    rest = await look(api["viewer"])  # the champion of all does not answer it any more
    assert (rest["events"], rest["alarm"]) == (60, False)


async def test_what_the_champion_learnt_is_not_recent(
    champion: Model, api: dict[str, Caller]
) -> None:
    told = await look(api["viewer"])
    assert (told["events"], told["alarm"]) == (0, False)
    for kind in ("input", "score", "error"):
        assert told[kind]["p_value"] is None


async def test_imported_model_names_no_rows_and_says_so(
    engine: AsyncEngine, state: State, api: dict[str, Caller]
) -> None:
    version = await add_version(engine, state.artefacts, "v", promote_from=None)
    await serve(engine, await state.champions.get(version), 0, 60, said=True)
    told = await look(api["viewer"], events=30)
    assert "0 events that the model learnt from" in told["input"]["sentence"]
    assert told["score"]["n_reference"] == 30
    assert "0 held-out events" in told["error"]["sentence"]


async def test_nothing_to_look_at_is_a_404(
    engine: AsyncEngine, api: dict[str, Caller], state: State, admin: Caller
) -> None:
    said = require_problem(await api["viewer"]("GET", DRIFT), 404)
    assert "no model yet" in said["detail"]
    require_problem(await api["viewer"]("GET", "/profiles/none/drift"), 404)
    await add_version(engine, state.artefacts, "v", promote_from=None)
    body = {"channels": [{"name": "x"}], "rate_hz": 50}
    await admin("PUT", "/profiles/leg", json=body)
    await admin("PUT", "/devices/leg-1", json={"profile": "leg"})
    for device in ("nobody", "leg-1"):
        answer = await api["viewer"]("GET", DRIFT, params={"device": device})
        require_problem(answer, 404)


@pytest.mark.parametrize("events", ["19", "1001", "many"])
async def test_number_of_events_has_bounds(api: dict[str, Caller], events: str) -> None:
    answer = await api["viewer"]("GET", DRIFT, params={"events": events})
    require_problem(answer, 422)
