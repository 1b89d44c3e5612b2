"""The REST client: paths, cursors, errors, and a feed that resumes."""

import json
from collections.abc import Callable
from inspect import signature

import httpx
import numpy as np
import pytest
import uvicorn

from app.client import Onset, rest, retry
from app.errors import (
    ChampionMoved,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    OnsetError,
    Unauthenticated,
    Unavailable,
)

Answer = Callable[[httpx.Request], httpx.Response]


def onset(answer: Answer) -> Onset:
    return Onset("http://test", "ons_k", transport=httpx.MockTransport(answer))


def record(asked: list[str], body: object) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        sent = request.content.decode() or "-"
        asked.append(f"{request.method} {request.url.raw_path.decode()} {sent}")
        assert request.headers["Authorization"] == "Bearer ons_k"
        return httpx.Response(200, json=body)

    return answer


async def test_every_verb_asks_its_route() -> None:
    asked: list[str] = []
    answer = {"key": "k", "accepted": 2, "predictions": [{"label": "a"}]}
    async with onset(record(asked, answer | {"values": [[1, None]]})) as o:
        await o.put_profile("arm band", {"rate_hz": 50})
        await o.put_device("d", "p")
        assert await o.device_key("d") == "k"
        await o.event("e1")
        assert np.isnan((await o.window("e1"))[0, 1])
        await o.label("e1", "fist")
        assert await o.labels({"e1": "a", "e2": "b"}) == 2
        await o.retrain("p", mode="full")
        await o.promote(3, "better", expected=2)
        await o.rollback("p", "worse")
        await o.history("p", at="2026-01-01T00:00:00Z")
        windows = [np.zeros((1, 2), np.float32)]
        assert await o.classify("p", windows, model_version=4) == [{"label": "a"}]
        await o.import_events(b"{}\n")
    assert asked == [
        'PUT /profiles/arm%20band {"rate_hz":50}',
        'PUT /devices/d {"profile":"p"}',
        "POST /devices/d/keys {}",
        "GET /events/e1 -",
        "GET /events/e1/window -",
        'POST /events/e1/labels {"label":"fist"}',
        'POST /labels {"labels":[{"event":"e1","label":"a"},'
        '{"event":"e2","label":"b"}]}',
        'POST /retrain {"profile":"p","mode":"full"}',
        'POST /models/3/promote {"reason":"better","expected":2}',
        'POST /profiles/p/rollback {"reason":"worse"}',
        "GET /profiles/p/history?at=2026-01-01T00%3A00%3A00Z -",
        'POST /classify {"profile":"p","windows":[[[0.0,0.0]]],"model_version":4}',
        "POST /events/import {}\n",
    ]


async def test_lists_hide_their_cursors() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("cursor", 0))
        assert request.url.params["limit"] == "2"
        assert request.url.params["profile"] == "p"
        cursor = str(at + 1) if at < 2 else None
        return httpx.Response(200, json={"items": [at, at], "next_cursor": cursor})

    async with onset(answer) as o:
        events = o.events(page=2, profile="p", device=None)
        assert [event async for event in events] == [0, 0, 1, 1, 2, 2]
        assert [model async for model in o.models("p", page=2)] == [0, 0, 1, 1, 2, 2]


async def test_waiting_for_a_job_returns_its_end() -> None:
    states = iter(["queued", "running", "succeeded"])
    async with onset(lambda _: httpx.Response(200, json={"state": next(states)})) as o:
        assert (await o.wait_job(7, look_seconds=0.0))["state"] == "succeeded"


async def test_a_job_that_never_ends_is_not_waited_for_for_ever() -> None:
    async with onset(lambda _: httpx.Response(200, json={"state": "running"})) as o:
        with pytest.raises(TimeoutError):
            await o.wait_job(7, look_seconds=0.0, timeout_seconds=0.01)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, Unauthenticated),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (412, ChampionMoved),
        (422, InvalidInput),
        (429, Unavailable),
        (503, Unavailable),
    ],
)
async def test_problems_are_raised_as_their_kind(
    status: int, error: type[OnsetError]
) -> None:
    body = {"title": "Refused", "detail": "for a reason"}
    async with onset(lambda _: httpx.Response(status, json=body)) as o:
        with pytest.raises(error, match=r"^Refused: for a reason$"):
            await o.job(1)
    async with onset(lambda _: httpx.Response(status, text="<html>")) as o:
        with pytest.raises(error, match=f"^HTTP {status}$"):
            await o.job(1)


def test_an_idle_connection_is_let_go_before_the_server_closes_it() -> None:
    """Else a request that is sent at that very moment gets no answer."""
    patience = signature(uvicorn.Config).parameters["timeout_keep_alive"].default
    assert rest.KEPT.keepalive_expiry is not None
    assert rest.KEPT.keepalive_expiry <= patience / 2


async def test_no_answer_is_unavailable() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with onset(gone) as o:
        with pytest.raises(Unavailable, match="http://test"):
            await o.job(1)


async def test_the_live_feed_resumes_after_its_last_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(retry, "LONGEST_SECONDS", 0.0)
    places: list[str | None] = []
    label = json.dumps({"label": "a\u2028b"}, ensure_ascii=False)
    feeds = iter(
        [
            "id: 4\nevent: hello\ndata: {}\n\n: ping\n\n",
            f"id: 5\nevent: event\ndata: {label}\r\n\r\nevent: job\nda",
            'event: job\ndata: {"id":\ndata: 1}\n\n',
            'event: error\ndata: {"title": "Not authenticated", "detail": "gone"}\n\n',
        ]
    )

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["profile"] == "p"
        places.append(request.headers.get("Last-Event-ID"))
        if len(places) == 3:
            return httpx.Response(503)
        return httpx.Response(200, text=next(feeds))

    async with onset(answer) as o:
        feed = o.live(profile="p")
        heard = [await anext(feed), await anext(feed)]
        with pytest.raises(Unauthenticated, match="gone"):
            await anext(feed)
    said = [(happening.kind, happening.data) for happening in heard]
    assert said == [("event", {"label": "a\u2028b"}), ("job", {"id": 1})]
    assert places == [None, "4", "5", "5", "5"]
