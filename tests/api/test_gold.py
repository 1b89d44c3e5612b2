"""The gold set over REST."""

from sqlalchemy.ext.asyncio import AsyncEngine

from tests.api.caller import Caller, require_problem
from tests.service.scene import add_events

GOLD = "/profiles/arm/gold"


async def test_gold_is_marked_listed_in_pages_and_taken_out_again(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    ids = [str(e.id) for e in await add_events(engine, "arm", ["fist", "wave"])]
    operator, viewer = api["operator"], api["viewer"]
    made = await operator("POST", GOLD, json={"events": ids})
    assert (made.status_code, made.json()) == (200, {"profile": "arm", "gold": 2})
    page = (await viewer("GET", f"{GOLD}?limit=1")).json()
    rest = (await viewer("GET", f"{GOLD}?cursor={page['next_cursor']}")).json()
    assert [one["event"] for one in page["items"] + rest["items"]] == sorted(ids)
    assert rest["next_cursor"] is None
    assert {one["label"] for one in page["items"] + rest["items"]} == {"fist", "wave"}
    out = await operator("POST", GOLD, json={"events": ids[:1], "gold": False})
    assert out.json()["gold"] == 1


async def test_gold_without_a_label_is_refused_with_its_event(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    [bare] = await add_events(engine, "arm", ["fist"], labelled=False)
    answer = await api["operator"]("POST", GOLD, json={"events": [str(bare.id)]})
    problem = require_problem(answer, 422)
    assert f"event {bare.id} has no label" in problem["detail"]
    require_problem(await api["viewer"]("GET", f"{GOLD}?cursor=eA"), 422)
