"""Profiles and devices: declared, changed, looked at, deleted."""

from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.state import State
from app.domain import Role
from app.learning import classify
from app.store import events, keys
from tests.api.caller import Caller, api_of, require_problem
from tests.service.scene import add_events, add_version

LEG = {"channels": [{"name": "a", "unit": "V"}, {"name": "b"}], "rate_hz": 25}


async def test_profile_needs_channels_and_rate_only(api: dict[str, Caller]) -> None:
    call = api["operator"]
    answer = await call("PUT", "/profiles/leg", json=LEG)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["channels"] == [{"name": "a", "unit": "V"}, {"name": "b", "unit": "1"}]
    assert made["detector_version"] >= 1
    assert made["detector"]["kind"]
    assert made["retrain"]["every_labels"] == 20
    assert made["retrain"]["unknown_rate"] == 0.05
    assert made["retrain"]["least"] == {}
    again = await call("PUT", "/profiles/leg", json=LEG)
    assert (again.status_code, again.json()) == (200, made)
    listed = (await call("GET", "/profiles")).json()["items"]
    assert [one["name"] for one in listed] == ["arm", "leg"]
    assert (await call("GET", "/profiles/leg")).json() == made


async def test_changed_detector_is_a_new_version(admin: Caller) -> None:
    made = (await admin("PUT", "/profiles/leg", json=LEG)).json()
    settings = {"kind": "sta_lta"}
    body = LEG | {"detector": settings, "classes": ["kick", "kick", "rest"]}
    changed = (await admin("PUT", "/profiles/leg", json=body)).json()
    assert changed["detector_version"] > made["detector_version"]
    assert changed["detector"]["kind"] == "sta_lta"
    assert changed["classes"] == ["kick", "rest"]
    kept = (await admin("PUT", "/profiles/leg", json=LEG)).json()
    assert kept["detector_version"] == changed["detector_version"]


@pytest.mark.parametrize(
    "change",
    [
        {"channels": []},
        {"channels": [{"name": "a"}, {"name": "a"}]},
        {"rate_hz": 0},
        {"rate_hz": "50"},
        {"rate_hz": 1e9},
        {"detector": {"kind": "magic"}},
        {"detector": {"kind": "energy", "strange": 1}},
        {"detector": {"kind": "energy", "on": "\0"}},
        {"detector": {"limits": {"arm": [0, 1]}}},
        {"detector": {"limits": {"\0": [0, 1]}}},
        {"classes": ["a\nb"]},
        {"retrain": {"estimator": "magic"}},
        {"retrain": {"mode": "both"}},
        {"retrain": {"every_labels": 0}},
        {"retrain": {"unknown_rate": 0}},
        {"retrain": {"least": {"fist": {"probability": 1.1}}}},
        {"retrain": {"least": {"fist": {"minutes": 1}}}},
        {"retrain": {"unknown_rate": 0.6}},
        {"max_gap_seconds": 0},
        {"strange": 1},
    ],
)
async def test_profile_that_cannot_work_is_refused(
    admin: Caller, change: dict[str, object]
) -> None:
    require_problem(await admin("PUT", "/profiles/leg", json=LEG | change), 422)
    require_problem(await admin("GET", "/profiles/leg"), 404)


@pytest.mark.parametrize("mode", ["online", "incremental"])
async def test_an_estimator_that_cannot_go_on_learning_is_refused_that_mode(
    admin: Caller, mode: str
) -> None:
    retrain = {"mode": mode, "estimator": "extra_trees"}
    body = LEG | {"retrain": retrain}
    said = require_problem(await admin("PUT", "/profiles/leg", json=body), 409)
    assert "'extra_trees' cannot learn incrementally" in said["detail"]
    retrain["estimator"] = "sgd"
    assert (await admin("PUT", "/profiles/leg", json=body)).status_code == 201


async def test_channels_of_a_profile_with_events_stay(
    admin: Caller, engine: AsyncEngine
) -> None:
    await add_events(engine, "arm", ["fist"])
    require_problem(await admin("PUT", "/profiles/arm", json=LEG), 409)


async def test_status_counts_and_judges_answers_given_before_the_label(
    admin: Caller, engine: AsyncEngine, state: State
) -> None:
    version = await add_version(engine, state.artefacts, "v", promote_from=None)
    await state.champions.refresh()
    model = state.champions.model("arm")
    assert model is not None
    early = await add_events(engine, "arm", ["fist"], labelled=True)
    later = await add_events(engine, "arm", ["fist", "wave"], start=1, labelled=False)
    async with engine.begin() as conn:
        rows = [(e.id, classify(model, e.window, 10, 10)) for e in (*early, *later)]
        await events.add_predictions(conn, rows)
    for event, label in zip(later, ("v:fist", "nothing"), strict=True):
        await admin("POST", f"/events/{event.id}/labels", json={"label": label})
    await add_events(engine, "arm", ["rest"], start=3, labelled=False)
    said = (await admin("GET", "/profiles/arm/status")).json()
    assert said["champion"]["version"] == version
    assert (said["events"], said["unlabelled"], said["unclassified"]) == (4, 1, 1)
    assert (said["devices"], said["devices_connected"]) == (1, 0)
    # the label of `early` was known before the answer: it proves nothing
    assert said["accuracy"] == [{"model_version": version, "n": 2, "accuracy": 0.5}]
    assert said["expected"] is None  # all that it answered is labelled
    new = await add_events(engine, "arm", ["fist", "wave"], start=4, labelled=False)
    answers = [(e.id, classify(model, e.window, 10, 10)) for e in new]
    async with engine.begin() as conn:
        await events.add_predictions(conn, answers)
    said = (await admin("GET", "/profiles/arm/status")).json()
    mean = sum(one.probability for _, one in answers) / 2
    expected = {"model_version": version, "n": 2, "accuracy": pytest.approx(mean)}
    assert said["expected"] == expected
    require_problem(await admin("GET", "/profiles/leg/status"), 404)


async def test_device_is_registered_found_and_deleted_with_its_keys(
    api: dict[str, Caller], client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    call = api["operator"]
    body = {"profile": "arm"}
    assert (await call("PUT", "/devices/arm-2", json=body)).status_code == 201
    assert (await call("PUT", "/devices/arm-2", json=body)).status_code == 200
    answer = await call("PUT", "/devices/arm-3", json={"profile": "leg"})
    require_problem(answer, 404)
    answer = await call("POST", "/devices/arm-2/keys", json={})
    assert answer.status_code == 201
    device = api_of(client, answer.json()["key"])
    assert (await device("GET", "/devices/arm-2")).json()["last_seen"] is None
    listed = (await call("GET", "/devices", params={"limit": 1})).json()
    rest = (await call("GET", f"/devices?cursor={listed['next_cursor']}")).json()
    assert [d["id"] for d in listed["items"] + rest["items"]] == ["arm-1", "arm-2"]
    require_problem(await call("DELETE", "/devices/arm-2"), 403)
    assert (await api["admin"]("DELETE", "/devices/arm-2")).status_code == 204
    (act, *_) = (await api["admin"]("GET", "/audit")).json()["items"]
    assert (act["act"], act["after"]) == ("delete", {"learnt_from_by_models": []})
    require_problem(await device("GET", "/devices/arm-2"), 401)
    require_problem(await call("GET", "/devices/arm-2"), 404)
    answer = await call("POST", "/devices/arm-2/keys")
    require_problem(answer, 404)


async def test_ticket_is_good_once_for_its_device(
    api: dict[str, Caller], state: State
) -> None:
    body = {"device": "arm-1"}
    answer = await api["operator"]("POST", "/tickets", json=body)
    assert answer.status_code == 201
    ticket = answer.json()["ticket"]
    assert state.tickets.redeem(ticket, "arm-1").holder == "operator"
    with pytest.raises(Exception, match="not valid"):
        state.tickets.redeem(ticket, "arm-1")


async def test_expired_key_is_no_key(
    client: httpx.AsyncClient, engine: AsyncEngine, state: State
) -> None:
    async with engine.begin() as conn:
        _, secret = await keys.create(
            conn,
            role=Role.ADMIN,
            name="old",
            expires_at=datetime(2020, 1, 1, tzinfo=UTC),
        )
    require_problem(await api_of(client, secret)("GET", "/events"), 401)


async def test_ready_names_each_reason(client: httpx.AsyncClient, state: State) -> None:
    assert (await client.get("/health/ready")).json() == {"ready": True, "reasons": []}
    assert (await client.get("/health/live")).json()["uptime_seconds"] >= 0
    object.__setattr__(state, "ready", lambda: ["database: away"])
    answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["database: away"]
    started = await client.get("/health/startup")
    assert started.json() == {"started": True, "reasons": []}
    object.__setattr__(state, "started", lambda: False)
    starting = await client.get("/health/startup")
    assert (starting.status_code, starting.json()["started"]) == (503, False)
    assert starting.json()["reasons"] == ["database: away"]


async def test_page_and_descriptions_are_open(client: httpx.AsyncClient) -> None:
    assert "<title>Onset" in (await client.get("/")).text
    assert (await client.get("/asyncapi.json")).json()["asyncapi"].startswith("3.")
    assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.")
    assert (await client.get("/docs")).status_code == 404
