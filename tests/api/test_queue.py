"""What to label next, by REST."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from app.learning import classify
from app.store import events
from tests.api.caller import Caller, require_problem
from tests.service.scene import add_events, add_version, cycle


@pytest.fixture
async def stored(engine: AsyncEngine, state: State, admin: Caller) -> Sequence[Any]:
    """Twelve events, all but the last two of which a model has classified."""
    await add_version(engine, state.artefacts, "v", promote_from=None)
    await state.champions.refresh()
    model = state.champions.model("arm")
    assert model is not None
    made = await add_events(engine, "arm", cycle(12), labelled=False)
    said = [(e.id, classify(model, e.window, 10, 10)) for e in made[:-2]]
    async with engine.begin() as conn:
        await events.add_predictions(conn, said)
    return made


async def ask(call: Caller, **params: Any) -> list[dict[str, Any]]:
    answer = await call("GET", "/labels/queue", params={"profile": "arm", **params})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_events_without_a_label_are_ranked_with_a_reason_each(
    api: dict[str, Caller], stored: Sequence[Any]
) -> None:
    call = api["labeler"]
    asked = await ask(call)
    assert len(asked) == 12
    first = {one["event"]["id"] for one in asked[:2]}
    assert first == {str(event.id) for event in stored[-2:]}
    assert asked[0]["reason"] == "no model has said anything of it"
    assert all(one["reason"] and 0 < one["score"] <= 1 for one in asked)
    path = f"/events/{asked[0]['event']['id']}/labels"
    assert (await call("POST", path, json={"label": "fist"})).status_code == 201
    rest = await ask(call)
    assert len(rest) == 11
    assert asked[0]["event"]["id"] not in [one["event"]["id"] for one in rest]
    assert len(await ask(call, limit=3)) == 3


async def test_a_queue_without_events_is_empty_and_without_a_profile_is_none(
    admin: Caller,
) -> None:
    assert await ask(admin) == []
    missing = {"profile": "leg"}
    answer = await admin("GET", "/labels/queue", params=missing)
    require_problem(answer, 404)
    require_problem(await admin("GET", "/labels/queue"), 422)


async def test_labellers_who_disagree_are_shown_until_they_agree_or_withdraw(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    first, second, _ = await add_events(engine, "arm", ["fist", "fist", "wave"])

    async def disputes(**params: Any) -> list[tuple[str, dict[str, str]]]:
        query = {"profile": "arm", **params}
        answer = await api["labeler"]("GET", "/labels/disputes", params=query)
        assert answer.status_code == 200, answer.text
        return [
            (one["event"]["id"], {said["by"]: said["label"] for said in one["said"]})
            for one in answer.json()["items"]
        ]

    async def say(who: str, event: Any, label: str) -> None:
        path = f"/events/{event.id}/labels"
        assert (await api[who]("POST", path, json={"label": label})).is_success

    assert await disputes() == []
    await say("labeler", first, "fist")  # both say so
    await say("labeler", second, "wave")
    await say("operator", first, "rest")
    of_first = {"ann": "fist", "labeler": "fist", "operator": "rest"}
    of_second = {"ann": "fist", "labeler": "wave"}
    assert await disputes() == [(str(first.id), of_first), (str(second.id), of_second)]
    assert await disputes(limit=1) == [(str(first.id), of_first)]
    await say("operator", first, "")
    assert await disputes() == [(str(second.id), of_second)]
    await say("labeler", second, "fist")
    assert await disputes() == []
    missing = await api["labeler"]("GET", "/labels/disputes", params={"profile": "leg"})
    require_problem(missing, 404)
