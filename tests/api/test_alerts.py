"""Alerts by REST."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.service.notify.alerts import Alerts
from app.service.notify.hub import Hub
from tests.api.caller import Caller, require_problem
from tests.service.scene import add_events

RULE = {"name": "any event", "on": "event", "device": "arm-1"}


async def test_rule_is_made_changed_and_forgotten_and_all_of_it_audited(
    api: dict[str, Caller],
) -> None:
    call = api["operator"]
    answer = await call("POST", "/alerts/rules", json=RULE)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["cooldown_seconds"], made["group_by"]) == (300.0, "device")
    assert (await api["viewer"]("GET", "/alerts/rules")).json()["items"] == [made]
    path = f"/alerts/rules/{made['id']}"
    changed = await call("PATCH", path, json={"enabled": False, "label": "fist"})
    assert changed.json() == made | {"enabled": False, "label": "fist"}
    changed = await call("PATCH", path, json={"label": None})
    assert changed.json()["label"] is None
    require_problem(await call("PATCH", path, json={"silence_seconds": 60.0}), 422)
    require_problem(await call("PATCH", path, json={"name": None}), 422)
    assert (await call("DELETE", path)).status_code == 204
    require_problem(await call("DELETE", path), 404)
    require_problem(await call("PATCH", path, json={}), 404)
    acts = (await api["admin"]("GET", "/audit")).json()["items"]
    about = f"alert rule:{made['id']}"
    done = [act["act"] for act in acts if act["object"] == about]
    assert done == ["delete", "change", "change", "create"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"on": "noise"}, 422),
        ({"on": "silence"}, 422),
        ({"silence_seconds": 60.0}, 422),
        ({"on": "silence", "silence_seconds": 60.0, "label": "fist"}, 422),
        ({"min_probability": 1.5}, 422),
        ({"on": "drift"}, 422),
        ({"on": "training", "device": None, "label": "fist"}, 422),
        ({"cooldown_seconds": 0.0}, 422),
        ({"device": "arm-9"}, 404),
        ({"profile": "leg"}, 404),
    ],
)
async def test_rule_that_cannot_be_is_refused(
    admin: Caller, change: dict[str, object], status: int
) -> None:
    require_problem(await admin("POST", "/alerts/rules", json=RULE | change), status)


async def test_alert_is_acknowledged_once_and_who_was_first_stays(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    rule = (await api["operator"]("POST", "/alerts/rules", json=RULE)).json()
    events = await add_events(engine, "arm", ["fist", "wave"])
    await Alerts(engine, Hub()).look()
    call = api["labeler"]
    query = {"acknowledged": False, "rule": rule["id"], "device": "arm-1"}
    (alert,) = (await call("GET", "/alerts", params=query)).json()["items"]
    assert (alert["event"], alert["count"]) == (str(events[0].id), 2)
    assert (alert["name"], alert["on"], alert["all_devices"]) == (
        "any event",
        "event",
        False,
    )
    path = f"/alerts/{alert['id']}/ack"
    seen = (await call("POST", path, json={"note": "on my way"})).json()
    assert seen["acknowledged"]["by"] == "labeler"
    assert seen["acknowledged"]["note"] == "on my way"
    again = await api["admin"]("POST", path, json={})
    assert again.json() == seen
    assert (await call("GET", "/alerts", params=query)).json()["items"] == []
    all_ = (await call("GET", "/alerts")).json()["items"]
    assert all_ == [seen]
    require_problem(await call("POST", "/alerts/999/ack", json={}), 404)
