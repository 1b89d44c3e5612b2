"""Why an event was given its class, by REST."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from app.learning import classify
from app.service import explaining
from app.store import events
from tests.api.caller import Caller, require_problem
from tests.service.scene import add_events, add_version, cycle


@pytest.fixture
async def stored(engine: AsyncEngine, state: State, admin: Caller) -> Sequence[Any]:
    """Twelve labelled events, all but the last of which a model has classified."""
    await add_version(engine, state.artefacts, "v", promote_from=None)
    await state.champions.refresh()
    model = state.champions.model("arm")
    assert model is not None
    made = await add_events(engine, "arm", cycle(12))
    said = [(e.id, classify(model, e.window, 10, 10)) for e in made[:-1]]
    async with engine.begin() as conn:
        await events.add_predictions(conn, said)
    return made


async def ask(call: Caller, event: Any, **params: Any) -> dict[str, Any]:
    path = f"/events/{event}/explanation"
    answer = await call("GET", path, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_channels_parts_and_nearest_labelled_events_are_told(
    api: dict[str, Caller], state: State, stored: Sequence[Any]
) -> None:
    event = stored[4]
    said = await ask(api["viewer"], event.id)
    model = state.champions.model("arm")
    assert model is not None
    expected = classify(model, event.window, 10, 10)
    assert (said["label"], said["model_version"]) == (expected.label, model.version)
    assert said["artefact_sha256"] == model.card.graph_sha256
    assert said["probability"] == pytest.approx(expected.probability, abs=1e-5)
    weights = [one["weight"] for one in said["channels"]]
    assert weights == sorted(weights, reverse=True)
    assert said["parts"][0]["from_seconds"] == 0
    assert said["sentence"].startswith(f"'{expected.label}' with probability")
    near = said["nearest"]
    assert len(near) == explaining.SHOWN
    assert said["compared"] == 11
    assert str(event.id) not in [one["event"] for one in near]
    assert [one["label"] for one in near[:2]] == ["fist"] * 2
    distances = [one["distance"] for one in near]
    assert distances == sorted(distances)


async def test_it_is_kept_with_the_event_until_its_boundaries_move(
    api: dict[str, Caller],
    engine: AsyncEngine,
    stored: Sequence[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = stored[0].id
    first = await ask(api["viewer"], event)
    worked: list[str] = []
    monkeypatch.setattr(explaining, "_answer", lambda *_: worked.append("") or {})
    assert await ask(api["viewer"], event) == first
    near = first["nearest"][0]["event"]
    path = f"/events/{near}/labels"
    await api["labeler"]("POST", path, json={"label": "corrected"})
    assert (await ask(api["viewer"], event))["nearest"][0]["label"] == "corrected"
    assert worked == []
    monkeypatch.undo()
    anew = await ask(api["viewer"], event, again=True)
    assert anew["at"] > first["at"]
    moved = await api["labeler"]("PATCH", f"/events/{event}", json={"offset_seq": 31})
    assert moved.status_code == 200, moved.text
    after = await ask(api["viewer"], event)
    assert after["parts"][-1]["next"] < first["parts"][-1]["next"]
    async with engine.begin() as conn:
        count = await conn.scalar(text("SELECT count(*) FROM explanations"))
    assert count == 1


async def test_what_cannot_be_explained_says_why(
    api: dict[str, Caller], engine: AsyncEngine, state: State, stored: Sequence[Any]
) -> None:
    call = api["viewer"]
    other = await add_version(engine, state.artefacts, "w")
    silent, said = f"/events/{stored[-1].id}/explanation", f"/events/{stored[0].id}"
    problem = require_problem(await call("GET", silent), 409)
    assert "no model version has said anything" in problem["detail"]
    asked = {"model_version": other}
    problem = require_problem(
        await call("GET", f"{said}/explanation", params=asked), 409
    )
    assert f"version {other} has said nothing" in problem["detail"]
    require_problem(await call("GET", f"/events/{uuid4()}/explanation"), 404)
    odd = {"model_version": "x"}
    require_problem(await call("GET", f"{said}/explanation", params=odd), 422)
    for file in state.artefacts.folder.glob("*"):
        file.unlink()
    state.champions._serving.clear()
    problem = require_problem(await call("GET", f"{said}/explanation"), 409)
    assert "cannot be asked" in problem["detail"]


async def test_a_process_that_cannot_keep_up_explains_nothing(
    api: dict[str, Caller], state: State, stored: Sequence[Any]
) -> None:
    state.load.given_up = ("explanations",)
    answer = await api["viewer"]("GET", f"/events/{stored[0].id}/explanation")
    said = require_problem(answer, 503)
    assert said["detail"].startswith("overloaded: explanations are given up")
    state.load.given_up = ()
    assert (await ask(api["viewer"], stored[0].id))["label"]
