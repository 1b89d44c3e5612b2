"""How many events of which kind, and when."""

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from app.domain import Prediction
from app.store import events, labels
from tests.api.caller import Caller, require_problem
from tests.service.scene import T0, add_events, add_version, cycle, event_of


async def counted(admin: Caller, **query: Any) -> dict[str, Any]:
    answer = await admin("GET", "/profiles/arm/statistics", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_events_are_counted_by_label_hour_and_probability(
    admin: Caller, engine: AsyncEngine, state: State
) -> None:
    made = await add_events(engine, "arm", cycle(6))
    version = await add_version(engine, state.artefacts, "t")
    async with engine.begin() as conn:
        said = [
            Prediction(y, p, ("fist", "wave"), (p, 1 - p), p < 0.5, version, "d")
            for y, p in [("fist", 0.97), ("fist", 1.0), ("wave", 0.31)]
        ]
        pairs = list(zip([e.id for e in made], said, strict=False))
        await events.add_predictions(conn, pairs)
        await labels.add(conn, made[0].id, "wave", "bob", "person")  # the latest counts
        await events.add(conn, [event_of("arm", "arm-1", 7200, "fist")])
    since, until = T0, T0 + timedelta(hours=3)
    found = await counted(admin, since=since.isoformat(), until=until.isoformat())
    assert (found["events"], found["labelled"], found["classified"]) == (7, 6, 3)
    assert {one["label"]: one["n"] for one in found["labels"]} == {
        "wave": 3,
        "fist": 2,
        "rest": 1,
    }
    assert found["predicted"] == [
        {"label": "fist", "n": 2, "unknown": 0},
        {"label": "wave", "n": 1, "unknown": 1},
    ]
    assert [one["n"] for one in found["hours"]] == [6, 0, 1]
    assert found["hours"][0]["at"] == "2026-01-01T00:00:00.000000Z"
    bins = found["probabilities"]
    assert (len(bins), bins[19], bins[6], sum(bins)) == (20, 2, 1, 3)


async def test_without_a_range_the_last_day_is_counted(
    admin: Caller, engine: AsyncEngine
) -> None:
    await add_events(engine, "arm", cycle(2))  # long ago
    found = await counted(admin)
    assert found["events"] == 0
    assert len(found["hours"]) in (24, 25)


async def test_a_range_that_is_none_or_too_long_is_refused(admin: Caller) -> None:
    later = (T0 + timedelta(days=32)).isoformat()
    for since, until in ((T0.isoformat(), T0.isoformat()), (T0.isoformat(), later)):
        query = {"since": since, "until": until}
        answer = await admin("GET", "/profiles/arm/statistics", params=query)
        require_problem(answer, 422)
