"""A POST that is sent again is answered again, and not done twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.access import RULES
from app.api.guard import Guard
from app.api.state import State
from app.store.idempotency import MAX_BODY_BYTES
from app.store.tables import idempotency_keys
from tests.api.caller import Caller, api_of, require_problem

KEY = {"Idempotency-Key": "one"}
REPLAYED = "idempotency-replayed"


class Route:
    """Stands where the application stands, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.act: Callable[[], Awaitable[Response]] = self.plain

    async def plain(self) -> Response:
        return Response(b"%d" % len(self.asked), 202, {"Location": "/jobs/1"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        self.asked.append(message["body"])
        await (await self.act())(scope, receive, send)


@pytest.fixture
def route() -> Route:
    return Route()


@pytest.fixture
async def operator(
    app: FastAPI, route: Route, secrets: dict[str, str]
) -> AsyncIterator[Caller]:
    """An operator before a guard with nothing but `route` behind it."""
    guard = Guard(route)

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        await guard(scope, receive, send)

    transport = httpx.ASGITransport(served)
    async with httpx.AsyncClient(transport=transport, base_url="http://onset") as made:
        yield api_of(made, secrets["operator"])


async def test_same_request_is_done_once_and_answered_twice(
    operator: Caller, route: Route
) -> None:
    async def body() -> AsyncIterator[bytes]:
        for part in (b"a", b"b"):
            yield part

    first = await operator("POST", "/retrain", content=body(), headers=KEY)
    again = await operator("POST", "/retrain", content=b"ab", headers=KEY)
    assert route.asked == [b"ab"]
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert (again.status_code, again.content) == (202, b"1")
    assert again.headers["location"] == "/jobs/1"
    assert again.headers["x-content-type-options"] == "nosniff"


async def test_key_belongs_to_one_request(operator: Caller, route: Route) -> None:
    await operator("POST", "/retrain", content=b"a", headers=KEY)
    for other in (
        operator("POST", "/retrain", content=b"b", headers=KEY),
        operator("POST", "/retrain?a=1", content=b"a", headers=KEY),
        operator(
            "POST",
            "/retrain",
            content=b"a",
            headers={**KEY, "Content-Type": "text/csv"},
        ),
    ):
        require_problem(await other, 422)
    assert len(route.asked) == 1


async def test_key_counts_for_one_caller_and_path(
    operator: Caller, route: Route, app: FastAPI, secrets: dict[str, str]
) -> None:
    await operator("POST", "/retrain", headers=KEY)
    await operator("POST", "/models/1/promote", headers=KEY)
    await operator("POST", "/models/2/promote", headers=KEY)
    await operator("POST", "/retrain", headers={"Idempotency-Key": "two"})
    admin = {"Authorization": f"Bearer {secrets['admin']}"}
    client: httpx.AsyncClient = operator.args[0]  # type: ignore[attr-defined]
    await client.post("/retrain", headers={**KEY, **admin})
    assert len(route.asked) == 5


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "a\tb"])
async def test_strange_key_is_refused(operator: Caller, route: Route, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    require_problem(await operator("POST", "/retrain", headers=headers), 422)
    assert not route.asked


async def test_without_a_key_or_a_post_nothing_is_kept(
    operator: Caller, route: Route, state: State
) -> None:
    await operator("POST", "/retrain")
    await operator("POST", "/retrain")
    for _ in range(2):
        await operator("PUT", "/profiles/arm", headers=KEY)
    assert len(route.asked) == 4
    async with state.engine.begin() as conn:
        assert (await conn.execute(select(idempotency_keys))).all() == []


async def test_repeat_while_the_first_is_running_is_a_conflict(
    operator: Caller, route: Route
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> Response:
        begun.set()
        await go.wait()
        return Response(b"slow")

    route.act = slow
    first = asyncio.ensure_future(operator("POST", "/retrain", headers=KEY))
    await begun.wait()
    require_problem(await operator("POST", "/retrain", headers=KEY), 409)
    go.set()
    assert (await first).content == b"slow"
    assert (await operator("POST", "/retrain", headers=KEY)).content == b"slow"
    assert len(route.asked) == 1


async def test_cancelled_request_frees_the_key(operator: Caller, route: Route) -> None:
    begun = asyncio.Event()

    async def endless() -> Response:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    route.act = endless
    first = asyncio.ensure_future(operator("POST", "/retrain", headers=KEY))
    await begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    route.act = route.plain
    assert (await operator("POST", "/retrain", headers=KEY)).status_code == 202


async def test_failure_frees_the_key(operator: Caller, route: Route) -> None:
    async def broken() -> Response:
        raise ZeroDivisionError

    async def away() -> Response:
        return Response(b"", 503)

    for act, status in ((broken, 500), (away, 503), (route.plain, 202)):
        route.act = act
        answer = await operator("POST", "/retrain", headers=KEY)
        assert answer.status_code == status
        assert REPLAYED not in answer.headers


async def test_refusal_is_answered_again(operator: Caller, route: Route) -> None:
    async def refused() -> Response:
        return Response(b"no", 422, media_type="application/problem+json")

    route.act = refused
    first = await operator("POST", "/retrain", headers=KEY)
    again = await operator("POST", "/retrain", headers=KEY)
    assert len(route.asked) == 1
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]


@pytest.mark.parametrize(("size", "times"), [(MAX_BODY_BYTES, 1), (2**20 + 1, 2)])
async def test_long_answers_pass_but_are_not_kept(
    operator: Caller, route: Route, size: int, times: int
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, size, 2**18):
            yield b"x" * min(2**18, size - start)

    async def long() -> Response:
        return StreamingResponse(parts())

    route.act = long
    for _ in range(2):
        answer = await operator("POST", "/retrain", headers=KEY)
        assert answer.content == b"x" * size
    assert len(route.asked) == times


async def test_body_stays_bounded(operator: Caller, route: Route) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536

    answer = await operator("POST", "/retrain", content=endless(), headers=KEY)
    require_problem(answer, 413)
    assert not route.asked


async def test_answer_that_cannot_be_kept_is_given_all_the_same(
    operator: Caller, route: Route, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: object) -> None:
        raise OperationalError("select", {}, OSError())

    async def lost() -> Response:
        monkeypatch.setattr(type(state.engine), "begin", away)
        return await route.plain()

    route.act = lost
    assert (await operator("POST", "/retrain", headers=KEY)).status_code == 202
    require_problem(await operator("POST", "/retrain", headers=KEY), 503)
    assert len(route.asked) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/keys", {"name": "ada", "role": "viewer"}),
        ("/devices/arm-1/keys", {}),
        ("/tickets", {"device": "arm-1"}),
        ("/webhooks", {"url": "https://example.com/"}),
    ],
)
async def test_shown_secrets_are_neither_stored_nor_repeated(
    admin: Caller, state: State, path: str, body: dict[str, str]
) -> None:
    made = (await admin("POST", path, json=body, headers=KEY)).json()
    secret = made.get("key") or made.get("ticket") or made["secret"]
    said = require_problem(await admin("POST", path, json=body, headers=KEY), 409)
    assert "done already" in said["detail"]
    async with state.engine.begin() as conn:
        [row] = (await conn.execute(select(idempotency_keys))).all()
        dump = await conn.scalar(text("SELECT t::text FROM idempotency_keys t"))
    assert row.body is None
    assert secret not in str(dump)
    assert secret.encode().hex() not in str(dump)


SHOWN_ONCE = "KeyMade", "TicketAnswer", "WebhookMade"


def test_every_route_that_shows_a_secret_is_marked(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    for (method, path), rule in RULES.items():
        answer = paths.get(path, {}).get(method.lower(), {}).get("responses", {})
        shown = any(name in str(answer) for name in SHOWN_ONCE)
        assert rule.shown_once == shown


def test_openapi_names_the_header_on_every_post(app: FastAPI) -> None:
    for path, methods in app.openapi()["paths"].items():
        for method, route in methods.items():
            named = [one["name"] for one in route.get("parameters", ())]
            assert named.count("Idempotency-Key") == (method == "post"), path
