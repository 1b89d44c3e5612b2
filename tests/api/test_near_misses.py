"""What nearly was an event is listed, with how near it came."""

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import profiles
from tests.api.caller import Caller, require_problem
from tests.service.recorded import BURSTS, PROFILE, record


async def test_bursts_below_the_threshold_are_near_misses(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    async with engine.begin() as conn:
        peaks = [event.peak for event in await record(engine, 1)]
        # a threshold a third above what those bursts reach
        on = (float(np.max(peaks)) * 1.33 - 1) / 0.75 * np.sqrt(2)
        deaf = {"kind": "energy", "on": on, "min_seconds": 0.2}
        put = await profiles.put(conn, PROFILE, deaf)
    assert await record(engine, 2) == []
    answer = await api["viewer"]("GET", "/near-misses", params={"device": "arm-2"})
    assert answer.status_code == 200, answer.text
    found = answer.json()["items"]
    onsets = [one["onset_seq"] for one in found]
    assert onsets == sorted(onsets, reverse=True)
    near = [onset for onset, _ in BURSTS if min(abs(o - onset) for o in onsets) < 25]
    assert len(near) >= len(BURSTS) - 2
    assert all(0.5 <= one["score"] < 1 for one in found)
    assert {one["detector_version"] for one in found} == {put.detector.number}
    assert {(one["device"], one["boot"]) for one in found} == {("arm-2", "b1")}


async def test_near_misses_are_of_a_device_that_is_there(admin: Caller) -> None:
    answer = await admin("GET", "/near-misses", params={"device": "arm-1"})
    assert answer.json() == {"items": [], "next_cursor": None}
    require_problem(await admin("GET", "/near-misses", params={"device": "arm-9"}), 404)
    require_problem(await admin("GET", "/near-misses"), 422)
