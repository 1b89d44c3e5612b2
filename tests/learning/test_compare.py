import numpy as np
import pytest

from app.learning.compare import (
    BETTER,
    NO_EVIDENCE,
    WORSE,
    Counts,
    compare_answers,
    compare_detections,
    stretches,
)


def answers(n: int, accuracy: float, seed: int) -> dict[int, bool]:
    drawn = np.random.default_rng(seed).random(n) < accuracy
    return dict(enumerate(drawn.tolist()))


def counts(n: int, recall: float, false: float, seed: int) -> list[Counts]:
    rng = np.random.default_rng(seed)
    hits = rng.binomial(20, recall, n)
    return [Counts(int(h), int(h + rng.poisson(false)), 20) for h in hits]


def test_a_planted_better_model_is_better_and_the_other_way_round_worse():
    weak, strong = answers(300, 0.7, 1), answers(300, 0.9, 2)
    said = compare_answers(weak, strong)
    assert said.verdict == BETTER
    assert 0 < said.low < said.difference < said.high
    assert said.reason.startswith("better: of 300 events")
    assert compare_answers(strong, weak).verdict == WORSE


def test_equal_models_are_told_apart_no_more_often_than_stated():
    verdicts = [
        compare_answers(answers(200, 0.8, 2 * s), answers(200, 0.8, 2 * s + 1)).verdict
        for s in range(400)
    ]
    apart = 400 - verdicts.count(NO_EVIDENCE)
    assert 0 < apart <= 0.08 * 400


def test_models_without_a_common_event_give_no_evidence():
    said = compare_answers({1: True}, {2: True})
    assert (said.n, said.verdict, said.p) == (0, NO_EVIDENCE, 1.0)


def test_a_planted_better_detector_is_better_and_an_equal_one_is_not():
    weak, strong = counts(20, 0.7, 3, 1), counts(20, 0.9, 1, 2)
    assert compare_detections(weak, strong).verdict == BETTER
    assert compare_detections(strong, weak).verdict == WORSE
    assert compare_detections(weak, weak).verdict == NO_EVIDENCE


def test_equal_detectors_are_told_apart_no_more_often_than_stated():
    verdicts = [
        compare_detections(
            counts(10, 0.8, 2, 2 * s), counts(10, 0.8, 2, 2 * s + 1)
        ).verdict
        for s in range(200)
    ]
    apart = 200 - verdicts.count(NO_EVIDENCE)
    assert 0 < apart <= 0.09 * 200


def test_five_stretches_are_too_few_for_any_verdict():
    none, all_ = [Counts(0, 9, 9)] * 5, [Counts(9, 9, 9)] * 5
    assert compare_detections(none, all_).verdict == NO_EVIDENCE
    assert compare_detections([*none, none[0]], [*all_, all_[0]]).verdict == BETTER


def test_stretches_must_be_paired():
    with pytest.raises(ValueError, match="1 and 0 stretches"):
        compare_detections([Counts(1, 1, 1)], [])


def test_counts_of_stretches_sum_to_those_of_the_whole():
    rng = np.random.default_rng(3)
    true = np.cumsum(rng.uniform(5, 20, 80)).reshape(-1, 2)
    found = true[rng.random(40) < 0.8] + rng.normal(0, 1, (1, 2))
    (whole,) = stretches(true, found, 1000.0, 1000.0)
    parts = stretches(true, found, 1000.0, 90.0)
    assert len(parts) == 11
    for name in ("matched", "found", "true"):
        assert sum(getattr(p, name) for p in parts) == getattr(whole, name)
