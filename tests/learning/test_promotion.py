from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from app.learning.evaluate import Report
from app.learning.promotion import Candidate, Policy, decide


def candidate(right, n_train=100, groups=(), majority=0.3):
    right = list(right)
    accuracy = float(np.mean(right)) if right else 0.0
    correct = {UUID(int=i): bool(r) for i, r in enumerate(right)}
    report = Report(
        len(right), accuracy, 0.0, majority, 0.0, 0.0, (), {}, (), {}, correct
    )
    return Candidate(report, n_train, frozenset(groups))


def paired(wins, losses, both=20):
    champion = [1] * both + [0] * wins + [1] * losses
    challenger = [1] * both + [1] * wins + [0] * losses
    return champion, challenger


@pytest.mark.parametrize(
    ("wins", "losses", "n_train", "verdict"),
    [
        (5, 0, 100, "promote"),
        (4, 0, 100, "not_enough_evidence"),
        (0, 5, 200, "reject"),
        (12, 4, 100, "promote"),
        (8, 5, 100, "hold"),
        (3, 3, 109, "hold"),
        (3, 3, 110, "promote"),
        (0, 0, 110, "promote"),
        (3, 4, 200, "hold"),
        (0, 0, 100, "not_enough_evidence"),
    ],
)
def test_verdict_follows_the_rules(wins, losses, n_train, verdict):
    champion, challenger = paired(wins, losses)
    got = decide(candidate(champion), candidate(challenger, n_train))
    assert got.verdict == verdict
    assert got.numbers["wins"] == wins
    assert got.numbers["losses"] == losses
    assert str(wins) in got.reason


def test_a_new_device_or_class_is_fresh_whatever_the_number_of_rows():
    champion, challenger = paired(1, 1)
    groups = [("d1", "fist")]
    old = candidate(champion, groups=groups)
    new = candidate(challenger, groups=[*groups, ("d2", "fist")])
    assert decide(old, new).promotes
    assert not decide(old, new, Policy(fresh=False)).promotes


def test_online_one_new_row_is_fresh_but_never_worse():
    champion, challenger = map(candidate, paired(1, 1))
    policy = Policy(online=True)
    assert not decide(champion, challenger, policy).promotes
    assert decide(champion, replace(challenger, new_rows=1), policy).promotes
    champion, challenger = map(candidate, paired(1, 2))
    assert not decide(champion, replace(challenger, new_rows=1), policy).promotes


def test_only_events_that_both_answered_are_compared():
    champion = candidate([0] * 10)
    challenger = candidate([0] * 10 + [1] * 90)
    assert decide(champion, challenger).numbers["n"] == 10


@pytest.mark.parametrize(
    ("right", "majority", "verdict"),
    [([1] * 8 + [0] * 2, 0.5, "promote"), ([1] * 4 + [0] * 8, 0.5, "hold")],
)
def test_a_first_model_must_beat_the_most_frequent_class(right, majority, verdict):
    assert decide(None, candidate(right, majority=majority)).verdict == verdict


def test_a_first_model_with_hardly_any_holdout_serves_and_says_so():
    got = decide(None, candidate([0, 0]))
    assert got.promotes
    assert "too few to judge" in got.reason


def test_equal_models_on_equal_data_are_promoted_within_the_budget():
    random = np.random.default_rng(0)
    promoted = 0
    for _ in range(1000):
        right = random.random((2, 80)) < 0.8
        promoted += decide(candidate(right[0]), candidate(right[1])).promotes
    assert promoted <= 50
