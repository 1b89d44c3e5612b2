"""The verbs: asked alike in both ways, of routes that exist, in shapes that hold."""

import inspect
import json
import re
from typing import Any, get_type_hints

import httpx
import pytest

from app.api import application
from app.client import BlockingOnset, Onset, retry, shapes
from app.client.asking import Call, Pages, listing, verb
from app.client.verbs import Verbs
from app.errors import Conflict, Unauthenticated, Unavailable

VERBS = {
    name: member
    for name, member in inspect.getmembers_static(Verbs)
    if isinstance(member, (verb, listing))
}
SAMPLES: dict[str, Any] = {
    "profile": "arm",
    "name": "arm",
    "device": "arm 1",
    "labels": {"e1": "fist"},
    "windows": [[[1.0, 2.0]]],
    "values": [[1.0, float("nan")]],
    "content": b"{}",
    "onnx": b"o",
    "rules": [{"label": "fist"}],
}
TYPED: dict[str, Any] = {"int": 7, "Mapping[str, Any]": {"rate_hz": 50}}
SHAPES = {
    shapes.Event: "EventAnswer",
    shapes.EventDetail: "EventDetail",
    shapes.Said: "SaidAnswer",
    shapes.LabelThatCounts: "LabelledAnswer",
    shapes.LabelOfHistory: "LabelHistoryAnswer",
    shapes.PredictionOfHistory: "EveryPrediction",
    shapes.Revision: "RevisionAnswer",
    shapes.Trace: "TraceAnswer",
    shapes.Explanation: "ExplanationAnswer",
    shapes.ChannelWeight: "ChannelWeight",
    shapes.PartWeight: "PartWeight",
    shapes.Nearest: "NearestAnswer",
    shapes.Queued: "QueueAnswer",
    shapes.Dispute: "DisputeAnswer",
    shapes.Cluster: "ClusterAnswer",
    shapes.Prediction: "PredictionAnswer",
    shapes.Imported: "ImportedAnswer",
    shapes.Job: "JobAnswer",
    shapes.Model: "ModelAnswer",
    shapes.ModelDetail: "ModelDetail",
    shapes.Serving: "ServingAnswer",
    shapes.Served: "ServedAnswer",
    shapes.Profile: "ProfileAnswer",
    shapes.Device: "DeviceAnswer",
    shapes.Pause: "PauseAnswer",
    shapes.Detector: "DetectorAnswer",
    shapes.DetectorServing: "DetectorServingAnswer",
    shapes.NearMiss: "NearMissAnswer",
    shapes.Acked: "BatchAnswer",
    shapes.Key: "KeyAnswer",
    shapes.KeyMade: "KeyMade",
    shapes.AlertRule: "RuleAnswer",
    shapes.Alert: "AlertAnswer",
    shapes.Acknowledged: "Acknowledged",
}
"""What a client's type is called in the OpenAPI document."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return application.create().openapi()


def arguments(name: str) -> list[Any]:
    """Sample arguments of a verb: what must be given, by position."""
    _, *taken = inspect.signature(VERBS[name]._ask).parameters.values()
    return [
        TYPED.get(p.annotation, SAMPLES.get(p.name, "x"))
        for p in taken
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD
    ]


def asked(name: str) -> Call[Any]:
    said = VERBS[name]._ask(None, *arguments(name))
    return next(said.calls()) if isinstance(said, Pages) else said


def test_there_is_a_verb_for_each_kind_of_thing() -> None:
    for name in ("events", "label", "models", "retrain", "detectors", "keys", "alerts"):
        assert name in VERBS
    assert len(VERBS) > 40


@pytest.mark.parametrize("name", VERBS)
def test_verb_asks_a_route_that_exists_and_explains_itself(
    name: str, document: dict[str, Any]
) -> None:
    call = asked(name)
    routes = [
        path
        for path, methods in document["paths"].items()
        if call.way.lower() in methods
        and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), call.path)
    ]
    assert routes, (call.way, call.path)
    assert inspect.getdoc(getattr(Onset, name))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_shape_is_that_of_the_service(shape: type, document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"][SHAPES[shape]]
    assert set(get_type_hints(shape)) == set(schema["properties"])


def test_filters_are_those_of_the_service(document: dict[str, Any]) -> None:
    taken = {p["name"] for p in document["paths"]["/events"]["get"]["parameters"]}
    assert set(get_type_hints(shapes.EventFilters)) == taken - {"limit", "cursor"}


def answering(asked: list[tuple[str, str, bytes]]) -> httpx.MockTransport:
    body = {"items": [], "next_cursor": None, "accepted": 1, "key": "k"}

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, str(request.url), request.content))
        return httpx.Response(200, json=body | {"values": [], "predictions": []})

    return httpx.MockTransport(answer)


@pytest.mark.parametrize("name", VERBS)
async def test_both_ways_ask_the_same(name: str) -> None:
    awaited: list[tuple[str, str, bytes]] = []
    blocked: list[tuple[str, str, bytes]] = []
    async with Onset("http://test", "k", transport=answering(awaited)) as onset:
        said = getattr(onset, name)(*arguments(name))
        if isinstance(VERBS[name], listing):
            assert [item async for item in said] == []
        else:
            await said
    with BlockingOnset("http://test", "k", transport=answering(blocked)) as blocking:
        said = getattr(blocking, name)(*arguments(name))
        if isinstance(VERBS[name], listing):
            assert list(said) == []
    assert awaited == blocked
    assert len(blocked) == 1


def test_blocking_lists_hide_their_cursors_and_jobs_are_waited_for() -> None:
    states = iter(["queued", "running", "failed"])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/jobs/7":
            return httpx.Response(200, json={"state": next(states, "running")})
        at = int(request.url.params.get("cursor", 0))
        cursor = str(at + 1) if at < 2 else None
        return httpx.Response(200, json={"items": [at, at], "next_cursor": cursor})

    with BlockingOnset("http://test", transport=httpx.MockTransport(answer)) as onset:
        assert list(onset.events(page=2, label=None)) == [0, 0, 1, 1, 2, 2]
        assert onset.wait_job(7, look_seconds=0.0)["state"] == "failed"
        with pytest.raises(TimeoutError, match="job 7 is running still"):
            onset.wait_job(7, look_seconds=0.0, timeout_seconds=0.0)


def test_blocking_errors_are_those_of_the_service() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/jobs/1":
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(409, json={"title": "Conflict", "detail": "twice"})

    with BlockingOnset("http://test", transport=httpx.MockTransport(answer)) as onset:
        with pytest.raises(Conflict, match="twice"):
            onset.retrain("arm")
        with pytest.raises(Unavailable, match="http://test"):
            onset.job(1)


def test_blocking_feed_goes_on_where_it_broke_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(retry, "LONGEST_SECONDS", 0.0)
    last = json.dumps({"title": "Not authenticated", "detail": "gone"})
    feeds = iter(
        ['id: 5\nevent: event\ndata: {"id": 1}\n\n', f"event: error\ndata: {last}\n\n"]
    )
    places: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        places.append(request.headers.get("Last-Event-ID"))
        return httpx.Response(200, text=next(feeds))

    with BlockingOnset("http://test", transport=httpx.MockTransport(answer)) as onset:
        feed = onset.live(kind="event")
        assert next(feed).data == {"id": 1}
        with pytest.raises(Unauthenticated, match="gone"):
            next(feed)
    assert places == [None, "5"]
