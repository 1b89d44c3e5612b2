"""Device buffer, sessions and store under every interleaving: nothing lost or doubled.

Few schedules here; `python -m benchmarks.schedules` plays 10,000.
"""

from random import Random

import pytest

from tests.wire.resume import draw, fails, play, shortest
from tests.wire.toy import FAULTS

SCHEDULES, STEPS = 400, 80
ENOUGH = {
    "readings": 3000,
    "events": 300,
    "committed": 1500,
    "fenced": 50,
    "redone": 50,
    "lost": 50,
    "resent": 200,
    "gaps": 50,
    "restarts": 50,
    "crashes": 30,
}


def test_no_interleaving_loses_or_doubles_anything() -> None:
    reached = play(range(SCHEDULES), STEPS)
    assert {k: reached[k] for k, least in ENOUGH.items() if reached[k] < least} == {}


@pytest.mark.parametrize("fault", [*FAULTS, "device_forgets_early"])
def test_a_planted_fault_is_found(fault: str) -> None:
    schedules = (draw(Random(seed), STEPS) for seed in range(SCHEDULES))
    found = next(schedule for schedule in schedules if fails(schedule, fault))
    short = shortest(found, fault)
    assert fails(short, fault)
    assert not fails(short)
    assert len(short) <= 12
