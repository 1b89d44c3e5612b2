import numpy as np
import pytest

from app.errors import NotFound
from app.simulate.signals import generate, pack, packs


def test_three_domains_differ_in_data_alone():
    kinds = packs()
    assert {"arm-band", "smart-plug", "pump"} <= kinds.keys()
    assert len({k.profile.n_channels for k in kinds.values()}) == 3


@pytest.mark.parametrize("name", packs())
def test_the_same_seed_gives_the_same_recording(name: str):
    made = [
        generate(pack(name), "d", "1", 120, np.random.default_rng(5)) for _ in range(2)
    ]
    assert made[0].digest == made[1].digest
    assert made[0].truth == made[1].truth
    other = generate(pack(name), "d", "1", 120, np.random.default_rng(6))
    assert other.digest != made[0].digest


@pytest.mark.parametrize("name", packs())
def test_events_stand_out_of_rest(name: str):
    kind = pack(name)
    made = generate(kind, "d", "1", 300, np.random.default_rng(1))
    active = np.zeros(len(made.t), dtype=bool)
    for event in made.truth:
        active |= (made.t >= event.start) & (made.t < event.end)
    size = (np.abs(made.values - kind.level) / kind.noise).max(axis=1)
    assert {e.label for e in made.truth} == set(kind.classes)
    assert np.median(size[active]) > 3 * np.median(size[~active])


def test_drift_turns_classes_but_not_rest():
    rng = np.random.default_rng
    kind = pack("arm-band")
    still = generate(kind, "d", "1", 60, rng(2))
    moved = generate(kind, "d", "1", 60, rng(2), drift=(1.0, 1.0))
    assert still.truth == moved.truth
    end = int(still.truth[0].start * still.rate_hz)
    assert np.array_equal(still.values[:end], moved.values[:end])
    assert not np.array_equal(still.values, moved.values)


def test_a_pack_that_is_not_there_is_refused_by_name():
    with pytest.raises(NotFound, match="no pack 'teapot'"):
        pack("teapot")
