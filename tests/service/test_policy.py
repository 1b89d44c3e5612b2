from datetime import UTC, datetime, timedelta

import pytest

from app.domain import RetrainPolicy
from app.service.jobs.policy import Attempt, History, due, history, is_automatic

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def ask(policy: RetrainPolicy, past: History, labels: int, seconds: float):
    return due(policy, past, new_labels=labels, now=at(seconds), cooldown_seconds=5.0)


def test_count_policy_fires_exactly_at_its_count():
    policy = RetrainPolicy(every_labels=20)
    past = History(seen_until=at(0), ended_at=at(1))
    assert ask(policy, past, 19, 1e6) is None
    assert ask(policy, past, 20, 6.0) == "20 new labels (every 20)"


def test_online_every_label_is_due_after_a_second_at_most():
    policy = RetrainPolicy(every_labels=None, mode="online")
    past = History(seen_until=at(0), ended_at=at(1))
    assert ask(policy, past, 1, 1.999) is None
    assert ask(policy, past, 1, 2.0) == "1 new labels (online)"
    assert ask(policy, past, 0, 1e6) is None


def test_schedule_fires_exactly_at_its_time_and_only_with_a_new_label():
    policy = RetrainPolicy(every_labels=None, every_seconds=60)
    past = History(seen_until=at(0), ended_at=at(1))
    assert ask(policy, past, 1, 59.999) is None
    assert ask(policy, past, 0, 60) is None
    assert ask(policy, past, 1, 60) == "60 s since the last (every 60 s)"


def test_schedule_without_a_training_fires_with_the_first_label():
    policy = RetrainPolicy(every_labels=None, every_seconds=3600)
    assert ask(policy, History(), 0, 0) is None
    assert ask(policy, History(), 1, 0) is not None


def test_manual_policy_never_fires():
    policy = RetrainPolicy(every_labels=None, every_seconds=None)
    assert ask(policy, History(), 10**6, 10**9) is None


def test_nothing_fires_while_a_job_is_under_way():
    past = history([Attempt("running", at(0), None)])
    assert past.under_way
    assert ask(RetrainPolicy(every_labels=1), past, 100, 1e6) is None


def test_cooldown_holds_a_due_training_back_until_its_end():
    policy = RetrainPolicy(every_labels=1)
    past = History(seen_until=at(0), ended_at=at(10))
    assert ask(policy, past, 50, 14.999) is None
    assert ask(policy, past, 50, 15.0) is not None


def test_a_drift_makes_fewer_labels_enough():
    policy = RetrainPolicy(every_labels=None, drift_labels=10)
    past = History(seen_until=at(0), ended_at=at(10))
    asked = {"now": at(100), "cooldown_seconds": 5}
    assert is_automatic(policy)
    assert due(policy, past, new_labels=50, **asked) is None
    assert due(policy, past, new_labels=9, drifted=True, **asked) is None
    said = due(policy, past, new_labels=10, drifted=True, **asked)
    assert said == "10 new labels, and the champion has drifted"
    assert due(RetrainPolicy(), past, new_labels=10, drifted=True, **asked) is None


@pytest.mark.parametrize("state", ["succeeded", "cancelled"])
def test_labels_count_from_the_last_attempt_whatever_its_verdict(state: str):
    past = history([Attempt(state, at(30), at(40)), Attempt("succeeded", at(0), at(9))])
    assert past == History(seen_until=at(30), ended_at=at(40))


def test_failed_attempts_are_repeated_with_the_same_labels_later_each_time():
    failed = [Attempt("failed", at(50), at(60)), Attempt("failed", at(30), at(40))]
    past = history([*failed, Attempt("succeeded", at(10), at(20))])
    assert past == History(seen_until=at(10), ended_at=at(60), failures=2)
    policy = RetrainPolicy(every_labels=3)
    assert ask(policy, past, 3, 79.9) is None
    assert ask(policy, past, 3, 80.0) is not None


def test_endless_failure_is_tried_every_hour():
    past = history([Attempt("failed", at(0), at(0))] * 100)
    assert past.seen_until is None
    policy = RetrainPolicy(every_labels=3)
    assert ask(policy, past, 3, 3599) is None
    assert ask(policy, past, 3, 3600) is not None


def test_a_day_of_steady_labels_trains_as_often_as_the_policy_says():
    policy = RetrainPolicy(every_labels=10)
    attempts: list[Attempt] = []
    seen = 0
    for minute in range(24 * 60):  # one label a minute, a training takes 30 s
        past = history(attempts)
        if ask(policy, past, minute - seen, minute * 60):
            start = minute * 60
            attempts.insert(0, Attempt("succeeded", at(start), at(start + 30)))
            seen = minute
    assert len(attempts) == (24 * 60 - 1) // 10
