"""Reports as known at a time, over REST."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from tests.api.caller import Caller, require_problem
from tests.service.scene import add_events, cycle
from tests.service.test_hindsight import trained


async def test_report_tells_what_was_known_then_and_what_is_known_now(
    api: dict[str, Caller], engine: AsyncEngine, state: State
) -> None:
    await add_events(engine, "arm", cycle(60))
    version = await trained(engine, state.artefacts)
    path, then = f"/models/{version}/report", datetime.now(UTC).isoformat()
    before = (await api["viewer"]("GET", path, params={"as_of": then})).json()
    assert before["training"]["same"] is True
    assert before["holdout"]["n"] == before["training"]["holdout"] > 0
    model = (await api["viewer"]("GET", f"/models/{version}")).json()
    assert before["holdout"] == model["report"]["holdout"]
    assert "answers" not in model["manifest"]
    assert model["report"]["card"]["limits"]
    event = model["manifest"]["holdout"][0][0]
    await api["labeler"]("POST", f"/events/{event}/labels", json={"label": "point"})
    assert (await api["viewer"]("GET", path, params={"as_of": then})).json() == before
    now = (await api["viewer"]("GET", path)).json()
    assert now["holdout"]["accuracy"] < before["holdout"]["accuracy"]
    wrong = {one["event"]: one for one in now["mistakes"]}
    assert len(wrong) == len(before["mistakes"]) + 1
    assert wrong[event]["label"] == "point"
    assert wrong[event]["said"] == model["manifest"]["holdout"][0][1]
    sure = [one["probability"] for one in now["mistakes"]]
    assert sure == sorted(sure, reverse=True)
    assert [one["known"] for one in now["training"]["changed"]] == ["point"]
    require_problem(await api["viewer"]("GET", path, params={"as_of": "noon"}), 422)
    require_problem(await api["viewer"]("GET", "/models/999/report"), 404)
