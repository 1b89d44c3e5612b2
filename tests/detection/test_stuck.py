"""Channels that stop working are noticed, left out, and taken back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection import Stream, build, stuck
from app.domain import Channel, DetectorVersion, Event, Profile, Readings

from .signals import RATE_HZ as QUICK_HZ
from .signals import bursts, cuts, pieces, quick

RATE_HZ = 50.0
MINUTE = int(60 * RATE_HZ)
FLOOR = 50


def out(values):
    """Whether the channel is left out, after every value."""
    channels = np.zeros((stuck.ROWS, 1))
    stuck.start(channels, FLOOR)
    said = []
    for value in values:
        if value == channels[stuck.LAST, 0]:
            channels[stuck.RUN, 0] += 1
        else:
            stuck.changed(value, 0, channels, FLOOR)
        said.append(stuck.is_out(0, channels))
    return np.array(said)


def trembling(n, seed=1):
    return np.random.default_rng(seed).normal(0, 1, n)


def test_a_channel_that_sticks_is_out_after_a_second_until_it_moves():
    values = np.concatenate([trembling(200), np.full(300, 7.0), trembling(100)])
    assert np.flatnonzero(out(values)).tolist() == list(range(200 + FLOOR + 1, 500))


def test_a_channel_that_never_moved_is_out_until_it_does():
    values = np.concatenate([np.full(300, 7.0), [8.0] * 200])
    assert np.flatnonzero(out(values)).tolist() == list(range(FLOOR + 1, 300))


def test_a_channel_that_moves_seldom_may_rest_for_long():
    values = np.repeat(np.arange(100.0), 100)
    assert not out(values)[FLOOR * 10 :].any()
    rest = np.full(2000, 100.0)
    assert np.flatnonzero(out(np.concatenate([values, rest])))[-1000:].min() > 10_700


def test_a_rest_that_ends_by_itself_makes_the_next_one_wait_longer():
    values = np.concatenate([trembling(200), np.zeros(300), trembling(200, 2)])
    twice = out(np.concatenate([values, np.zeros(300)]))
    assert twice[:700].sum() > twice[700:].sum() > 0


kinds = pytest.mark.parametrize("kind", ["energy", "mahalanobis"])


def spans(values, kind="energy"):
    detector = build({"kind": kind}, RATE_HZ, values.shape[1])
    return detector.update(values) + detector.flush()


def loud(n=6 * MINUTE, n_channels=4, every=20):
    """Noise with an event of four seconds in every twenty."""
    values = np.random.default_rng(3).normal(0, 1, (n, n_channels))
    truth = range(10 * 50, n - 250, every * 50)
    for at in truth:
        values[at : at + 200] *= 8
    return values, list(truth)


def hits(found, truth):
    return sum(any(abs(s.onset - at) <= 25 for s in found) for at in truth)


@kinds
@pytest.mark.parametrize("value", [0.0, 2047.0])
def test_a_channel_at_the_end_of_its_scale_costs_one_false_event_at_most(kind, value):
    values, truth = loud()
    values[2 * MINUTE + 650 :, 1] = value
    found = spans(values, kind)
    assert hits(found, truth) == len(truth)
    assert len(found) <= len(truth) + 1
    assert all(s.offset - s.onset <= 250 for s in found)
    late = [s for s in found if s.onset > 2 * MINUTE + 800]
    assert late
    assert all(s.stuck for s in late)
    assert not any(s.stuck for s in found if s.offset < 2 * MINUTE)


def test_dead_channels_do_not_make_the_others_deaf():
    values, truth = loud(n_channels=1)
    dead = np.zeros((len(values), 15))
    found = spans(np.column_stack([values, dead]))
    alone = spans(values)
    assert hits(alone, truth) == len(truth)
    # but for the first second, in which nobody knew that they are dead
    assert [(s.onset, s.offset) for s in found] == [
        pytest.approx((s.onset, s.offset), abs=10) for s in alone
    ]
    assert not any(s.stuck for s in found)


@kinds
def test_a_channel_that_comes_back_counts_again(kind):
    values, truth = loud(n_channels=2)
    values[1500:6000, 0] = 50.0
    values[6000:, 1] = values[6000, 1]
    found = [s for s in spans(values, kind) if s.onset > 6200]
    assert hits(found, [at for at in truth if at > 6200]) == len(found)
    assert found


@kinds
def test_an_hour_in_which_two_channels_break_has_two_events_at_most(kind):
    values = np.random.default_rng(5).normal(0, 1, (60 * MINUTE, 6))
    values[20 * MINUTE :, 2] = 8.0
    values[40 * MINUTE :, 4] = -1000.0
    found = spans(values, kind)
    assert len(found) <= 2
    assert all(s.offset - s.onset < 150 for s in found)


@kinds
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), cut=cuts)
def test_faults_do_not_depend_on_cuts(kind, seed, cut):
    rng = np.random.default_rng(seed)
    values = bursts(seed, 400, 3)
    for _ in range(4):
        at, c = int(rng.integers(400)), int(rng.integers(3))
        values[at : at + int(rng.integers(10, 150)), c] = rng.choice([0.0, 90.0])
    whole = build(quick(kind), QUICK_HZ, 3)
    expected = whole.update(values)
    cutting = build(quick(kind), QUICK_HZ, 3)
    found = []
    for piece in pieces(400, cut):
        found += cutting.update(values[piece])
        state = cutting.state()
        cutting = build(quick(kind), QUICK_HZ, 3)
        cutting.restore(state)
    assert found == expected
    assert cutting.state() == whole.state()


def test_an_event_with_a_broken_channel_is_flagged_also_after_a_restart():
    values, _ = loud(n=3000, n_channels=3)
    values[1000:, 0] = 5.0
    values = values.astype(np.float32)
    of = Profile("band", tuple(Channel(c) for c in "abc"), RATE_HZ)
    version = DetectorVersion(1, "band", {"post_seconds": 20.0})
    stream = Stream(of, version, "d", "b")
    times = np.arange(3000) / RATE_HZ
    # the second event is final, and waits for its post-roll
    said = stream.receive(Readings(1, values[:2000], times[:2000]))
    opened = stream.open_from()
    assert opened is not None
    again = Stream.restore(
        of,
        version,
        "d",
        "b",
        next_seq=2001,
        state=stream.state(),
        readings=[stream.held_from(opened)],
    )
    rest = Readings(2001, values[2000:], times[2000:])
    found = [
        [e for e in said + one.receive(rest) + one.close() if isinstance(e, Event)]
        for one in (stream, again)
    ]
    assert [e.flags for e in found[0]] == [e.flags for e in found[1]]
    assert "stuck" in {flag for e in found[0] if e.onset_seq > 1400 for flag in e.flags}
