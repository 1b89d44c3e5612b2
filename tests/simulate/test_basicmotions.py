import numpy as np

from app.simulate.basicmotions import RATE_HZ, cases, join
from app.simulate.recording import Recording


def recording(device: str, events: int, seed: int) -> Recording:
    return join(cases(), device, "1", events, np.random.default_rng(seed))


def test_each_device_has_its_own_order_of_known_events():
    one, two = recording("a", 12, 1), recording("b", 12, 2)
    assert one.digest != two.digest
    assert {e.label for e in one.truth} == {"Walking", "Running", "Badminton"}
    assert len(one.truth) == 12
    assert one.digest == recording("a", 12, 1).digest


def test_events_are_livelier_than_the_rest_around_them():
    one = recording("a", 30, 2)
    active = np.zeros(len(one.t), dtype=bool)
    for event in one.truth:
        active[round(event.start * RATE_HZ) : round(event.end * RATE_HZ)] = True
    assert one.values[active].std() > 4 * one.values[~active].std()
