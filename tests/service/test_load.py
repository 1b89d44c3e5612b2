"""A process that cannot keep up gives things up in a stated order, and says so."""

import asyncio
import time

import pytest

from app.service.metrics import Metrics
from app.service.streams.load import (
    BEAT_SECONDS,
    CALM_SECONDS,
    CONNECTIONS,
    EXPLANATIONS,
    MISSES,
    ORDER,
    STEP_SECONDS,
    Load,
)

DEADLINE = 0.5


@pytest.fixture
def load() -> Load:
    return Load(Metrics(), DEADLINE)


def miss(load: Load, now: float, times: int = MISSES, apart: float = 1.0) -> float:
    for _ in range(times):
        now += apart
        load.beat(2 * DEADLINE, now)
    return now


def count(load: Load, name: str, **labels: str) -> float:
    value = load._metrics.registry.get_sample_value(name, labels)
    assert value is not None
    return value


def test_things_are_given_up_in_their_order_and_connections_last(load: Load):
    now = time.monotonic()
    for level in range(1, len(ORDER) + 1):
        assert load.problem() is None
        now = miss(load, now)
        assert load.given_up == ORDER[:level]
    assert load.problem() == "overloaded: new connections are refused"
    assert count(load, "onset_given_up", what=CONNECTIONS) == 1
    assert count(load, "onset_deadlines_missed_total") == MISSES * len(ORDER)
    miss(load, now)  # there is no more to give up
    assert load.given_up == ORDER


def test_misses_far_apart_give_nothing_up(load: Load):
    miss(load, time.monotonic(), times=20, apart=STEP_SECONDS / 2 + 0.1)
    assert load.given_up == ()


def test_what_was_given_up_comes_back_one_by_one_when_it_is_calm(load: Load):
    now = miss(load, miss(load, time.monotonic()))
    assert len(load.given_up) == 2
    load.beat(0.0, now + CALM_SECONDS - 0.1)
    assert len(load.given_up) == 2
    load.beat(0.0, now + CALM_SECONDS)
    assert load.given_up == (EXPLANATIONS,)
    load.beat(0.0, now + CALM_SECONDS + 1)
    assert load.given_up == (EXPLANATIONS,)
    load.beat(0.0, now + 2 * CALM_SECONDS)
    assert load.given_up == ()
    assert count(load, "onset_given_up", what=EXPLANATIONS) == 0


async def test_a_loop_that_is_blocked_misses_its_deadline():
    load = Load(Metrics(), 0.02)
    beating = asyncio.create_task(load.run())
    await asyncio.sleep(0)
    time.sleep(BEAT_SECONDS + 0.05)  # noqa: ASYNC251 - that is the fault
    await asyncio.sleep(0.001)
    beating.cancel()
    assert count(load, "onset_deadlines_missed_total") == 1
