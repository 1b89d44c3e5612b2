"""One table says who may do what; the application does exactly that."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.routing import Route

from app.api.access import RULES, authorize_device
from app.api.application import routers
from app.api.rulebook import RuleBook
from app.api.state import State
from app.api.upgrade import PATH
from app.domain import Role
from app.errors import Forbidden, Unauthenticated
from app.service.keyring import KeyRing
from app.store import keys
from tests.api.caller import Caller, api_of, require_problem
from tests.api.reader import reading
from tests.issuer import ROLES, Issuer, signed

HTTP = [(method, path) for method, path in RULES if method != "WS"]
STREAMS = {
    ("GET", "/live"): "",
    ("GET", "/signals"): "profile=arm",
    ("GET", "/devices/{device_id}/signal"): "",
}
"""They never end; `test_live.py` reads them. Each with the query that it needs."""
VALUES = {
    "device_id": "arm-1",
    "name": "arm",
    "version": "1",
    "job_id": "1",
    "number": "1",
} | {
    "event_id": "00000000-0000-0000-0000-000000000000",
    "key_id": "nobody",
    "webhook_id": "1",
    "rule_id": "1",
    "alert_id": "1",
    "delivery_id": "1",
    "path:path": "main.js",
}


def concrete(path: str) -> str:
    return re.sub(r"\{([^}]+)\}", lambda found: VALUES[found[1]], path)


def routes(app: FastAPI) -> set[tuple[str, str]]:
    found = {("WS", PATH)}
    for router in routers():
        for route in router.routes:
            if isinstance(route, APIRoute):
                found |= {(method, route.path) for method in route.methods}
    for route in app.routes:
        if isinstance(route, Route) and not isinstance(route, APIRoute):
            found |= {(m, route.path) for m in route.methods or () if m != "HEAD"}
    return found


def test_every_route_stands_in_the_table_and_every_row_is_a_route(app: FastAPI) -> None:
    assert routes(app) | {("GET", "/static/{path:path}")} == set(RULES)


def documented(route: dict[str, Any] | None, answer: httpx.Response) -> bool:
    """Whether the OpenAPI document, where it describes a route, says this answer."""
    if route is None:
        return True
    said = route["responses"]
    status = str(answer.status_code)
    one = said.get(status) or said.get(f"{status[0]}XX")
    kind = answer.headers.get("content-type", "").partition(";")[0]
    return one is not None and (not kind or kind in one.get("content", {kind: {}}))


@pytest.mark.parametrize("identity", ["key", "token"])
async def test_each_role_may_do_what_the_table_says_and_nothing_else(
    identity: str, app: FastAPI, client: httpx.AsyncClient, api: dict[str, Caller]
) -> None:
    if identity == "token":  # devices have keys
        state: State = app.state.onset
        ring = KeyRing(state.engine, directory=Issuer().directory)
        app.state.onset = replace(state, keys=ring)
        for value, role in ROLES.items():
            api[role.value] = api_of(client, signed(groups=[value], sub=value))
    paths = app.openapi()["paths"]
    wrong, cells = [], 0
    for method, path in HTTP:
        rule = RULES[method, path]
        for role in Role:
            may = rule.least is None and not rule.devices
            if role is Role.DEVICE:
                may = may or rule.devices
            elif rule.least is not None:
                may = role.rank >= rule.least.rank
            if may and (method, path) in STREAMS:
                continue
            if (method, path) == ("DELETE", "/devices/{device_id}") and may:
                continue  # would take the device's key away
            answer = await api[role.value](method, concrete(path), json={})
            cells += 1
            refused = answer.status_code in (401, 403)
            route = paths.get(path, {}).get(method.lower())
            unsaid = not documented(route, answer)
            if refused == may or answer.status_code >= 500 or unsaid:
                wrong.append((method, path, role.value, answer.status_code))
    assert wrong == []
    assert cells > 150


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic abc"},
        {"Authorization": "Bearer ons_00000000_" + "a" * 43},
        {"Authorization": "Bearer " + "a" * 5000},
    ],
    ids=["none", "garbage", "empty", "basic", "unknown", "long"],
)
async def test_without_a_valid_key_only_open_routes_answer(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for method, path in HTTP:
        rule = RULES[method, path]
        answer = await client.request(method, concrete(path), headers=headers, json={})
        if rule.least is None and not rule.devices:
            assert answer.status_code == 200, path
        else:
            require_refusal(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")


def require_refusal(answer: httpx.Response, status: int) -> None:
    """Check the answer's shape, too: a problem, or an error of `/v2`."""
    if answer.request.url.path.startswith("/v2/"):
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
    else:
        require_problem(answer, status)


async def revoked_key(state: State) -> str:
    async with state.engine.begin() as conn:
        key, secret = await keys.create(conn, role=Role.ADMIN, name="gone", device=None)
        await keys.revoke(conn, key.id)
    return secret


async def test_revoked_key_opens_nothing_whatever_its_role_was(
    client: httpx.AsyncClient, state: State, secrets: dict[str, str]
) -> None:
    gone = api_of(client, await revoked_key(state))
    for method, path in HTTP:
        rule = RULES[method, path]
        answer = await gone(method, concrete(path), json={})
        if rule.least is None and not rule.devices:
            assert answer.status_code == 200, path
        else:
            require_refusal(answer, 401)


async def admitted(state: State, path: str, device: str, secret: str | None) -> int:
    """What a device socket's upgrade is answered: 101, or the status of a refusal."""
    given = [] if secret is None else [(b"authorization", f"Bearer {secret}".encode())]
    scope = {"type": "http", "path": path, "headers": given, "query_string": b""}
    try:
        await authorize_device(state, HTTPConnection(scope), device)
    except Unauthenticated:
        return 401
    except Forbidden:
        return 403
    return 101


async def test_sockets_and_endless_streams_let_in_whom_the_table_says(
    app: FastAPI, state: State, api: dict[str, Caller], secrets: dict[str, str]
) -> None:
    await api["admin"]("PUT", "/devices/arm-2", json={"profile": "arm"})
    callers: dict[str, str | None] = dict(secrets)
    callers |= {"none": None, "garbage": "x", "revoked": await revoked_key(state)}
    for name, secret in callers.items():
        known = name in secrets
        for device in ("arm-1", "arm-2"):
            path = f"/devices/{device}/stream"
            mine = name == "device" and device == "arm-1"
            wanted = 101 if mine else 403 if known else 401
            said = await admitted(state, path, device, secret)
            assert said == wanted, (name, device)
        for (method, path), query in STREAMS.items():
            least = RULES[method, path].least
            assert least is not None
            may = known and name != "device" and Role(name).rank >= least.rank
            wanted = 200 if may else 403 if known else 401
            at = concrete(path)
            async with reading(app, secret or "", at, query) as reader:
                await asyncio.wait_for(reader.started.wait(), 5)
                assert reader.status == wanted, (name, path)


async def test_key_in_the_query_opens_nothing(
    client: httpx.AsyncClient, secrets: dict[str, str]
) -> None:
    for name in ("token", "api_key", "access_token", "key"):
        answer = await client.get("/events", params={name: secrets["admin"]})
        require_problem(answer, 401)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
async def test_other_spellings_of_a_path_open_nothing(
    client: httpx.AsyncClient, method: str
) -> None:
    for path in ("/events/", "//events", "/EVENTS", "/events%00", "/events;x=1"):
        answer = await client.request(method, f"http://onset{path}")
        assert answer.status_code in (401, 404, 405), path
    answer = await client.request(method, "/events")
    assert answer.status_code in (401, 405)


async def test_device_key_reaches_its_own_device_only(
    api: dict[str, Caller], admin: Caller
) -> None:
    await admin("PUT", "/devices/arm-2", json={"profile": "arm"})
    assert (await api["device"]("GET", "/devices/arm-1")).status_code == 200
    require_problem(await api["device"]("GET", "/devices/arm-2"), 403)
    answer = await api["device"]("POST", "/tickets", json={"device": "arm-2"})
    require_problem(answer, 403)


async def test_refusal_comes_before_the_body_is_looked_at(
    api: dict[str, Caller],
) -> None:
    answer = await api["viewer"](
        "POST", "/labels", content=b"{broken", headers={"Content-Type": "text/json"}
    )
    require_problem(answer, 403)


async def test_revoked_key_stops_within_the_time_that_was_promised(
    client: httpx.AsyncClient, state: State, api: dict[str, Caller], admin: Caller
) -> None:
    made = (await admin("POST", "/keys", json={"name": "ada", "role": "viewer"})).json()
    ada = api_of(client, made["key"])
    assert (await ada("GET", "/events")).status_code == 200
    async with state.engine.begin() as conn:
        await keys.revoke(conn, made["id"])  # by another process
    now = 0.0
    state.keys._clock = lambda: now
    state.keys.forget()
    require_problem(await ada("GET", "/events"), 401)


async def test_key_ring_looks_again_after_five_seconds(
    state: State, secrets: dict[str, str]
) -> None:
    now = 0.0
    state.keys._clock = lambda: now
    key = await state.keys.find(secrets["viewer"])
    async with state.engine.begin() as conn:
        await keys.revoke(conn, key.id)
    now = 4.9
    assert await state.keys.find(secrets["viewer"]) == key
    now = 5.1
    with pytest.raises(Exception, match="not valid"):
        await state.keys.find(secrets["viewer"])


async def test_keys_are_shown_once_and_stand_in_no_list(
    admin: Caller, secrets: dict[str, str]
) -> None:
    made = (await admin("POST", "/devices/arm-1/keys", json={})).json()
    assert made["key"].startswith("ons_")
    said = (await admin("GET", "/keys")).text + (await admin("GET", "/audit")).text
    for secret in (made["key"], *secrets.values()):
        assert secret not in said
    assert made["device"] == "arm-1"


def test_rule_book_asks_for_all_rows_that_fit() -> None:
    book = RuleBook(RULES)
    assert len(book.find("POST", "/events/import")) == 1
    assert book.find("GET", "/events/x/y/z") == []
    assert book.find("HEAD", "/keys") == book.find("GET", "/keys")
