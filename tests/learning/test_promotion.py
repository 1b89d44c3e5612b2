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
        (6, 0, 100, "promote"),
        (5, 0, 100, "not_enough_evidence"),
        (0, 5, 200, "reject"),
        (14, 4, 100, "promote"),
        (12, 4, 100, "hold"),
        (4, 4, 110, "hold"),
        (4, 4, 149, "hold"),
        (4, 4, 150, "refresh"),
        (0, 0, 150, "refresh"),
        (4, 5, 200, "hold"),
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
    assert decide(old, new).verdict == "refresh"
    assert not decide(old, old).promotes


def test_online_one_new_row_is_fresh_but_never_worse():
    champion, challenger = map(candidate, paired(1, 1))
    policy = Policy(online=True)
    assert not decide(champion, challenger, policy).promotes
    assert decide(champion, replace(challenger, new_rows=1), policy).promotes
    champion, challenger = map(candidate, paired(1, 2))
    assert not decide(champion, replace(challenger, new_rows=1), policy).promotes


def test_a_tenth_more_rows_must_be_shown_to_be_no_worse_by_the_margin():
    alike = candidate([1] * 199 + [0]), candidate([1] * 199 + [0], 110)
    got = decide(*alike)
    assert got.verdict == "refresh"
    assert "it is not worse by 0.05 (p = 0.000588)" in got.reason
    assert not decide(*alike, Policy(margin=0.0)).promotes
    champion, challenger = paired(20, 20, both=160)
    assert not decide(candidate(champion), candidate(challenger, 110)).promotes


def test_new_rows_that_only_the_challenger_knows_are_reason_enough_to_refresh():
    champion, challenger = map(candidate, paired(1, 1))
    challenger = replace(challenger, n_train=110)
    new = [UUID(int=1000 + i) for i in range(10)]
    seen = replace(champion, fresh=dict.fromkeys(new, False))
    assert decide(seen, challenger).verdict == "not_enough_evidence"
    learns = replace(challenger, fresh=dict.fromkeys(new, True))
    got = decide(seen, learns)
    assert got.verdict == "refresh"
    assert "of 10 new rows 10 against 0" in got.reason
    lost = candidate(paired(1, 2)[0]), candidate(paired(1, 2)[1])
    seen, learns = (
        replace(one, report=r.report)
        for one, r in zip((seen, learns), lost, strict=True)
    )
    assert not decide(seen, learns).promotes


def worse_on(which, both=60, gained=9, lost=7):
    """Better on balance, but `which` of (device, class) is lost."""
    champion = [1] * both + [0] * gained + [1] * lost
    challenger = [1] * both + [1] * gained + [0] * lost
    places = [("d1", "fist")] * (both + gained) + [which] * lost
    where = {UUID(int=i): place for i, place in enumerate(places)}
    return candidate(champion, groups={*places}), candidate(challenger, 200), where


@pytest.mark.parametrize(
    ("which", "named"),
    [(("d1", "wave"), "class 'wave'"), (("d2", "fist"), "device 'd2'")],
)
def test_a_loss_on_a_class_or_device_is_held_and_named(which, named):
    champion, challenger, where = worse_on(which)
    assert decide(champion, challenger).verdict == "refresh"
    got = decide(champion, challenger, where=where)
    assert got.verdict == "hold"
    assert f"of 7 held-out events of {named} the challenger alone is right on 0, " in (
        got.reason
    )
    assert "the champion alone on 7 (p = 0.00781 <= 0.0" in got.reason
    assert got.floors[0].to_json()["losses"] == 7


def test_a_class_that_the_champion_never_saw_is_no_floor():
    champion, challenger, where = worse_on(("d1", "wave"))
    champion = replace(champion, groups=frozenset({("d1", "fist")}))
    assert decide(champion, challenger, where=where).floors == ()


def test_whatever_is_worse_on_gold_is_rejected():
    champion, challenger = paired(9, 0)
    old = replace(candidate(champion), gold=candidate([1] * 10).report)
    new = replace(candidate(challenger), gold=candidate([1] * 9 + [0]).report)
    got = decide(old, new)
    assert got.verdict == "reject"
    assert "of 10 gold events the challenger alone is right on 0, the champion" in (
        got.reason
    )
    assert decide(old, replace(new, gold=old.gold)).verdict == "promote"
    assert decide(replace(old, gold=None), new).verdict == "promote"


def test_of_a_sequence_of_equal_models_any_is_promoted_within_the_budget():
    random = np.random.default_rng(1)
    promoted = 0
    for _ in range(300):
        right = random.random((21, 80)) < 0.8
        champion = candidate(right[0])
        promoted += any(
            decide(champion, candidate(one), Policy(looks=look)).promotes
            for look, one in enumerate(right[1:], 1)
        )
    assert promoted <= 15


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
