"""Detectors that learn from labelled boundaries: fitting, choosing, judging."""

import numpy as np
import pytest

from app.detection import build, complete, ticks
from app.detection.scored import log_odds
from app.detection.scores import Scorer
from app.errors import CannotLearn
from app.learning.boundaries import fit
from app.learning.marked import Course
from app.learning.scorer import MIXTURES, learn

RATE_HZ = 20.0
PRESENT = complete({"limits": {"a": [-1000, 1000]}})


def course(seed: int, device: str, n: int = 2400, boot: str = "b1") -> Course:
    """Noise of which a direction is an event, and its opposite is none.

    Both are as loud: the default detector cannot tell them apart.
    """
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (n, 2))
    events = []
    for k, onset in enumerate(range(200, n - 80, 120)):
        length = int(rng.integers(30, 60))
        sign = 1 if k % 2 else -1
        values[onset : onset + length, 0] += sign * 12
        if sign > 0:
            events.append((onset, onset + length))
    none = np.zeros((0, 2), np.int64)
    return Course(device, boot, values.astype(np.float32), np.array(events), none)


def fitted(*courses: Course):
    return fit(courses, RATE_HZ, PRESENT, seed=1, progress=lambda *_: None)


@pytest.fixture(scope="module")
def learnt():
    return fitted(*(course(seed, f"d{seed % 3}") for seed in range(3)))


def test_learnt_detector_finds_on_a_new_device_what_the_default_cannot(learnt):
    new = course(9, "new")
    found = {}
    for name, settings in (("learnt", learnt.settings), ("default", PRESENT)):
        detector = build(settings, RATE_HZ, 2)
        spans = detector.update(new.values.astype(np.float64)) + detector.flush()
        hits = [
            any(abs(s.onset - a) < 8 and abs(s.offset - b) < 8 for a, b in new.events)
            for s in spans
        ]
        found[name] = sum(hits), len(hits)
    assert found["learnt"][0] == found["learnt"][1] == len(new.events)
    assert found["default"][1] > 1.5 * len(new.events)


def test_report_is_of_devices_that_were_held_out(learnt):
    report = learnt.report
    assert report["held_out_by"] == "device"
    assert (report["devices"], report["recordings"]) == (3, 3)
    assert report["events"] == 3 * len(course(0, "d").events)
    assert learnt.comparison.latter > 0.9 > learnt.comparison.former
    assert report["mixture"] in MIXTURES


def test_settings_are_complete_and_the_same_every_time(learnt):
    assert complete(learnt.settings) == learnt.settings
    assert learnt.settings["limits"] == PRESENT["limits"]
    again = fitted(*(course(seed, f"d{seed % 3}") for seed in range(3)))
    assert again.settings == learnt.settings


def test_recordings_of_one_device_are_held_out_one_by_one():
    made = fitted(course(1, "d", 1200), course(2, "d", 1200, "b2"))
    assert made.report["held_out_by"] == "recording"
    assert made.comparison.latter > 0.8


def test_one_recording_is_held_out_by_quarters_and_plain():
    made = fitted(course(1, "d"))
    assert made.report["held_out_by"] == "quarter"
    assert made.report["mixture"] == "linear 0.01"
    assert made.comparison.latter > 0.8


def test_labels_by_chance_are_held_out_as_badly_as_they_are():
    courses = []
    for seed in range(3):
        one = course(seed, f"d{seed}", 1600)
        moved = one.events + 60
        courses.append(
            Course(one.device, "b1", np.roll(one.values, 700, 0), moved, one.unsure)
        )
    assert fitted(*courses).comparison.latter < 0.6


def test_events_that_nobody_labelled_say_nothing():
    courses = []
    for seed in range(3):
        one = course(seed, f"d{seed}")
        half = len(one.events) // 2
        courses.append(
            Course(one.device, "b1", one.values, one.events[:half], one.events[half:])
        )
    made = fitted(*courses)
    assert made.comparison.latter > 0.9
    detector = build(made.settings, RATE_HZ, 2)
    new = course(9, "new")
    spans = detector.update(new.values.astype(np.float64))
    assert len(spans) >= len(new.events) - 1


def test_too_few_events_and_no_difference_are_refused():
    one = course(1, "d")
    few = Course("d", "b1", one.values, one.events[:4], one.unsure)
    with pytest.raises(CannotLearn, match="4 labelled events"):
        fitted(few)
    edges = np.arange(0, 2401, 240)
    full = np.column_stack([edges[:-1], edges[1:]])
    with pytest.raises(CannotLearn, match="no difference"):
        fitted(Course("d", "b1", one.values, full, one.unsure))


@pytest.fixture(scope="module")
def members():
    one = course(4, "d")
    features = ticks.features_of(one.values.astype(float), RATE_HZ).astype(np.float32)
    middle = (np.arange(len(features)) + 0.5) * 2
    inside = np.zeros(len(features), bool)
    for onset, offset in one.events:
        inside |= (middle >= onset) & (middle < offset)
    return features, learn(features, inside, np.ones(len(features)), 1)


@pytest.mark.parametrize("mixture", sorted(MIXTURES))
def test_scorer_says_what_its_members_say(members, mixture):
    features, learnt = members
    shares = MIXTURES[mixture]
    assert sum(shares) == 1.0
    expected = learnt.log_odds(features) @ np.array(shares)
    scorer = Scorer.from_text(learnt.mixed(shares, 2).to_text())
    params = np.concatenate([np.zeros(6), scorer.flat()])
    limits = np.array([0] * 7 + [len(scorer.roots), *scorer.roots])
    said = np.array([log_odds(row.astype(float), params, limits) for row in features])
    assert np.allclose(said, expected, atol=1e-3)
