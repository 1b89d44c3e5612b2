from collections import Counter
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest

from app.domain import utc
from app.learning.queue import (
    AUDIT_EVERY,
    AUDIT_SHARE,
    Waiting,
    freshness,
    in_audit,
    rank,
    rarity,
)

NOW = utc(1e9)


def waiting(
    number: int,
    probabilities=(0.9, 0.1),
    predicted="a",
    days=0.0,
    place=None,
    unknown=False,
):
    at = NOW - timedelta(days=days)
    rng = np.random.default_rng(number)
    features = rng.normal(size=4) if place is None else np.array(place)
    return Waiting(
        UUID(int=number),
        at,
        predicted,
        tuple(probabilities),
        unknown,
        features.astype(np.float32),
    )


def first(events, labelled=None):
    return rank(events, labelled or {"a": 10, "b": 10}, 1, NOW)[0]


@pytest.fixture(scope="module")
def audited():
    return [n for n in range(400) if in_audit(UUID(int=n))]


def test_the_event_that_the_model_is_least_sure_of_comes_first():
    sure = [waiting(n, (0.99, 0.01)) for n in range(10)]
    assert first([*sure, waiting(50, (0.51, 0.49))]).event == UUID(int=50)


def test_what_nobody_classified_or_is_unknown_comes_before_what_is_sure():
    sure = [waiting(n, (0.99, 0.01)) for n in range(10)]
    silent = waiting(50, (), predicted=None)
    assert "no model" in first([*sure, silent]).reason
    strange = waiting(51, (0.99, 0.01), unknown=True)
    assert "unlike" in first([*sure, strange]).reason


def test_a_rare_class_is_worth_more_than_a_frequent_one():
    events = [waiting(1, predicted="a"), waiting(2, predicted="b")]
    assert first(events, {"a": 100, "b": 2}).event == UUID(int=2)
    assert "a class with 2 labels" in first(events, {"a": 100, "b": 2}).reason
    assert rarity("new", {"a": 5}) == 1.0


def test_new_events_come_before_old_ones():
    events = [waiting(1, days=30), waiting(2, days=0)]
    assert first(events).event == UUID(int=2)
    assert freshness(NOW - timedelta(days=7), NOW) == pytest.approx(0.5)


def test_the_queue_does_not_ask_about_one_thing_again_and_again():
    alike = [waiting(n, (0.5, 0.5), place=(0.0, 0.01 * n)) for n in range(1000, 1020)]
    other = waiting(2000, (0.6, 0.4), place=(5.0, 5.0))
    asked = rank([*alike, other], {"a": 1}, 3, NOW)
    assert UUID(int=2000) in [pick.event for pick in asked[:2]]


def test_every_tenth_place_is_of_the_audit_slice_whatever_its_score(audited):
    assert 0.5 * AUDIT_SHARE < len(audited) / 400 < 1.5 * AUDIT_SHARE
    events = [
        waiting(n, (0.999, 0.001) if n in audited else (0.5, 0.5)) for n in range(400)
    ]
    picks = rank(events, {"a": 10}, 3 * AUDIT_EVERY, NOW)
    marked = [i for i, pick in enumerate(picks) if pick.audit]
    assert marked == [9, 19, 29]
    assert {picks[i].event.int for i in marked} <= set(audited)
    assert all(picks[i].reason.startswith("audit") for i in marked)


def test_every_event_is_asked_about_once_and_the_order_is_the_same_each_time():
    events = [waiting(n, (0.5 + n / 100, 0.5 - n / 100)) for n in range(40)]
    picks = rank(events, {"a": 10}, 100, NOW)
    assert Counter(p.event.int for p in picks) == Counter(range(40))
    assert rank(events, {"a": 10}, 100, NOW) == picks
    assert rank([], {}, 5, NOW) == []


def test_events_that_are_all_the_same_are_ranked_all_the_same():
    events = [waiting(n, place=(1.0, 1.0)) for n in range(5)]
    assert len(rank(events, {}, 5, NOW)) == 5


def test_accuracy_on_the_audit_slice_is_that_of_all_events_and_elsewhere_it_is_not():
    """E-04.  What the queue asks first is what the model finds hard."""
    rng = np.random.default_rng(0)
    audit, hard, all_of_them = [], [], []
    for part in range(8):
        sure = rng.uniform(0.5, 1.0, 500)
        right = rng.uniform(size=500) < sure
        events = [waiting(500 * part + n, (sure[n], 1 - sure[n])) for n in range(500)]
        picks = rank(events, {"a": 10, "b": 10}, 200, NOW)
        of = {event.event: bool(r) for event, r in zip(events, right, strict=True)}
        audit += [of[pick.event] for pick in picks if pick.audit]
        hard += [of[pick.event] for pick in picks if not pick.audit]
        all_of_them += [*of.values()]
    truth = np.mean(all_of_them)
    error = np.sqrt(truth * (1 - truth) / len(audit))
    assert len(audit) >= 150
    assert abs(np.mean(audit) - truth) < 2.5 * error
    assert np.mean(hard) < truth - 0.05
