"""Events that the detector missed, and boundaries that people move."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Event
from app.store import events, profiles
from tests.api.caller import Caller, require_problem
from tests.service.recorded import PROFILE, bursts, record
from tests.service.scene import RATE_HZ, T0, add_events

MISSED = {"device": "arm-1", "boot": "b1", "onset_seq": 101, "offset_seq": 301}


@pytest.fixture
async def recorded(admin: Caller, engine: AsyncEngine) -> list[Event]:
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, None)
    return await record(engine, 1)


async def test_missed_event_is_cut_from_the_recording(
    api: dict[str, Caller], engine: AsyncEngine, recorded: list[Event]
) -> None:
    answer = await api["labeler"]("POST", "/events", json=MISSED | {"label": "wave"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["onset_seq"], made["offset_seq"]) == (101, 301)
    assert (made["flags"], made["detector_version"]) == (["person"], None)
    assert made["label"]["label"] == "wave"
    assert made["label"]["by"] == "labeler"
    assert made["onset"] == "2026-01-01T00:00:02.000000Z"
    assert made["offset"] == "2026-01-01T00:00:06.000000Z"
    async with engine.connect() as conn:
        window = await events.window(conn, made["id"])
    assert (window.pre_roll, window.post_roll) == (25, 25)
    assert np.array_equal(window.values, bursts(1)[75:325])


async def test_missed_event_said_again_is_the_same_event(
    admin: Caller, recorded: list[Event]
) -> None:
    first = await admin("POST", "/events", json=MISSED)
    again = await admin("POST", "/events", json=MISSED | {"label": "wave"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["label"]["label"] == "wave"
    other = await admin("POST", "/events", json=MISSED | {"offset_seq": 302})
    assert "PATCH" in require_problem(other, 409)["detail"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"device": "arm-9"}, 404, "no stream"),
        ({"boot": "b9"}, 404, "no stream"),
        ({"offset_seq": 101}, 422, "below offset_seq=101"),
        ({"offset_seq": 2**40}, 422, "too long"),
        ({"onset_seq": 5990, "offset_seq": 6002}, 409, "not all recorded"),
        ({"onset_seq": 0}, 422, None),
        ({"label": ""}, 422, None),
    ],
)
async def test_event_that_cannot_be_cut_is_refused_with_the_rule(
    admin: Caller,
    recorded: list[Event],
    change: dict[str, object],
    status: int,
    words: str | None,
) -> None:
    problem = require_problem(
        await admin("POST", "/events", json=MISSED | change), status
    )
    assert words is None or words in problem["detail"]


async def test_event_across_a_gap_of_the_recording_is_refused(
    admin: Caller, engine: AsyncEngine, recorded: list[Event]
) -> None:
    await record(engine, 2, gap=True)
    asked = MISSED | {"device": "arm-2", "onset_seq": 2990, "offset_seq": 3110}
    require_problem(await admin("POST", "/events", json=asked), 409)
    whole = asked | {"onset_seq": 3101}
    made = await admin("POST", "/events", json=whole)
    assert made.status_code == 201


async def test_boundaries_move_within_the_recording_and_what_they_were_is_kept(
    api: dict[str, Caller], engine: AsyncEngine, recorded: list[Event]
) -> None:
    event = recorded[0]
    path = f"/events/{event.id}"
    body = {"onset_seq": event.onset_seq - 300, "offset_seq": event.offset_seq + 7}
    answer = await api["labeler"]("PATCH", path, json=body)
    assert answer.status_code == 200, answer.text
    moved = answer.json()
    assert moved["id"] == str(event.id)
    assert (moved["onset_seq"], moved["offset_seq"]) == tuple(body.values())
    assert moved["flags"] == ["moved"]
    assert moved["detector_version"] == event.detector_version
    onset = T0 + timedelta(seconds=(body["onset_seq"] - 1) / RATE_HZ)
    assert moved["onset"] == onset.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    back = await api["admin"]("PATCH", path, json={"onset_seq": event.onset_seq})
    assert back.json()["onset_seq"] == event.onset_seq
    detail = (await api["viewer"]("GET", path)).json()
    kept = [(one["onset_seq"], one["offset_seq"]) for one in detail["revisions"]]
    assert kept == [(event.onset_seq, event.offset_seq), tuple(body.values())]
    assert [one["by"] for one in detail["revisions"]] == ["labeler", "admin"]
    steps = (await api["viewer"]("GET", f"{path}/trace")).json()["steps"]
    assert [one["step"] for one in steps[-2:]] == ["moved", "moved"]
    async with engine.connect() as conn:
        window = await events.window(conn, event.id)
    first = event.onset_seq - 1 - window.pre_roll
    assert np.array_equal(window.values, bursts(1)[first : first + len(window.values)])


async def test_nothing_moves_nothing(admin: Caller, recorded: list[Event]) -> None:
    path = f"/events/{recorded[0].id}"
    answer = await admin("PATCH", path, json={"onset_seq": recorded[0].onset_seq})
    assert answer.status_code == 200
    assert answer.json()["flags"] == []
    assert (await admin("GET", path)).json()["revisions"] == []


async def test_without_a_recording_boundaries_move_within_the_window(
    admin: Caller, engine: AsyncEngine
) -> None:
    (event,) = await add_events(engine, "arm", ["fist"], start=1)
    path = f"/events/{event.id}"
    wider = {"onset_seq": event.onset_seq - 10, "offset_seq": event.offset_seq + 10}
    moved = (await admin("PATCH", path, json=wider)).json()
    assert moved["onset"] == "2026-01-01T00:00:00.800000Z"
    assert moved["label"]["label"] == "fist"
    async with engine.connect() as conn:
        window = await events.window(conn, event.id)
    assert (window.pre_roll, window.post_roll) == (0, 0)
    assert np.array_equal(window.values, event.window)
    beyond = await admin("PATCH", path, json={"offset_seq": event.offset_seq + 11})
    said = require_problem(beyond, 409)["detail"]
    assert f"shows {wider['onset_seq']} to {wider['offset_seq'] - 1}" in said


async def test_what_cannot_be_moved_is_refused(
    admin: Caller, recorded: list[Event]
) -> None:
    nowhere = "/events/00000000-0000-0000-0000-000000000000"
    require_problem(await admin("PATCH", nowhere, json={}), 404)
    path = f"/events/{recorded[0].id}"
    swapped = {"onset_seq": recorded[0].offset_seq}
    problem = require_problem(await admin("PATCH", path, json=swapped), 422)
    assert "must be at least 1 and below" in problem["detail"]
    require_problem(await admin("PATCH", path, json={"peak": 1}), 422)
