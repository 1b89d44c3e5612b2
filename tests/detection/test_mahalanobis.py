"""The multivariate detector: what the channels do together counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection import build
from app.detection import covariance as kernel
from app.errors import InvalidDetector

RATE_HZ = 50.0
MINUTE = int(60 * RATE_HZ)


def spans(values, rate_hz=RATE_HZ, **more):
    detector = build({"kind": "mahalanobis", **more}, rate_hz, values.shape[1])
    return detector.update(values) + detector.flush()


def following(n, n_channels, correlation, seed=1):
    """Noise of variance 1, each channel correlated with each other (n, n_channels)."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 1, (n, 1))
    own = rng.normal(0, 1, (n, n_channels))
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own


@pytest.mark.parametrize(("before", "within"), [(0.9, 0.0), (0.0, 0.95)])
def test_a_correlation_that_goes_or_comes_is_an_event(before, within):
    values = following(4 * MINUTE, 4, before)
    at = slice(7000, 7400)
    values[at] = following(400, 4, within, seed=2)
    (found,) = spans(values)
    assert abs(found.onset - at.start) <= 25
    assert abs(found.offset - at.stop) <= 50
    # channel by channel nothing happened
    energy = build({"kind": "energy"}, RATE_HZ, 4)
    assert energy.update(values) + energy.flush() == []


@pytest.mark.parametrize("change", ["louder", "higher"])
def test_loudness_and_level_are_events_too(change):
    values = following(4 * MINUTE, 3, 0.5)
    if change == "louder":
        values[7000:7400] *= 4
    else:
        values[7000:7400] += 6
    (found,) = spans(values)
    assert abs(found.onset - 7000) <= 25
    assert abs(found.offset - 7400) <= 50


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), powers=st.lists(st.integers(-20, 20), min_size=3))
def test_the_units_of_the_channels_change_no_span(seed, powers):
    values = following(3 * MINUTE, 3, 0.85, seed)
    values[5000:5300, 0] *= -1
    factors = 2.0 ** np.array(powers[:3])
    plain = [(s.onset, s.offset) for s in spans(values)]
    assert len(plain) == 1
    assert [(s.onset, s.offset) for s in spans(values * factors)] == plain


def test_whitening_and_distance_agree_with_numpy():
    values = following(400, 3, 0.7) * [1.0, 50.0, 1e-3] + [0.0, 3.0, -1.0]
    mean, covariance = values.mean(axis=0), np.cov(values.T, bias=True)
    factor = np.zeros(6)
    kernel.factorise(mean, covariance[np.tril_indices(3)], factor)
    believed = covariance * (1 - kernel.SHRINKAGE) + kernel.SHRINKAGE * np.diag(
        np.diag(covariance)
    )
    white = np.linalg.solve(np.linalg.cholesky(believed), (values - mean).T)
    white *= np.sqrt(np.minimum(1, kernel.MOST * 3 / (white**2).sum(axis=0)))
    per_channel = np.zeros((kernel.ROWS, 3))
    per_channel[kernel.MEAN] = mean
    total = np.zeros(6)
    for reading in values:
        kernel.whiten(reading, per_channel, factor, total)
    expected = white @ white.T
    assert total == pytest.approx(expected[np.tril_indices(3)], rel=1e-5)
    parts = np.array([total / 400, 3 * total / 400], np.float32)
    away = np.linalg.norm(2 * expected / 400 - np.eye(3))
    assert kernel.from_unity(parts) == pytest.approx(away, rel=1e-5)


@pytest.mark.parametrize("kind", ["white", "heavy tails", "drift", "together"])
@pytest.mark.parametrize("n_channels", [1, 6])
def test_noise_alone_has_no_events(kind, n_channels):
    n = 120 * MINUTE
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, (n, n_channels))
    if kind == "heavy tails":
        values = rng.standard_t(3, (n, n_channels))
    if kind == "drift":
        values += np.linspace(0, 20, n)[:, None]
    if kind == "together":
        values = following(n, n_channels, 0.95)
    assert spans(values) == []


def test_what_stays_is_learnt_after_the_longest_event():
    values = following(8 * MINUTE, 2, 0.9)
    values[2 * MINUTE :, 1] *= -1
    found = spans(values)
    assert found[0].truncated
    assert found[-1].offset < 5 * MINUTE


def test_more_channels_than_readings_in_a_window_work():
    values = following(2 * MINUTE, 64, 0.3)
    values[5000:5200] *= 5
    assert any(abs(s.onset - 5000) <= 30 for s in spans(values))


def test_more_channels_than_it_can_bear_are_refused():
    with pytest.raises(InvalidDetector, match=r"65 channels.*at most 64"):
        build({"kind": "mahalanobis"}, RATE_HZ, 65)
