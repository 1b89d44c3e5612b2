"""Classification, versions, promotion and retraining by REST."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api import classify as routes
from app.api import plain_classify
from app.api.state import State
from app.domain import Context, Earlier, Prediction
from app.learning import Model, classify
from app.store import events
from tests.api.caller import Caller, require_problem
from tests.service.scene import add_version, event_of, tiny_model, window

ONNX = {"Content-Type": "application/octet-stream"}
CLASSES = ["v:fist", "v:rest", "v:wave"]


@pytest.fixture
async def version(engine: AsyncEngine, state: State, admin: Caller) -> int:
    number = await add_version(engine, state.artefacts, "v", promote_from=None)
    await state.champions.refresh()
    return number


async def test_classify_says_what_the_stream_says_bit_for_bit(
    admin: Caller, state: State, version: int
) -> None:
    model = state.champions.model("arm")
    assert model is not None
    windows = [window(label, n) for n, label in enumerate(["fist", "wave"] * 4)]
    body = {
        "profile": "arm",
        "windows": [w.tolist() for w in windows],
        "pre_roll": 10,
        "post_roll": [10] * 8,
    }
    said = (await admin("POST", "/classify", json=body)).json()["predictions"]
    for one, values in zip(said, windows, strict=True):
        expected = classify(model, values, 10, 10)
        assert one["label"] == expected.label
        assert one["model_version"] == version
        assert one["probability"] == expected.probability
        assert tuple(one["probabilities"].values()) == expected.probabilities
        assert one["features_digest"] == expected.features_digest


async def test_with_its_context_a_stored_window_is_answered_as_its_stream_was(
    admin: Caller, engine: AsyncEngine, state: State, version: int
) -> None:
    reads = await add_version(
        engine, state.artefacts, "c", promote_from=version, beside=True
    )
    await state.champions.refresh()
    known = Context(3, (Earlier(1.5, 0.5, "c:rest", 0.7),), (1, 2, 3))
    event = replace(event_of("arm", "arm-1", 1, "fist"), context=known)
    async with engine.begin() as conn:
        await events.add(conn, [event])
    shown = (await admin("GET", f"/events/{event.id}/window")).json()
    assert Context.from_json(shown["context"]) == known
    model = state.champions.model("arm")
    assert model is not None
    assert model.version == reads
    body = {"profile": "arm", "windows": [shown["values"]] * 2, "pre_roll": 10}
    body |= {"post_roll": 10, "contexts": [shown["context"], None]}
    said = (await admin("POST", "/classify", json=body)).json()["predictions"]
    assert [one["features_digest"] for one in said] == [
        classify(model, event.window, 10, 10, one).features_digest
        for one in (known, None)
    ]
    for wrong in ([None], [{"events": -1}, None]):
        answer = await admin("POST", "/classify", json=body | {"contexts": wrong})
        assert answer.status_code == 422, answer.text


async def test_any_version_of_the_profile_can_be_asked(
    admin: Caller, engine: AsyncEngine, state: State, version: int
) -> None:
    other = await add_version(engine, state.artefacts, "w")
    body = {"profile": "arm", "windows": [window("wave", 1).tolist()]}
    for number, tag in ((version, "v"), (other, "w")):
        answer = await admin("POST", "/classify", json=body | {"model_version": number})
        (said,) = answer.json()["predictions"]
        assert (said["label"], said["model_version"]) == (f"{tag}:wave", number)
    answer = await admin("POST", "/classify", json=body | {"model_version": 999})
    require_problem(answer, 404)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"windows": [[[1.0]]]},
        {"windows": [[[1.0, 2.0], [1.0]]]},
        {"windows": [[[1.0, 1e39]]]},
        {"windows": [[[1.0, None]] * 40]},
        {"windows": [[[True, 1.0]] * 40]},
        {"windows": [[[1.0, None]]]},
        {"windows": [[]]},
        {"windows": []},
        {"windows": [[[1.0, 2.0]]], "features": [[1.0]]},
        {"windows": [[[1.0, 2.0]]], "pre_roll": [1, 2]},
        {"windows": [[[1.0, 2.0]]], "pre_roll": 5},
        {"windows": [[["1", "2"]]]},
        {"features": [[1.0, 2.0]]},
    ],
)
async def test_windows_that_cannot_be_classified_are_refused(
    admin: Caller, version: int, more: dict[str, object]
) -> None:
    answer = await admin("POST", "/classify", json={"profile": "arm"} | more)
    require_problem(answer, 422)


async def test_profile_without_a_model_says_so(admin: Caller) -> None:
    body = {"profile": "arm", "windows": [[[1.0, 2.0]]]}
    assert (
        "no model yet"
        in require_problem(await admin("POST", "/classify", json=body), 404)["detail"]
    )


async def test_promotion_and_rollback_move_the_champion_and_are_recorded(
    api: dict[str, Caller], engine: AsyncEngine, state: State, version: int
) -> None:
    call = api["operator"]
    second = await add_version(engine, state.artefacts, "w")
    promote = f"/models/{second}/promote"
    stale = {"reason": "better", "expected": second}
    require_problem(await call("POST", promote, json=stale), 412)
    body = {"reason": "better", "expected": version}
    answer = await call("POST", promote, json=body)
    assert answer.json() == {
        "profile": "arm",
        "version": second,
        "previous": version,
        "device": None,
    }
    assert (await call("POST", promote, json=body)).status_code == 200
    states = {m["version"]: m["state"] for m in await models(call)}
    assert states == {version: "retired", second: "champion"}
    back = {"reason": "worse after all", "expected": version}
    require_problem(await call("POST", "/profiles/arm/rollback", json=back), 412)
    back["expected"] = second
    answer = await call("POST", "/profiles/arm/rollback", json=back)
    assert answer.json() == {
        "profile": "arm",
        "version": version,
        "previous": second,
        "device": None,
    }
    ledger = (await call("GET", "/profiles/arm/history")).json()["items"]
    assert [(e["version"], e["act"]) for e in ledger] == [
        (version, "rollback"),
        (second, "promote"),
        (version, "promote"),
    ]
    at = {"at": ledger[1]["at"]}
    then = (await call("GET", "/profiles/arm/history", params=at)).json()["items"]
    assert [e["version"] for e in then] == [second]
    acts = (await api["admin"]("GET", "/audit")).json()["items"]
    assert {"promote", "rollback"} <= {a["act"] for a in acts}


async def models(call: Caller) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (
        await call("GET", "/models", params={"profile": "arm"})
    ).json()["items"]
    return found


async def test_version_tells_what_it_is(admin: Caller, version: int) -> None:
    (listed,) = await models(admin)
    detail = (await admin("GET", f"/models/{version}")).json()
    assert detail.items() >= {k: v for k, v in listed.items() if k != "report"}.items()
    assert detail["classes"] == CLASSES
    require_problem(await admin("GET", "/models/999"), 404)


async def test_model_from_elsewhere_becomes_a_candidate_that_serves_when_promoted(
    admin: Caller, state: State
) -> None:
    graph, _ = tiny_model("v")
    query = {"profile": "arm", "classes": CLASSES, "unknown_below": 0.2}
    answer = await admin(
        "POST", "/models/import", params=query, content=graph, headers=ONNX
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["kind"], made["state"]) == ("imported", "candidate")
    body = {"reason": "trained by others"}
    await admin("POST", f"/models/{made['version']}/promote", json=body)
    await state.champions.refresh()
    model = state.champions.model("arm")
    assert model is not None
    assert model.version == made["version"]
    assert classify(model, window("fist", 3), 10, 10).label == "v:fist"


async def test_model_from_elsewhere_is_held_to_what_the_profile_demands_of_a_class(
    admin: Caller, state: State
) -> None:
    profile = (await admin("GET", "/profiles/arm")).json()
    seen = window("fist", 3)
    graph, _ = tiny_model("v")
    unknown = []
    for least in ({}, {"v:fist": {"seconds": 60}}, {"v:fist": {"probability": 1}}):
        body = {
            "channels": profile["channels"],
            "rate_hz": profile["rate_hz"],
            "retrain": {**profile["retrain"], "least": least},
        }
        changed = await admin("PUT", "/profiles/arm", json=body)
        assert changed.status_code == 200, changed.text
        query = {"profile": "arm", "classes": CLASSES, "unknown_below": 0.0}
        made = await admin(
            "POST", "/models/import", params=query, content=graph, headers=ONNX
        )
        path = f"/models/{made.json()['version']}/promote"
        await admin("POST", path, json={"reason": "to see"})
        await state.champions.refresh()
        model = state.champions.model("arm")
        assert model is not None
        unknown.append(classify(model, seen, 10, 10).unknown)
    assert unknown == [False, True, True]


@pytest.mark.parametrize(
    ("graph", "classes"),
    [
        (b"", CLASSES),
        (b"\x80\x04pickle", CLASSES),
        (tiny_model("v")[0][:-20], CLASSES),
        (tiny_model("v")[0], ["a", "b"]),
        (tiny_model("v")[0], ["a", "b", "b"]),
    ],
    ids=["empty", "pickle", "cut", "two classes", "same class twice"],
)
async def test_file_that_does_not_fit_the_profile_is_refused(
    admin: Caller, graph: bytes, classes: list[str]
) -> None:
    query = {"profile": "arm", "classes": classes}
    answer = await admin(
        "POST", "/models/import", params=query, content=graph, headers=ONNX
    )
    require_problem(answer, 422)
    assert await models(admin) == []


async def test_retrain_is_a_job_and_only_one_at_a_time(api: dict[str, Caller]) -> None:
    call = api["operator"]
    answer = await call("POST", "/retrain", json={"profile": "arm"})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["progress"]) == ("retrain", "queued", 0)
    again = (await call("POST", "/retrain", json={"profile": "arm"})).json()
    assert again["id"] == job["id"]
    listed = (await call("GET", "/jobs", params={"profile": "arm"})).json()["items"]
    assert [one["id"] for one in listed] == [job["id"]]
    await call("DELETE", f"/jobs/{job['id']}")
    ended = (await call("GET", f"/jobs/{job['id']}")).json()
    assert ended["state"] == "cancelled"
    require_problem(await call("GET", "/jobs/999"), 404)


async def test_estimator_that_cannot_learn_incrementally_is_refused(
    api: dict[str, Caller],
) -> None:
    body = {"profile": "arm", "mode": "incremental"}  # estimator: logistic
    answer = await api["operator"]("POST", "/retrain", json=body)
    assert "partial_fit" in require_problem(answer, 409)["detail"]
    body = {"profile": "leg", "mode": "full"}
    require_problem(await api["operator"]("POST", "/retrain", json=body), 404)


async def test_answers_hold_for_features_too(
    admin: Caller, state: State, version: int
) -> None:
    model = state.champions.model("arm")
    assert model is not None
    row = np.array(model.card.selftest.rows[0], np.float32)
    body = {"profile": "arm", "features": [row.tolist()]}
    (said,) = (await admin("POST", "/classify", json=body)).json()["predictions"]
    assert said["probability"] == model.predict(row).probability


async def test_a_device_may_have_a_model_of_its_own(
    api: dict[str, Caller], engine: AsyncEngine, state: State, version: int
) -> None:
    call = api["operator"]
    second = await add_version(engine, state.artefacts, "w")
    body = {"reason": "its band is turned", "device": "arm-1"}
    answer = await call("POST", f"/models/{second}/promote", json=body)
    assert answer.json() == {
        "profile": "arm",
        "version": second,
        "previous": None,
        "device": "arm-1",
    }
    await state.champions.refresh()
    asked = {"profile": "arm", "windows": [[[1.0, 2.0]] * 40]}
    served = {}
    for device in ("arm-1", None):
        who = {} if device is None else {"device": device}
        answer = await call("POST", "/classify", json=asked | who)
        [said] = answer.json()["predictions"]
        served[device] = said["model_version"]
    assert served == {"arm-1": second, None: version}
    for more, status in (({"device": "nobody"}, 404), ({"model_version": second}, 422)):
        wrong = asked | {"device": "arm-1"} | more
        require_problem(await call("POST", "/classify", json=wrong), status)
    device = (await call("GET", "/devices/arm-1")).json()
    assert (device["model_version"], device["adaptation"]) == (second, None)
    path = "/profiles/arm/history"
    [own] = (await call("GET", path, params={"device": "arm-1"})).json()["items"]
    assert (own["version"], own["device"]) == (second, "arm-1")
    assert second not in {
        one["version"] for one in (await call("GET", path)).json()["items"]
    }
    answer = await call(
        "POST", "/devices/arm-1/release", json={"reason": "turned back"}
    )
    assert (answer.json()["version"], answer.json()["previous"]) == (version, second)
    again = await call("POST", "/devices/arm-1/release", json={"reason": "twice"})
    require_problem(again, 409)
    await call("POST", f"/models/{second}/promote", json=body)
    back = {"reason": "no better", "device": "arm-1", "expected": version}
    require_problem(await call("POST", "/profiles/arm/rollback", json=back), 412)
    back["expected"] = second
    answer = await call("POST", "/profiles/arm/rollback", json=back)
    assert (answer.json()["version"], answer.json()["device"]) == (version, "arm-1")
    acts = (await api["admin"]("GET", "/audit")).json()["items"]
    mine = [one["act"] for one in acts if one["object"] == "device:arm-1"]
    assert mine[:4] == ["rollback", "promote", "release", "promote"]


@pytest.mark.parametrize(
    "more",
    [
        {"windows": [[[1.0, 2.0]] * 40, [[0.5, 1]] * 30]},
        {"windows": [[[1.0, 2.0]] * 40], "pre_roll": 5, "post_roll": 1},
        {"windows": [[[1, -2.5e-3]] * 40], "features": None},
        {"features": [[0.25] * 36]},
        {"windows": [[[1.0, 2.0]] * 40], "pre_roll": -1},
        {"windows": [[[1.0, 2.0], [1.0]]]},
        {"windows": [[[1.0, 1e39]]]},
        {"windows": [[[1.0, None]] * 40]},
        {"windows": [[[True, 1.0]] * 40]},
        {"features": []},
        {},
    ],
)
async def test_the_quick_way_answers_as_the_route_does(
    admin: Caller,
    version: int,
    more: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def watched(model: Model, body: routes.Asked) -> list[Prediction]:
        asked.append(body)
        return plain_classify.predict(model, body)

    monkeypatch.setattr(routes, "predict", watched)  # what the route asks
    body = json.dumps({"profile": "arm"} | more)
    quick, route = [
        await admin("POST", "/classify", content=body, headers={"Content-Type": kind})
        for kind in ("application/json", "application/json; charset=utf-8")
    ]
    assert quick.status_code == route.status_code
    if quick.status_code == 200:
        assert len(asked) == 1  # the quick way did without
    for answer in (quick, route):
        answer.headers.pop("ratelimit", None)
        answer.headers.pop("content-length", None)
    assert quick.headers == route.headers
    assert quick.json() == route.json()
