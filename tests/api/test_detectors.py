"""Detector versions outside: listed, promoted, rolled back, named by their model."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection.scores import digest, silent
from app.store import detectors, jobs, profiles
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
    assert back.json() == {"profile": "arm", "number": first, "previous": second}
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
