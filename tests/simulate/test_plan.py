import numpy as np
import pytest

from app.errors import InvalidInput
from app.simulate.plan import boot_of, first_time, labelled_parts, profile_of, stages
from app.simulate.recording import Recording, Truth


def recording(device: str, part: str, value: float = 0.0) -> Recording:
    t = np.arange(5) / 10
    values = np.full((5, 1), value, np.float32)
    return Recording(device, part, ("x",), 10.0, t, values, (Truth(0, 0.2, "up"),))


TWO = [recording(d, p) for d in ("a", "b") for p in ("s1", "s2")]


def test_the_first_part_of_each_device_is_labelled_when_there_are_several():
    assert labelled_parts(TWO) == {"a_s1", "b_s1"}
    assert labelled_parts([*TWO, recording("c", "s9")]) == {"a_s1", "b_s1", "c_s9"}


def test_without_parts_everything_is_labelled():
    assert labelled_parts([recording("a", ""), recording("b", "")]) == {"a", "b"}


def test_named_parts_are_labelled_and_unknown_ones_refused():
    assert labelled_parts(TWO, ["s2"]) == {"a_s2", "b_s2"}
    with pytest.raises(InvalidInput, match="no recording has a part s3"):
        labelled_parts(TWO, ["s3"])


def test_nobody_plays_an_unlabelled_part_before_all_labelled_ones_are_over():
    first, second = stages(TWO, frozenset({"a_s1", "b_s1"}))
    assert [r.name for parts in first.values() for r in parts] == ["a_s1", "b_s1"]
    assert [r.name for parts in second.values() for r in parts] == ["a_s2", "b_s2"]


def test_the_order_of_a_devices_parts_is_kept_whatever_is_labelled():
    (only,) = stages(TWO[:2], frozenset({"a_s2"}))
    assert [r.part for r in only["a"]] == ["s1", "s2"]


def test_a_replayed_recording_has_the_same_boot_unless_it_changed_or_is_asked():
    assert boot_of(TWO[0], "") == boot_of(recording("a", "s1"), "")
    assert boot_of(TWO[0], "") != boot_of(recording("a", "s1", 1.0), "")
    assert boot_of(TWO[0], "") != boot_of(TWO[0], "again")


def test_the_profile_is_what_the_recordings_are():
    body = profile_of("any", TWO)
    assert body["channels"] == [{"name": "x", "unit": "raw"}]
    assert (body["rate_hz"], body["classes"]) == (10.0, ["up"])


def test_a_device_goes_on_with_the_clock_that_it_had():
    events = [
        {"boot": "other", "onset": "2026-01-01T00:00:00Z", "onset_seq": 1},
        {
            "boot": boot_of(TWO[1], "x"),
            "onset": "1970-01-01T00:16:40.200000Z",
            "onset_seq": 3,
        },
    ]
    one_part_and_break = 0.4 + 1.0
    assert first_time(TWO[:2], "x", events, 0.0) == pytest.approx(
        1000 - one_part_and_break
    )


def test_a_new_device_ends_about_now():
    assert first_time(TWO[:2], "", [], 1000.0) == pytest.approx(1000 - 2.8)


def test_boots_are_short_and_printable_whatever_the_part():
    boot = boot_of(recording("a", "ä b" * 50), "")
    assert len(boot) <= 64
    assert boot.isascii()
    assert boot.isprintable()
