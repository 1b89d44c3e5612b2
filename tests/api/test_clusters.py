"""Clusters by REST: alike events without a label, named by their members."""

from sqlalchemy.ext.asyncio import AsyncEngine

from tests.api.caller import Caller, require_problem
from tests.service.scene import add_events, cycle

PATH = "/profiles/arm/clusters"


async def test_a_cluster_is_named_as_a_whole(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    await add_events(engine, "arm", cycle(30), labelled=False)
    answer = await api["viewer"]("GET", PATH)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["looked_at"] == 30
    assert body["next_cursor"] is None
    first = body["items"][0]
    assert first["size"] == len(first["members"]) >= 3
    assert first["example"]["id"] == first["members"][0]
    assert 0 <= first["tightness"] <= 1
    sizes = [one["size"] for one in body["items"]]
    assert sizes == sorted(sizes, reverse=True)
    rows = [{"event": event, "label": "pinch"} for event in first["members"]]
    said = await api["labeler"]("POST", "/labels", json={"labels": rows})
    assert said.json() == {"accepted": first["size"]}
    after = (await api["viewer"]("GET", PATH)).json()
    assert after["looked_at"] == 30 - first["size"]
    left = {event for one in after["items"] for event in one["members"]}
    assert not left & set(first["members"])
    few = (await api["viewer"]("GET", PATH, params={"limit": 1})).json()
    assert len(few["items"]) == 1


async def test_no_profile_no_clusters(admin: Caller) -> None:
    require_problem(await admin("GET", "/profiles/leg/clusters"), 404)
    require_problem(await admin("GET", PATH, params={"limit": 0}), 422)
