"""What nearly was an event is listed, with how near it came."""

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import profiles
from tests.api.caller import Caller, require_problem
from tests.service.recorded import BURSTS, PROFILE, bursts, record


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
    assert {one["event"] for one in found} == {None}
    of_all = await api["viewer"]("GET", "/near-misses", params={"profile": "arm"})
    assert [one for one in of_all.json()["items"] if one["device"] == "arm-2"] == found

    one = found[0]
    span = {key: one[key] for key in ("device", "boot", "onset_seq", "offset_seq")}
    added = await api["labeler"]("POST", "/events", json=span | {"label": "burst"})
    assert added.status_code == 201
    again = await api["viewer"]("GET", "/near-misses", params={"device": "arm-2"})
    assert again.json()["items"][0]["event"] == added.json()["id"]


async def test_recorded_readings_are_read_and_gaps_lie_between_the_pieces(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, None)
    await record(engine, 3, gap=True)
    asked = {"boot": "b1", "first_seq": 2991, "next_seq": 3111}
    said = await api["viewer"]("GET", "/devices/arm-3/readings", params=asked)
    pieces = said.json()["pieces"]
    assert [(p["first_seq"], len(p["values"])) for p in pieces] == [
        (2991, 10),
        (3101, 10),
    ]
    expected = bursts(3)
    assert pieces[1]["values"][0] == expected[3100].tolist()
    assert len(pieces[1]["times"]) == 10
    assert [one["name"] for one in said.json()["channels"]] == ["x", "y"]
    for wrong, status in (
        (asked | {"next_seq": 2991}, 422),
        (asked | {"next_seq": 10**6}, 422),
        (asked | {"boot": "b9"}, 404),
        (asked | {"boot": "\0"}, 422),
    ):
        answer = await api["viewer"]("GET", "/devices/arm-3/readings", params=wrong)
        require_problem(answer, status)


async def test_near_misses_are_of_a_device_that_is_there(admin: Caller) -> None:
    answer = await admin("GET", "/near-misses", params={"device": "arm-1"})
    assert answer.json() == {"items": [], "next_cursor": None}
    require_problem(await admin("GET", "/near-misses", params={"device": "arm-9"}), 404)
    require_problem(await admin("GET", "/near-misses"), 422)
    require_problem(await admin("GET", "/near-misses", params={"profile": "no"}), 404)
    both = {"profile": "arm", "device": "arm-1"}
    require_problem(await admin("GET", "/near-misses", params=both), 422)
