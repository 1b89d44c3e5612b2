"""One key cannot take the service from the others, and is told how much it may."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from app.api import rate
from app.api.rate import Allowance
from app.api.state import State
from tests.api.caller import Caller, require_problem


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(app: FastAPI, state: State) -> Iterator[Clock]:
    made = Clock()
    app.state.onset = replace(state, allowance=Allowance(2.0, made))
    yield made
    app.state.onset = state


async def test_key_that_asks_too_much_is_told_when_to_come_back(
    api: dict[str, Caller], clock: Clock
) -> None:
    left = []
    for _ in range(4):
        answer = await api["viewer"]("GET", "/events")
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"key";q=4;w=2'
        left.append(answer.headers["ratelimit"])
    assert left[0] == '"key";r=3;t=1'
    assert left[-1] == '"key";r=0;t=2'
    answer = await api["viewer"]("GET", "/events")
    said = require_problem(answer, 429)
    assert said["detail"] == "at most 2 requests a second with a key"
    assert answer.headers["retry-after"] == "1"
    assert (await api["labeler"]("GET", "/events")).status_code == 200
    clock.now = 0.5
    assert (await api["viewer"]("GET", "/events")).status_code == 200
    require_problem(await api["viewer"]("GET", "/events"), 429)


async def test_who_is_refused_or_open_to_all_costs_nobody_anything(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    for _ in range(6):
        answer = await client.get("/health/live")
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers
        require_problem(await client.get("/events"), 401)


def test_bucket_never_holds_more_than_a_burst_and_few_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    allowance = Allowance(10.0, clock)
    allowance.take("ada")
    clock.now = 1e6
    assert allowance.take("ada").left == 19
    monkeypatch.setattr(rate, "MOST_KEYS", 3)
    for n in range(10):
        allowance.take(f"key {n}")
    assert len(allowance._buckets) == 3
