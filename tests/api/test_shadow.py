"""Shadows over REST."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from tests.api.caller import Caller, require_problem
from tests.service.scene import add_version


async def test_a_shadow_begins_tells_how_it_does_and_ends(
    api: dict[str, Caller], engine: AsyncEngine, state: State
) -> None:
    version = await add_version(engine, state.artefacts, "v2")
    path = f"/models/{version}/shadow"
    require_problem(await api["viewer"]("GET", path), 404)
    began = await api["operator"]("POST", path, json={"reason": "look first"})
    assert began.status_code == 201, began.text
    said = began.json()
    assert (said["active"], said["reason"], said["events"]) == (True, "look first", 0)
    assert said["shadow_accuracy"] is None
    assert (await api["viewer"]("GET", path)).json() == said
    listed = (await api["viewer"]("GET", "/models?profile=arm")).json()["items"]
    assert {one["version"]: one["state"] for one in listed}[version] == "shadow"
    require_problem(await api["operator"]("POST", path, json={"reason": "x"}), 409)
    ended = (await api["operator"]("DELETE", path)).json()
    assert (ended["active"], bool(ended["ended_at"])) == (False, True)
    acts = (await api["admin"]("GET", "/audit")).json()["items"]
    assert [one["act"] for one in acts[:2]] == ["unshadow", "shadow"]
