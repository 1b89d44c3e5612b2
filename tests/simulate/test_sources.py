import itertools

import numpy as np
import pytest

from app.errors import InvalidInput
from app.simulate import sources
from app.simulate.signals import pack


def test_a_source_without_end_is_read_as_it_is_played():
    source = sources.synthetic(pack("pump"), seed=1, devices=2, seconds=60)
    assert source.endless
    (stage,) = source.stages
    parts = list(itertools.islice(stage["pump-1"], 3))
    assert [p.part for p in parts] == ["1", "2", "3"]
    assert len({p.digest for p in parts}) == 3


def test_a_source_with_an_end_holds_the_labelled_parts_first():
    source = sources.synthetic(pack("pump"), seed=1, devices=2, seconds=60, parts=2)
    first, second = source.stages
    played = [r for parts in first.values() for r in parts]
    assert [r.part for r in played] == ["1", "1"]
    assert all(source.labels(r) for r in played)
    assert not any(source.labels(r) for parts in second.values() for r in parts)


def test_rate_and_name_of_a_pack_can_be_chosen():
    source = sources.synthetic(
        pack("pump"), seed=1, profile="mine", devices=1, rate_hz=7, seconds=30, parts=1
    )
    assert (source.profile, source.body["rate_hz"]) == ("mine", 7)
    ((recording,),) = source.stages[0].values()
    assert recording.rate_hz == 7


def test_the_demo_declares_what_it_plays():
    source = sources.demo(seed=1, devices=1)
    recording = next(iter(source.stages[0]["watch-1"]))
    assert [c["name"] for c in source.body["channels"]] == list(recording.channels)
    assert {e.label for e in recording.truth} == set(source.body["classes"])


def test_the_same_recording_has_the_same_faults():
    source = sources.synthetic(pack("pump"), seed=1, devices=1, seconds=600, parts=1)
    ((recording,),) = source.stages[0].values()
    assert sources.faulty(3, 1)(recording) == sources.faulty(3, 1)(recording)
    assert sources.faulty(0, 1)(recording) == ()


def test_drift_grows_over_the_parts():
    still, moved = (
        sources.synthetic(
            pack("arm-band"), seed=1, devices=1, seconds=60, parts=2, drift=drift
        )
        for drift in (0.0, 1.0)
    )
    apart = [
        np.abs(a.values - b.values).mean()
        for a, b in zip(recordings(still), recordings(moved), strict=True)
    ]
    assert 0 < apart[0] < apart[1]


def recordings(source: sources.Source):
    return [r for s in source.stages for parts in s.values() for r in parts]


def test_parts_that_are_named_must_be_there():
    with pytest.raises(InvalidInput, match="no recording has a part s1"):
        sources.synthetic(pack("pump"), seed=1, devices=1, parts=1, named_parts=["s1"])
