"""The segmenter: where what a stream does changes, and nowhere else."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from app.detection import build
from app.detection import regime_windows as kernel

from .signals import bursts, quick

RATE_HZ = 50.0
MINUTE = int(60 * RATE_HZ)


def spans(values, rate_hz=RATE_HZ, **more):
    detector = build({"kind": "regimes", **more}, rate_hz, values.shape[1])
    return detector.update(values) + detector.flush()


def changes(values, **more):
    """Where one regime ends and the next begins."""
    found = spans(values, **more)
    return [s.offset for s in found[:-1] if not s.truncated]


def noise(n, n_channels=3, seed=1):
    return np.random.default_rng(seed).normal(0, 1, (n, n_channels))


@pytest.mark.parametrize("kind", ["level", "loudness", "pace", "one channel"])
def test_a_change_of_any_sort_is_found_where_it_is(kind):
    values = noise(2 * MINUTE)
    if kind == "level":
        values[MINUTE:] += 2
    if kind == "loudness":
        values[MINUTE:] *= 2
    if kind == "pace":
        slow = lfilter([0.6], [1, -0.8], values, axis=0)
        values[MINUTE:] = slow[MINUTE:]
    if kind == "one channel":
        values[MINUTE:, 1] *= 6
    (found,) = changes(values)
    assert abs(found - MINUTE) <= 25


def test_activities_in_turn_are_one_event_each():
    seconds = np.arange(MINUTE // 2)[:, None] / RATE_HZ
    phases = np.array([0.0, 1.0, 2.0])
    rest = 0.05 * noise(len(seconds))
    walk = rest + np.sin(2 * np.pi * 1.5 * seconds + phases)
    run = rest + 2 * np.sin(2 * np.pi * 2.7 * seconds + phases)
    turns = [rest, walk, run, walk, rest, run]
    found = changes(np.concatenate(turns))
    truth = [len(rest) * k for k in range(1, len(turns))]
    assert len(found) == len(truth)
    assert np.abs(np.array(found) - truth).max() <= 25


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 900))
def test_regimes_follow_each_other_without_a_hole_and_none_is_too_long(seed, n):
    values = bursts(seed, n, 2)
    rule = {**quick("regimes"), "min_seconds": 0.0}
    detector = build(rule, 20.0, 2)
    found = detector.update(values) + detector.flush()
    assert [s.onset for s in found] == [0, *(s.offset for s in found[:-1])]
    assert found[-1].offset == n
    for span in found:
        assert 1 <= span.offset - span.onset <= 40
        assert span.truncated == (span.offset - span.onset == 40)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    factor=st.sampled_from([2.0**-20, 8.0, 2.0**30]),
)
def test_the_unit_of_the_values_changes_no_span(seed, factor):
    values = noise(MINUTE, 2, seed)
    values[1500:] *= 3
    plain = [(s.onset, s.offset) for s in spans(values)]
    assert len(plain) == 2
    assert [(s.onset, s.offset) for s in spans(values * factor)] == plain


@pytest.mark.parametrize("n_channels", [1, 6])
@pytest.mark.parametrize("kind", ["white", "heavy tails", "drift", "wandering"])
def test_noise_alone_changes_next_to_never(kind, n_channels):
    # three hours
    values = noise(180 * MINUTE, n_channels)
    if kind == "heavy tails":
        values = np.random.default_rng(1).standard_t(3, values.shape)
    if kind == "drift":
        values += np.linspace(0, 30, len(values))[:, None]
    if kind == "wandering":
        values = lfilter([1], [1, -0.99], values, axis=0)
    # what is usual in such noise is known within a minute
    assert sum(change > MINUTE for change in changes(values)) <= 1


def test_a_regime_that_does_not_end_is_cut_off_at_the_longest():
    found = spans(np.full((3 * MINUTE, 1), 7.0), max_seconds=60)
    assert [(s.onset, s.offset, s.truncated) for s in found] == [
        (a, b, True) for a, b in itertools.pairwise(range(0, 3 * MINUTE + 1, MINUTE))
    ]


@pytest.mark.parametrize("step", [2, 20, 1e4])
def test_a_step_of_any_height_is_one_change(step):
    values = noise(MINUTE)
    values[1500:] += step
    (found,) = changes(values)
    assert abs(found - 1500) <= 15


def test_a_step_between_two_stuck_values_is_a_change():
    values = np.full((MINUTE, 2), 3.0)
    values[1500:] = -1e6
    (found,) = changes(values)
    assert abs(found - 1500) <= 15


def test_statistics_agree_with_numpy():
    values = noise(320, 1)[:, 0]
    parts = values.reshape(32, 10)
    steps = np.diff(values, prepend=values[0]).reshape(32, 10) ** 2
    ring = np.stack([parts.mean(1), parts.var(1), steps.mean(1)], axis=1)
    got = kernel.describe(16, 0, ring[:, :, np.newaxis].astype(np.float32))
    new = slice(16, None)
    by = np.diff(parts[new].mean(1), prepend=parts[16].mean())
    squares = parts[new].var(1) + by**2 / 2
    expected = []
    for of in (parts[new].mean(1), squares, steps[new].mean(1)):
        expected += [of.mean(), of.var(ddof=1) / 16]
    assert got == pytest.approx(expected, rel=1e-4)
