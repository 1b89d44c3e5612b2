"""Drift raises a signal; its absence rarely does, and the rate is the stated one."""

import numpy as np
import pytest
from scipy.stats import binom

from app import features
from app.domain import Float32Array, FloatArray
from app.learning.drift import BUDGET, MIN_EVENTS, Drift, Sample, Signal, measure

NAMES = features.names(["x", "y"])
LOOKS = 300


def made(seed: int, n: int, *, part: int = 0, judged: int = 60) -> Sample:
    """Correlated features with ties and a constant, answers, and right ones of 90 %."""
    rng = np.random.default_rng([seed, part])
    table = rng.normal(size=(n, len(NAMES))) + rng.normal(size=(n, 1))
    table[:, 0] = 1.0
    table[:, 1] = table[:, 1].round()
    right = int(rng.binomial(judged, 0.9))
    return Sample(table.astype(np.float32), rng.beta(5, 1, n), right, judged)


def with_(
    sample: Sample,
    *,
    features: Float32Array | None = None,
    top: FloatArray | None = None,
    right: int | None = None,
) -> Sample:
    return Sample(
        sample.features if features is None else features,
        sample.top if top is None else top,
        sample.right if right is None else right,
        sample.judged,
    )


def signals(drift: Drift) -> dict[str, Signal]:
    return {signal.kind: signal for signal in drift.signals}


@pytest.mark.parametrize(("n_reference", "judged"), [(60, 12), (300, 60)])
def test_without_drift_looks_alarm_no_more_often_than_the_budget_says(
    n_reference: int, judged: int
) -> None:
    budget = 0.05  # large enough to count
    alarms = 0
    for seed in range(LOOKS):
        reference = made(seed, n_reference, judged=judged)
        alarms += measure(reference, made(seed, 60, part=1), NAMES, budget).alarm
    assert alarms <= binom.ppf(0.99, LOOKS, budget)


def test_without_drift_the_default_budget_is_kept() -> None:
    found = [measure(made(s, 200), made(s, 100, part=1), NAMES) for s in range(LOOKS)]
    assert sum(one.alarm for one in found) <= binom.ppf(0.99, LOOKS, BUDGET)


def test_planted_input_drift_alarms_within_60_events_and_is_named() -> None:
    caught = 0
    for seed in range(20):
        table = made(seed, 60, part=1).features.copy()
        table[:, NAMES.index("y.max")] += 2.0
        recent = with_(made(seed, 60, part=1), features=table)
        found = signals(measure(made(seed, 200), recent, NAMES))
        caught += found["input"].alarm and found["input"].drifted[0] == "max of y"
    assert caught == 20


def test_planted_score_drift_alarms_and_the_others_stay_silent() -> None:
    recent = made(1, 60, part=1)
    found = signals(measure(made(1, 200), with_(recent, top=recent.top / 2), NAMES))
    assert [kind for kind, one in found.items() if one.alarm] == ["score"]
    assert "no longer as sure" in found["score"].sentence


def test_planted_error_drift_alarms_and_a_better_model_does_not() -> None:
    reference, recent = made(1, 200), made(1, 60, part=1)
    worse = signals(measure(reference, with_(recent, right=35), NAMES))
    assert [kind for kind, one in worse.items() if one.alarm] == ["error"]
    poor = with_(reference, right=20)
    assert not measure(poor, with_(recent, right=60), NAMES).alarm


def test_small_hold_out_is_not_taken_for_the_truth() -> None:
    """Ten of ten held out says little: four wrong of 40 are no alarm at 1 %."""
    reference = with_(made(1, 200, judged=10), right=10)
    recent = with_(made(1, 60, part=1, judged=40), right=36)
    assert not signals(measure(reference, recent, NAMES))["error"].alarm


def test_too_few_events_are_said_and_never_alarm() -> None:
    few = made(1, MIN_EVENTS - 1, part=1, judged=MIN_EVENTS - 1)
    far = with_(few, features=few.features + 100, top=few.top * 0, right=0)
    found = measure(made(1, 200), far, NAMES)
    assert not found.alarm
    for signal in found.signals:
        assert signal.sentence.startswith("Not enough evidence: 19 recent")
        assert (signal.statistic, signal.p_value) == (None, None)
    empty = Sample(np.empty((0, len(NAMES)), np.float32), np.empty(0), 0, 0)
    assert not measure(empty, made(1, 60), NAMES).alarm


def test_features_that_never_vary_say_nothing() -> None:
    flat = with_(made(1, 60), features=np.ones((60, len(NAMES)), np.float32))
    said = signals(measure(flat, flat, NAMES))["input"]
    assert (said.p_value, said.alarm) == (1.0, False)


def test_same_look_twice_says_the_same_and_the_order_of_events_is_of_no_matter() -> (
    None
):
    reference, recent = made(1, 200), made(1, 60, part=1)
    turned = Sample(
        recent.features[::-1], recent.top[::-1], recent.right, recent.judged
    )
    assert measure(reference, recent, NAMES) == measure(reference, turned, NAMES)


@pytest.mark.parametrize("budget", [0.0, 1.0, float("nan")])
def test_budget_that_is_no_probability_is_refused(budget: float) -> None:
    with pytest.raises(ValueError, match="budget"):
        measure(made(1, 60), made(2, 60), NAMES, budget)


def test_samples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="names do not fit"):
        measure(made(1, 60), made(2, 60), NAMES[1:])
    with pytest.raises(ValueError, match="at most 1000"):
        measure(made(1, 1001), made(2, 60), NAMES)
