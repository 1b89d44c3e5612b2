"""Whatever is refused is refused politely, and says nothing of what was sent."""

import json

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import IntegrityError, OperationalError

from app import errors
from app.api.problems import STATUS, problem_response
from app.api.state import State
from tests.api.caller import Caller, require_problem

SECRET = "hunter2-0123456789"


def test_every_error_of_ours_has_its_status() -> None:
    found = {
        error.__name__: problem_response(error("why")).status_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.OnsetError)
    }
    assert found["NotFound"] == 404
    assert found["CannotLearn"] == 409
    assert found["ChampionMoved"] == 412
    assert found["InvalidDetector"] == 422
    assert found["Unavailable"] == 503
    assert len(found) >= 15
    assert STATUS[-1][0] is errors.OnsetError


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('{"label": 1e9999}', "string_type"),
        (r'{"label": "\uDADA"}', "string_unicode"),
        (r'{"label": "a\u0000b"}', "value_error"),
        ('{"label": "%s"}' % ("x" * 65), "string_too_long"),
        ('{"label": "fist", "why": "hunter2"}', "extra_forbidden"),
        ('{"label": 7}', "string_type"),
        ("{}", "missing"),
        ("[]", "model_attributes_type"),
        ('{"label"', "json_invalid"),
        ("", "missing"),
    ],
)
async def test_refused_body_is_named_by_place_and_rule_only(
    admin: Caller, body: str, rule: str
) -> None:
    answer = await admin(
        "POST",
        "/events/00000000-0000-0000-0000-000000000000/labels",
        content=body.encode(),
        headers={"Content-Type": "application/json"},
    )
    said = require_problem(answer, 422)
    assert [one["rule"] for one in said["errors"]] == [rule]
    assert "hunter2" not in answer.text
    answer.text.encode("ascii")


async def test_refused_values_are_not_repeated(admin: Caller) -> None:
    for method, path, body in (
        ("POST", "/keys", {"name": "a", "role": SECRET}),
        ("POST", "/retrain", {"profile": f"{SECRET}!"}),
        ("POST", "/labels", {"labels": [{"event": SECRET, "label": SECRET}]}),
        ("PUT", "/devices/arm-9", {"profile": "arm", SECRET: SECRET}),
    ):
        answer = await admin(method, path, json=body)
        require_problem(answer, 422)
        assert SECRET not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/profiles?limit=3",
        "/events?nonsense=1",
        "/events?limit=0",
        "/events?limit=1001",
        "/events?cursor=AA",
        "/events?cursor=!",
        "/devices?cursor=AA",
        "/events?since=yesterday",
        "/events?since=2026-01-01T00:00:00",
        "/events?since=0001-01-01T00:00:00Z",
        "/events?model_version=99999999999",
        "/events?min_probability=nan",
        "/events?flag=strange",
        "/events?device=%00",
        "/events?label=%00",
        "/events?label=%ED%A0%80%00",
        "/events/not-a-uuid",
        "/models/0",
        "/models/99999999999999999999",
        "/jobs/-1",
        "/devices/a%00b",
        "/profiles/..%2f",
        "/keys?x=1",
        "/metrics?x=1",
    ],
)
async def test_nonsense_in_paths_and_queries_is_refused(
    admin: Caller, path: str
) -> None:
    answer = await admin("GET", path)
    assert answer.status_code in (404, 422)
    require_problem(answer, answer.status_code)


async def test_unknown_paths_and_methods_are_problems_too(
    admin: Caller, client: httpx.AsyncClient
) -> None:
    require_problem(await client.get("/nowhere"), 404)
    answer = await admin("DELETE", "/events")
    require_problem(answer, 405)
    assert answer.headers["allow"] == "GET, POST"
    require_problem(await client.get("/static/nothing.js"), 404)
    require_problem(await client.get("/static/../application.py"), 404)


async def test_refusal_names_the_bounds_of_the_rule_that_is_broken(
    admin: Caller,
) -> None:
    answer = await admin("GET", "/events", params={"limit": 1001, "order": "up"})
    said = require_problem(answer, 422)
    limits = [one["limits"] for one in said["errors"]]
    assert limits == [{"le": 1000}, {"expected": "'asc' or 'desc'"}]
    assert "query.limit: less_than_equal (le: 1000)" in said["detail"]


async def test_fixed_path_is_not_taken_for_a_name(admin: Caller) -> None:
    answer = await admin("GET", "/models/import")
    require_problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    require_problem(await admin("PATCH", "/events/import", json={}), 405)
    answer = await admin("GET", "/profiles/arm/detectors/fit")
    require_problem(answer, 405)
    assert answer.headers["allow"] == "POST"


async def test_what_goes_while_it_is_written_is_a_conflict(
    admin: Caller, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: object) -> None:
        raise IntegrityError("insert", {}, Exception(SECRET))

    assert (await admin("GET", "/events")).status_code == 200
    monkeypatch.setattr(type(state.engine), "begin", gone)
    said = require_problem(await admin("PUT", "/devices/d", json={"profile": "p"}), 409)
    assert SECRET not in json.dumps(said)


async def test_long_bodies_are_refused_before_they_are_read(admin: Caller) -> None:
    require_problem(await admin("POST", "/labels", content=b"x" * (2**20 + 1)), 413)

    async def endless():  # type: ignore[no-untyped-def]
        while True:
            yield b"x" * 65_536

    require_problem(await admin("POST", "/labels", content=endless()), 413)
    strange = {"Content-Length": "-1"}
    answer = await admin("POST", "/labels", content=b"{}", headers=strange)
    assert require_problem(answer, 413)["detail"] == "at most 1048576 bytes"


async def test_unforeseen_error_says_nothing_and_is_logged_once(
    admin: Caller,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(self: object, profile: str) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(type(state.champions), "model", broken)
    body = {"profile": "arm", "windows": [[[1.0, 2.0]]]}
    answer = await admin("POST", "/classify", json=body)
    require_problem(answer, 500)
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    assert capsys.readouterr().out.count("unforeseen ") == 1


async def test_database_that_is_away_is_said_so(
    admin: Caller, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await admin("GET", "/events")).status_code == 200

    def away(self: object) -> None:
        raise OperationalError("select", {}, OSError(SECRET))

    monkeypatch.setattr(type(state.engine), "begin", away)
    answer = await admin("GET", "/events")
    said = require_problem(answer, 503)
    assert answer.headers["retry-after"]
    assert SECRET not in json.dumps(said)
    state.keys.forget()
    require_problem(await admin("GET", "/events"), 503)


async def test_answers_carry_safe_headers(client: httpx.AsyncClient) -> None:
    for path in ("/", "/events", "/static/main.js", "/nowhere"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "script-src" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'self'")


def test_openapi_describes_problems_and_roles(app: FastAPI) -> None:
    document = app.openapi()
    route = document["paths"]["/events/{event_id}/labels"]["post"]
    assert route["x-least-role"] == "labeler"
    assert "422" not in route["responses"]
    assert "application/problem+json" in route["responses"]["4XX"]["content"]
    assert "HTTPValidationError" not in json.dumps(document)
    body = document["components"]["schemas"]["ProfileBody"]
    assert body["examples"]
    assert body["additionalProperties"] is False
