"""The trigger against a naive one that sees the whole function at once."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection import trigger
from app.detection.detector import limits

ON, OFF = 3.0, 1.0


def run(y, shortest=1, longest=1000, merge=0, reach=1000):
    """The spans (onset, offset, peak, truncated) of a characteristic function."""
    ints = np.zeros(trigger.SLOTS, np.int64)
    trigger.start(ints)
    peak, span = np.zeros(1), np.zeros(trigger.SPAN_FIELDS)
    bounds = limits(shortest, longest, merge, reach)
    found = []
    for tick, value in enumerate(y):
        if trigger.step(float(value), ON, OFF, tick, ints, peak, bounds, span):
            found.append(tuple(span))
    if trigger.flush(len(y), ints, peak, bounds, span):
        found.append(tuple(span))
    return [(int(a), int(b), p, bool(t)) for a, b, p, t, _ in found]


def naive(y, shortest, merge):
    """Runs above OFF that reach ON; close ones joined; short ones dropped."""
    runs, at = [], 0
    while at < len(y):
        end = at
        while end < len(y) and y[end] > OFF:
            end += 1
        if end > at and max(y[at:end]) >= ON:
            if runs and at - runs[-1][1] <= merge:
                runs[-1] = (runs[-1][0], end)
            else:
                runs.append((at, end))
        at = end + 1
    return [(a, b) for a, b in runs if b - a >= shortest]


@settings(max_examples=300, deadline=None)
@given(
    y=st.lists(st.sampled_from([0.0, 0.5, 2.0, 4.0]), max_size=40),
    shortest=st.integers(1, 5),
    merge=st.integers(0, 4),
)
def test_it_agrees_with_a_naive_one(y, shortest, merge):
    found = run(y, shortest=shortest, merge=merge)
    assert [(a, b) for a, b, _, _ in found] == naive(y, shortest, merge)
    for a, b, peak, truncated in found:
        assert peak == max(y[a:b])
        assert not truncated


def test_a_span_begins_where_the_function_rose_above_off():
    assert run([0, 2, 2, 4, 2, 0, 0]) == [(1, 5, 4.0, False)]


def test_an_onset_lies_at_most_the_reach_back():
    assert run([2] * 50 + [4, 0, 0], reach=3) == [(47, 51, 4.0, False)]


def test_the_longest_span_is_cut_off_and_the_next_begins_at_once():
    found = run([0] + [4] * 25 + [0] * 5, longest=10)
    assert [(a, b, t) for a, b, _, t in found] == [
        (1, 11, True),
        (11, 21, True),
        (21, 26, False),
    ]


def test_merged_spans_are_never_longer_than_the_longest():
    y = ([4] * 3 + [0]) * 10
    found = run(y, longest=10, merge=2)
    assert all(b - a <= 10 for a, b, _, _ in found)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found))


def test_a_span_is_given_as_soon_as_the_merge_gap_is_over():
    ints = np.zeros(trigger.SLOTS, np.int64)
    trigger.start(ints)
    peak, span = np.zeros(1), np.zeros(trigger.SPAN_FIELDS)
    bounds = limits(1, 100, 2, 100)
    said = [
        trigger.step(y, ON, OFF, tick, ints, peak, bounds, span)
        for tick, y in enumerate([4.0, 0.0, 0.0, 0.0, 0.0])
    ]
    assert said == [False, False, False, False, True]


def nears_of(values, on=4.0, off=1.0, shortest=3):
    slots, peak, span = (
        np.zeros(trigger.SLOTS, np.int64),
        np.zeros(1),
        np.zeros(trigger.SPAN_FIELDS),
    )
    trigger.start(slots)
    limits = np.array([shortest, 1000, 0, 2])
    for tick, y in enumerate(values):
        trigger.step(y, on, off, tick, slots, peak, limits, span)
    count = int(slots[trigger.NEAR_COUNT])
    rows = slots[trigger.NEARS :].reshape(-1, trigger.NEAR_FIELDS)
    return count, rows.tolist()


def test_what_rises_near_the_threshold_and_is_no_event_is_remembered():
    count, rows = nears_of([0, 0, 2, 3, 2.5, 0, 0, 1.9, 0, 5, 5, 5, 5, 0, 0, 0])
    assert count == 1
    assert rows[0] == [2, 5, 750]


def test_an_event_that_is_too_short_is_a_near_miss():
    count, rows = nears_of([0, 0, 5, 0, 0, 0, 0])
    assert (count, rows[0][2]) == (1, 1000)
    assert rows[0][:2] == [2, 3]


def test_only_the_newest_near_misses_are_remembered():
    count, rows = nears_of([0, 3] * 20 + [0])
    assert count == 20
    assert sorted(row[0] for row in rows) == list(range(25, 41, 2))
