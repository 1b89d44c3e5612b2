"""Events, their windows and labels, as readers and labellers see them."""

import io
import uuid
from datetime import timedelta

import numpy as np
import pyarrow.parquet as pq
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from app.learning import classify
from app.store import alert_rules, alerts, deliveries, events, webhooks
from app.store.deliveries import NewDelivery
from tests.api.caller import Caller, require_problem
from tests.service.scene import T0, add_events, add_version, cycle, event_of

RULE = {"name": "look", "on": "event", "cooldown_seconds": 9.0, "group_by": "device"}
NOWHERE = "/events/00000000-0000-0000-0000-000000000000"


async def items(caller: Caller, **query: object) -> list[dict[str, object]]:
    answer = await caller("GET", "/events", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["items"]
    return found


async def test_event_has_the_shape_that_scripts_rely_on(
    admin: Caller, engine: AsyncEngine
) -> None:
    (made,) = await add_events(engine, "arm", ["fist"])
    (event,) = await items(admin)
    label = event.pop("label")
    assert event == {
        "id": str(made.id),
        "device": "arm-1",
        "boot": "b1",
        "profile": "arm",
        "onset_seq": 1,
        "offset_seq": 41,
        "onset": "2026-01-01T00:00:00.000000Z",
        "offset": "2026-01-01T00:00:00.800000Z",
        "peak": 3.0,
        "flags": [],
        "detector_version": None,
        "prediction": None,
    }
    assert isinstance(label, dict)
    assert label["label"] == "fist"
    assert set(label) == {"label", "by", "at"}


async def test_cursor_visits_every_event_once_in_both_orders(
    admin: Caller, engine: AsyncEngine
) -> None:
    made = [str(e.id) for e in await add_events(engine, "arm", cycle(7))]
    for order, expected in (("asc", made), ("desc", made[::-1])):
        seen, cursor = [], {}
        while True:
            query = {"limit": 3, "order": order, **cursor}
            page = (await admin("GET", "/events", params=query)).json()
            seen += [one["id"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == expected


async def test_filters_choose_what_they_say(
    admin: Caller, engine: AsyncEngine, state: State
) -> None:
    await add_events(engine, "arm", ["fist", "wave"])
    await add_events(engine, "arm", ["rest"], start=2, labelled=False)
    assert [e["label"]["label"] for e in await items(admin, label="wave")] == ["wave"]
    assert len(await items(admin, labelled=False)) == 1
    assert len(await items(admin, labelled=True)) == 2
    assert len(await items(admin, profile="arm", device="arm-1")) == 3
    assert await items(admin, device="arm-2") == []
    since = (T0 + timedelta(seconds=1)).isoformat()
    assert len(await items(admin, since=since)) == 2
    assert len(await items(admin, until=since)) == 1
    assert await items(admin, flag="gap") == []
    assert await items(admin, predicted="fist") == []
    assert await items(admin, unknown=True) == []
    assert await items(admin, min_probability=0.5) == []
    assert await items(admin, model_version=1) == []


async def test_prediction_of_an_event_and_its_filters(
    admin: Caller, engine: AsyncEngine, state: State
) -> None:
    version = await add_version(engine, state.artefacts, "v", promote_from=None)
    await state.champions.refresh()
    (made,) = await add_events(engine, "arm", ["wave"], labelled=False)
    await classify_stored(engine, state, made.id)
    (event,) = await items(admin, predicted="v:wave", model_version=version)
    assert event["prediction"]["model_version"] == version
    assert event["prediction"]["unknown"] is False
    detail = (await admin("GET", f"/events/{made.id}")).json()
    (said,) = detail["predictions"]
    assert said["first"] is True
    assert set(said["probabilities"]) == {"v:fist", "v:rest", "v:wave"}
    assert said["probability"] == max(said["probabilities"].values())
    assert (detail["n_readings"], detail["pre_roll"]) == (60, 10)
    steps = (await admin("GET", f"/events/{made.id}/trace")).json()["steps"]
    assert [s["step"] for s in steps] == ["onset", "offset", "stored", "predicted"]


async def test_trace_of_an_event_tells_who_was_told_of_it(
    admin: Caller, engine: AsyncEngine
) -> None:
    (made,) = await add_events(engine, "arm", ["wave"])
    other, _ = await add_events(engine, "arm", ["fist", "fist"], start=1)
    async with engine.begin() as conn:
        hooks = [
            await webhooks.add(conn, url, b"s" * 32, ["onset.event"], None)
            for url in ("https://a.example", "https://b.example")
        ]
        for hook in hooks:
            messages = [f"event:{one.id}" for one in (made, other)]
            new = [NewDelivery(m, "onset.event", "{}") for m in messages]
            await deliveries.add(conn, hook.id, new)
        taken = await deliveries.take_due(conn, 10, 60.0)
        for _hook, one in taken:
            if one.webhook == hooks[0].id:
                await deliveries.delivered(conn, one, 204)
        rule = await alert_rules.add(conn, RULE)
        other_rule = await alert_rules.add(conn, RULE | {"group_by": "rule"})
        first, second = (
            alerts.Firing(f"event:{e.id}", "arm-1", "arm", e.id) for e in (made, other)
        )
        (alert,) = await alerts.fire(conn, rule, [first])
        await alerts.fire(conn, other_rule, [second, first])
        await alerts.acknowledge(conn, alert.id, "ann", None)
        new = [NewDelivery(f"alert:{alert.id}", "onset.alert", "{}")]
        await deliveries.add(conn, hooks[0].id, new)
    steps = (await admin("GET", f"/events/{made.id}/trace")).json()["steps"]
    by = {(s["step"], s["facts"].get("rule"), s["facts"].get("alert")) for s in steps}
    assert {
        ("alerted", rule.id, alert.id),
        ("alerted", other_rule.id, None),  # counted into the alert of another event
        ("acknowledged", None, alert.id),
    } <= by
    of_alert = [s for s in steps if s["facts"].get("message") == f"alert:{alert.id}"]
    assert [one["step"] for one in of_alert] == ["waiting"]
    steps = [one for one in steps if one not in of_alert]
    told = {s["facts"]["webhook"]: s for s in steps if "webhook" in s["facts"]}
    assert {number: one["step"] for number, one in told.items()} == {
        hooks[0].id: "delivered",
        hooks[1].id: "waiting",
    }
    assert told[hooks[0].id]["facts"]["status"] == 204
    assert [s["at"] for s in steps[2:]] == sorted(s["at"] for s in steps[2:])
    assert [s["step"] for s in steps[:3]] == ["onset", "offset", "stored"]


async def test_window_is_the_same_in_all_three_forms(
    admin: Caller, engine: AsyncEngine
) -> None:
    (made,) = await add_events(engine, "arm", ["fist"])
    path = f"/events/{made.id}/window"
    plain = (await admin("GET", path)).json()
    assert plain["pre_roll"] == plain["post_roll"] == 10
    assert plain["channels"][0] == {"name": "x", "unit": "1"}
    values = np.array(plain["values"], np.float32)
    np.testing.assert_array_equal(values, made.window)
    answer = await admin("GET", path, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = answer.text.splitlines()
    assert head == "t,x,y"
    table = np.array([row.split(",") for row in rows], np.float64)
    assert table[0, 0] == -0.2
    np.testing.assert_array_equal(table[:, 1:].astype(np.float32), made.window)
    parquet = {"Accept": "application/vnd.apache.parquet"}
    answer = await admin("GET", path, headers=parquet)
    columns = pq.read_table(io.BytesIO(answer.content)).to_pydict()
    np.testing.assert_array_equal(np.float32(columns["y"]), made.window[:, 1])


async def test_labels_are_appended_and_the_latest_counts(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    (made,) = await add_events(engine, "arm", ["fist"], labelled=False)
    path = f"/events/{made.id}/labels"
    for label in ("fist", "wave"):
        answer = await api["labeler"]("POST", path, json={"label": label})
        assert answer.status_code == 201
        assert answer.json()["by"] == "labeler"
    history = (await api["viewer"]("GET", path)).json()["items"]
    assert [one["label"] for one in history] == ["fist", "wave"]
    (event,) = await items(api["viewer"])
    assert event["label"]["label"] == "wave"
    acts = (await api["admin"]("GET", "/audit")).json()["items"]
    assert [a["act"] for a in acts if a["object"] == f"event:{made.id}"] == [
        "label"
    ] * 2


async def test_an_empty_label_withdraws_what_was_said(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    (made,) = await add_events(engine, "arm", ["fist"], labelled=False)
    path = f"/events/{made.id}/labels"
    for label in ("fist", ""):
        answer = await api["labeler"]("POST", path, json={"label": label})
        assert answer.status_code == 201
    event = (await api["viewer"]("GET", f"/events/{made.id}")).json()
    assert event["label"] is None
    assert [one["label"] for one in event["labels"]] == ["fist", ""]
    assert len(await items(api["viewer"], labelled=False)) == 1


async def test_the_same_label_again_is_said_once(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    (made,) = await add_events(engine, "arm", ["fist"], labelled=False)
    path = f"/events/{made.id}/labels"
    first = await api["labeler"]("POST", path, json={"label": "fist"})
    again = await api["labeler"]("POST", path, json={"label": "fist"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


async def test_many_labels_are_all_taken_or_none(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    made = await add_events(engine, "arm", cycle(3), labelled=False)
    rows = [{"event": str(e.id), "label": "fist"} for e in made]
    strange = {"event": str(uuid.uuid4()), "label": "fist"}
    answer = await api["labeler"]("POST", "/labels", json={"labels": [*rows, strange]})
    require_problem(answer, 404)
    assert await items(api["viewer"], labelled=True) == []
    answer = await api["labeler"]("POST", "/labels", json={"labels": rows})
    assert answer.json() == {"accepted": 3}
    assert len(await items(api["viewer"], label="fist")) == 3


async def test_unknown_event_is_not_found_everywhere(admin: Caller) -> None:
    for path in ("", "/window", "/trace", "/labels"):
        require_problem(await admin("GET", NOWHERE + path), 404)
    answer = await admin("POST", f"{NOWHERE}/labels", json={"label": "fist"})
    require_problem(answer, 404)


async def classify_stored(engine: AsyncEngine, state: State, event: uuid.UUID) -> None:
    from_stored = event_of("arm", "arm-1", 0, "wave")
    model = state.champions.model("arm")
    said = classify(model, from_stored.window, 10, 10)
    async with engine.begin() as conn:
        await events.add_predictions(conn, [(event, said)])
