"""Detector versions outside: listed, promoted, rolled back, named by their model."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection.scores import digest, silent
from app.store import detectors, devices, jobs, profiles
from tests.api.caller import Caller, require_problem

WHY = {"reason": "test"}
BODY = {"channels": [{"name": "x"}, {"name": "y"}], "rate_hz": 50}


async def numbers(caller: Caller) -> list[tuple[int, str]]:
    rows = (await caller("GET", "/profiles/arm/detectors")).json()["items"]
    return [(row["number"], row["state"]) for row in rows]


async def test_versions_serve_are_rolled_back_and_go_no_further_than_the_first(
    api: dict[str, Caller], admin: Caller
) -> None:
    ((first, _),) = await numbers(admin)
    louder = BODY | {"detector": {"on": 9}}
    assert (await admin("PUT", "/profiles/arm", json=louder)).status_code == 200
    (second, _), _ = await numbers(admin)
    assert await numbers(admin) == [(second, "serving"), (first, "retired")]
    path = "/profiles/arm/detectors"
    moved = WHY | {"expected": first}
    require_problem(await admin("POST", f"{path}/rollback", json=moved), 412)
    back = await api["operator"]("POST", f"{path}/rollback", json=WHY)
    assert back.json() == {
        "profile": "arm",
        "device": None,
        "number": first,
        "previous": second,
    }
    require_problem(await admin("POST", f"{path}/rollback", json=WHY), 409)
    again = await admin("POST", f"{path}/{second}/promote", json=WHY)
    assert again.json()["previous"] == first
    require_problem(await admin("POST", f"{path}/{second}/promote", json=WHY), 409)
    moved = WHY | {"expected": first}
    require_problem(await admin("POST", f"{path}/{first}/promote", json=moved), 412)
    require_problem(await admin("POST", f"{path}/999999/promote", json=WHY), 404)
    ledger = (await api["viewer"]("GET", f"{path}/history")).json()["items"]
    acts = [(one["act"], one["number"], one["by"]) for one in ledger]
    assert acts[:3] == [
        ("promote", second, "admin"),
        ("rollback", first, "operator"),
        ("set", second, "admin"),
    ]
    assert ledger[0]["until"] is None
    assert ledger[1]["until"] == ledger[0]["at"]
    require_problem(await admin("GET", "/profiles/leg/detectors"), 404)


async def test_model_of_a_detector_is_shown_and_put_by_its_digest(
    admin: Caller, engine: AsyncEngine
) -> None:
    model = silent(2).to_text()
    fitted = BODY | {"detector": {"kind": "scored", "model": model}}
    made = (await admin("PUT", "/profiles/arm", json=fitted)).json()
    assert made["detector"]["model"] == digest(model)
    same = BODY | {"detector": made["detector"]}
    again = (await admin("PUT", "/profiles/arm", json=same)).json()
    assert again["detector_version"] == made["detector_version"]
    leaning = BODY | {"detector": made["detector"] | {"lean": 1.0}}
    changed = (await admin("PUT", "/profiles/arm", json=leaning)).json()
    assert changed["detector_version"] > made["detector_version"]
    async with engine.connect() as conn:
        stored = await profiles.detector(conn, "arm")
    assert stored.settings["model"] == model
    unknown = BODY | {"detector": {"kind": "scored", "model": "sha256:00"}}
    problem = require_problem(await admin("PUT", "/profiles/arm", json=unknown), 422)
    assert "no detector of 'arm' has a model" in problem["detail"]
    other = BODY | {"detector": {"kind": "scored", "model": silent(3).to_text()}}
    problem = require_problem(await admin("PUT", "/profiles/arm", json=other), 422)
    assert "for 3 channels" in problem["detail"]


async def test_fit_is_a_job_and_what_it_learnt_is_listed(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    answer = await api["operator"]("POST", "/profiles/arm/detectors/fit", json={})
    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["location"] == f"/jobs/{made['id']}"
    assert (made["kind"], made["state"]) == ("fit", "queued")
    async with engine.begin() as conn:
        await jobs.cancel(conn, made["id"])
        new = detectors.NewDetector(
            "arm",
            {"kind": "scored", "model": silent(2).to_text()},
            "learnt",
            None,
            "reject",
            "worse",
            {"events": 7},
        )
        number = await detectors.add(conn, new)
    rows = (await api["viewer"]("GET", "/profiles/arm/detectors")).json()["items"]
    learnt = rows[0]
    assert (learnt["number"], learnt["state"]) == (number, "rejected")
    assert learnt["report"] == {"events": 7}
    assert learnt["settings"]["model"].startswith("sha256:")
    path = "/profiles/arm/detectors"
    whole = (await api["viewer"]("GET", f"{path}/{number}")).json()
    assert whole["settings"]["model"] == silent(2).to_text()
    assert whole["report"] == {"events": 7}
    require_problem(await api["viewer"]("GET", f"{path}/99999"), 404)


async def test_device_has_a_detector_of_its_own_and_goes_back_to_its_profiles(
    api: dict[str, Caller], admin: Caller, engine: AsyncEngine
) -> None:
    ((first, _),) = await numbers(admin)
    async with engine.begin() as conn:
        await devices.put(conn, "arm-2", "arm")
        one, two = [
            await detectors.add(
                conn,
                detectors.NewDetector("arm", {"kind": "energy", "on": on}, device=dev),
            )
            for on, dev in ((8.0, "arm-1"), (9.0, None))
        ]
    path = "/profiles/arm/detectors"
    mine = WHY | {"device": "arm-1"}
    promoted = await admin("POST", f"{path}/{one}/promote", json=mine)
    assert promoted.json()["previous"] == first
    moved = mine | {"expected": first}
    require_problem(await admin("POST", f"{path}/{two}/promote", json=moved), 412)
    await admin("POST", f"{path}/{two}/promote", json=mine)
    require_problem(await admin("POST", f"{path}/{two}/promote", json=mine), 409)
    assert await numbers(admin) == [
        (two, "device"),
        (one, "candidate"),
        (first, "serving"),
    ]
    (of_two, *_) = (await admin("GET", path)).json()["items"]
    assert (of_two["devices"], of_two["n_devices"]) == (["arm-1"], 1)
    rows = (await admin("GET", f"{path}?device=arm-1")).json()["items"]
    assert [(row["number"], row["state"]) for row in rows] == [
        (two, "serving"),
        (one, "retired"),
        (first, "retired"),
    ]
    rows = (await admin("GET", f"{path}?device=arm-2")).json()["items"]
    assert [row["number"] for row in rows] == [two, first]
    device = (await admin("GET", "/devices/arm-1")).json()
    assert device["detector_version"] == two
    assert (await admin("GET", "/devices/arm-2")).json()["detector_version"] is None

    backs = [await admin("POST", f"{path}/rollback", json=mine) for _ in "123"]
    assert [back.json().get("number") for back in backs] == [one, first, None]
    require_problem(backs[2], 409)
    ledger = (await admin("GET", f"{path}/history?device=arm-1")).json()["items"]
    assert [(one["act"], one["number"]) for one in ledger] == [
        ("rollback", None),
        ("rollback", one),
        ("promote", two),
        ("promote", one),
    ]
    assert len((await admin("GET", f"{path}/history")).json()["items"]) == 1
    require_problem(await admin("GET", f"{path}?device=leg-1"), 404)


async def test_detector_of_a_device_does_not_go_with_it_to_another_profile(
    admin: Caller, engine: AsyncEngine
) -> None:
    ((first, _),) = await numbers(admin)
    path = f"/profiles/arm/detectors/{first}/promote"
    pinned = await admin("POST", path, json=WHY | {"device": "arm-1"})
    assert pinned.status_code == 200
    await admin("PUT", "/profiles/leg", json=BODY)
    await admin("PUT", "/devices/arm-1", json={"profile": "arm"})
    assert (await admin("GET", "/devices/arm-1")).json()["detector_version"] == first
    await admin("PUT", "/devices/arm-1", json={"profile": "leg"})
    assert (await admin("GET", "/devices/arm-1")).json()["detector_version"] is None
    refused = await admin("POST", path, json=WHY | {"device": "arm-1"})
    assert "no device" in require_problem(refused, 404)["detail"]


async def test_settings_are_judged_as_a_job_unless_they_serve_already(
    api: dict[str, Caller],
) -> None:
    path = "/profiles/arm/detectors"
    body = {"detector": {"kind": "energy", "on": 8}, "device": "arm-1"}
    answer = await api["operator"]("POST", path, json=body)
    assert answer.status_code == 202
    assert (answer.json()["kind"], answer.json()["state"]) == ("judge", "queued")
    assert answer.json()["request"]["detector"]["on"] == 8
    again = await api["operator"]("POST", path, json=body)
    assert again.json()["id"] == answer.json()["id"]
    for wrong, status in (
        ({"detector": {}}, 409),
        ({"detector": {"on": 9}}, 409),
        ({"detector": {"on": -1}}, 422),
        (body | {"device": "leg-1"}, 404),
    ):
        require_problem(await api["operator"]("POST", path, json=wrong), status)
    require_problem(await api["viewer"]("POST", path, json=body), 403)
