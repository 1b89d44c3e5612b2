"""Windows against naive ones that see all readings at once."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection import Stream, build
from app.domain import Channel, DetectorVersion, Event, Onset, Profile, Readings

steps = st.lists(st.sampled_from([0.0, 0.3, 1.0, 2.5, 40.0, -3.0]), max_size=60)


def spans(times, flush=True, **rule):
    detector = build({"kind": "windows", **rule}, 1.0, 2)
    found = detector.update(np.zeros((len(times), 2)), np.asarray(times, float))
    found += detector.flush() if flush else []
    return [(s.onset, s.offset) for s in found]


def forward(times):
    """The clock as it would be if it never ran backwards."""
    return times[0] + np.cumsum(np.maximum(np.diff(times, prepend=times[0]), 0))


@given(n=st.integers(0, 50), size=st.integers(1, 12), data=st.data())
def test_windows_of_so_many_readings(n, size, data):
    hop = data.draw(st.integers(1, size))
    expected = [(k, k + size) for k in range(0, n - size + 1, hop)]
    found = spans(range(n), False, size_readings=size, hop_readings=hop)
    assert found == expected


@settings(deadline=None)
@given(steps=steps, hop=st.sampled_from([0.5, 1.0, 3.0]), times=st.integers(1, 5))
def test_windows_of_so_many_seconds(steps, hop, times):
    at = 1.7e9 + np.cumsum([0.2, *steps])
    now = forward(at)
    panes = np.floor(now / hop)
    expected = []
    for first in np.unique(panes):
        inside = np.flatnonzero((panes >= first) & (panes < first + times))
        if inside[-1] + 1 < len(at):
            expected.append((inside[0], inside[-1] + 1))
    found = spans(at, False, size_seconds=hop * times, hop_seconds=hop)
    assert found == expected


@settings(deadline=None)
@given(steps=steps)
def test_sessions_end_where_nothing_comes_for_longer_than_the_gap(steps):
    at = np.cumsum([5.0, *steps])
    edges = [0, *(np.flatnonzero(np.diff(forward(at)) > 2.0) + 1), len(at)]
    assert spans(at, gap_seconds=2.0) == list(itertools.pairwise(edges))


def test_without_a_rule_every_reading_is_an_event_at_once():
    assert spans(range(4), False) == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_a_window_of_the_most_readings_is_cut_off_and_the_next_begins_there():
    detector = build({"kind": "windows", "gap_seconds": 5, "max_readings": 4}, 1.0, 1)
    found = detector.update(np.zeros((10, 1)))
    assert [(s.onset, s.offset, s.truncated) for s in found] == [
        (0, 4, True),
        (4, 8, True),
    ]
    assert detector.open_onset == 8


def test_fewer_than_the_fewest_readings_are_no_event():
    at = [0.0, 1.0, 9.0, 20.0, 21.0, 22.0]
    assert spans(at, gap_seconds=5, min_readings=2) == [(0, 2), (3, 6)]


@pytest.mark.parametrize("wild", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_a_clock_gone_wild_ends_at_most_what_is_open(wild):
    for rule in ({"size_seconds": 3.0, "hop_seconds": 1.0}, {"gap_seconds": 2.0}):
        for at in (0, 4):
            times = np.arange(20.0)
            times[at] = wild
            found = spans(times, **rule)
            assert all(a < b for a, b in found)
            assert {i for a, b in found for i in range(a, b)} == set(range(20))


def stream(**rule):
    profile = Profile("loans", (Channel("sum"), Channel("age")), 0.1)
    version = DetectorVersion(4, "loans", {"kind": "windows", **rule})
    return Stream(profile, version, "d", "b")


def readings(times, first_seq=1):
    values = np.arange(2.0 * len(times)).reshape(-1, 2).astype(np.float32)
    return Readings(first_seq, values, np.asarray(times, float), True)


def test_an_event_that_is_one_reading_does_not_wait_for_the_next():
    current = stream()
    for seq in (1, 2):
        (event,) = current.receive(readings([100.0 * seq], seq))
        assert (event.onset_seq, event.offset_seq) == (seq, seq + 1)
        assert event.onset.timestamp() == 100.0 * seq
        # one period after its last reading, however long the next is in coming
        assert event.offset.timestamp() == 100.0 * seq + 10.0
        assert event.window.tolist() == [[0.0, 1.0]]
    assert current.close() == []


def test_a_session_ends_with_its_last_reading():
    said = stream(gap_seconds=30).receive(readings([0.0, 10.0, 20.0, 500.0]))
    (event,) = [s for s in said if isinstance(s, Event)]
    assert event.offset.timestamp() == 30.0
    assert event.flags == ()
    assert isinstance(said[-1], Onset)


def test_the_end_of_the_stream_closes_the_oldest_open_window():
    current = stream(size_readings=4, hop_readings=2)
    current.receive(readings(np.arange(7.0)))
    (event,) = current.close()
    assert (event.onset_seq, event.offset_seq) == (5, 8)
    assert event.flags == ("ended",)
