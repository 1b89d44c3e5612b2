import pytest

from app.detection import DEFAULT_SETTINGS, DETECTORS, build, complete
from app.detection.scores import silent
from app.detection.settings import KINDS
from app.errors import InvalidDetector


def test_every_detector_has_rules_and_every_rule_a_detector():
    assert set(KINDS) == set(DETECTORS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_defaults_are_complete_and_stay_what_they_are(kind):
    fitted = {"model": silent(2).to_text()} if kind == "scored" else {}
    full = complete({"kind": kind, **fitted})
    assert complete(full) == full
    assert list(complete(dict(reversed(full.items())))) == list(full)


def test_no_settings_mean_the_default_detector():
    assert complete(None) == complete({}) == DEFAULT_SETTINGS
    assert DEFAULT_SETTINGS["kind"] == "energy"


def test_limits_that_limit_nothing_are_no_settings():
    assert complete({"limits": {"x": [None, None]}}) == DEFAULT_SETTINGS
    assert complete({"limits": {"x": [0, None]}})["limits"] == {"x": [0.0, None]}


def test_whole_numbers_and_fractions_are_the_same_settings():
    assert complete({"max_seconds": 30}) == complete({"max_seconds": 30.0})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"kind": "magic"},
            "kind='magic' must be one of energy, mahalanobis, regimes, scored",
        ),
        ({"kind": 3}, "kind=3"),
        ({"colour": 1}, "'colour' is not a setting of 'energy'"),
        ({"sta_seconds": 1}, "'sta_seconds' is not a setting of 'energy'"),
        ({"on": "high"}, "on='high' must be a number"),
        ({"on": True}, "on=True must be a number"),
        ({"on": 0}, "on=0 must be above 0"),
        ({"min_seconds": -1}, "min_seconds=-1 must be at least 0"),
        ({"max_seconds": float("inf")}, "max_seconds=inf must be"),
        ({"pre_seconds": float("nan")}, "pre_seconds=nan must be"),
        ({"kind": "scored"}, "model is missing: a scored detector is fitted"),
        ({"off": 9, "on": 9}, "off=9 must be below on=9"),
        ({"min_seconds": 61}, "min_seconds=61 must be at most max_seconds=60"),
        (
            {"kind": "sta_lta", "sta_seconds": 30},
            "sta_seconds=30 must be below lta_seconds=30",
        ),
        (
            {"kind": "regimes", "window_seconds": 301},
            "window_seconds=301 must be at most max_seconds=300",
        ),
        (
            {"kind": "windows", "size_readings": 2.5},
            "size_readings=2.5 must be a whole number",
        ),
        (
            {"kind": "windows", "size_readings": 5, "gap_seconds": 2},
            "size_readings=5 and gap_seconds=2: windows are cut by one of them",
        ),
        (
            {"kind": "windows", "hop_seconds": 2},
            "hop_seconds=2 must be at most size_seconds=0",
        ),
        (
            {"kind": "windows", "size_seconds": 5, "hop_seconds": 2},
            "size_seconds=5 must be a multiple of hop_seconds=2",
        ),
        (
            {"kind": "windows", "size_readings": 1000, "hop_readings": 2},
            "hop_readings=2 must be at least size_readings=1000 / 64",
        ),
        (
            {"kind": "windows", "size_readings": 3, "min_readings": 4},
            "min_readings=4 must be at most size_readings=3",
        ),
        (
            {"kind": "windows", "min_seconds": 1},
            "'min_seconds' is not a setting of 'windows'",
        ),
        ({"limits": [1, 2]}, "limits must be an object"),
        ({"limits": {"x": 3}}, "limits of 'x' must be [lowest, highest]"),
        ({"limits": {"x": [2, 1]}}, "limits of 'x': 2 must be below 1"),
        ({"limits": {"x": [None, "1"]}}, "limits of 'x'='1' must be a number"),
        ({"limits": {"x": [-1e39, 0]}}, "limits of 'x'=-1e+39 must be at least"),
    ],
)
def test_a_broken_rule_is_named_with_its_value(settings, said):
    with pytest.raises(InvalidDetector) as refused:
        complete(settings)
    assert said in str(refused.value)
    with pytest.raises(InvalidDetector):
        build(settings, 50.0, 2)
