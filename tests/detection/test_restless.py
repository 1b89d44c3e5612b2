"""Streams that are never quiet: wandering noise is none's event, what stands out is."""

import numpy as np
import pytest
from scipy.signal import lfilter

from app.detection import build, restless
from app.detection.energy_block import LONG, MEMORY

RATE_HZ = 50.0


def wandering(seconds_long, n, n_channels, seed=3):
    """First-order noise of standard deviation 1."""
    pole = 1 - 1 / (RATE_HZ * seconds_long)
    white = np.random.default_rng(seed).normal(0, 1, (n, n_channels))
    return lfilter([np.sqrt(1 - pole * pole)], [1, -pole], white, axis=0)


def found(values):
    detector = build({"kind": "energy"}, RATE_HZ, values.shape[1])
    return detector.update(values) + detector.flush()


@pytest.mark.parametrize("n_channels", [1, 6])
@pytest.mark.parametrize("seconds_long", [0.4, 2.0, 20.0])
def test_noise_that_wanders_has_one_event_at_most(seconds_long, n_channels):
    n = int(4 * 3600 * RATE_HZ)
    spans = found(wandering(seconds_long, n, n_channels))
    assert len(spans) <= 1


def test_loudness_that_wanders_has_few_events():
    n = int(4 * 3600 * RATE_HZ)
    loudness = np.exp(0.5 * wandering(10.0, n, 1, seed=4))
    white = np.random.default_rng(5).normal(0, 1, (n, 6))
    assert len(found(white * loudness)) <= 1


@pytest.mark.parametrize("n_channels", [1, 6])
def test_hum_that_folds_to_a_slow_wave_has_one_event_at_most(n_channels):
    n = int(4 * 3600 * RATE_HZ)
    white = np.random.default_rng(8).normal(0, 1, (n, n_channels))
    hum = np.sin(2 * np.pi * 49.7 / RATE_HZ * np.arange(n))[:, None]
    assert len(found(white + 2 * hum)) <= 1


def test_a_level_that_stays_elsewhere_in_a_restless_stream_becomes_usual():
    n = int(7200 * RATE_HZ)
    values = wandering(1.0, n, 2, seed=9)
    values[n // 2 :] += 30
    spans = [span for span in found(values) if span.onset >= n // 2 - RATE_HZ]
    assert 1 <= len(spans) <= 3


def test_what_stands_out_of_a_stream_that_is_never_quiet_is_found():
    n = int(1200 * RATE_HZ)
    values = wandering(1.0, n, 6) + np.random.default_rng(6).normal(0, 1, (n, 6))
    onsets = np.arange(int(300 * RATE_HZ), n - 1000, int(60 * RATE_HZ))
    bump = 9 * np.hanning(int(4 * RATE_HZ))
    for k, onset in enumerate(onsets):
        values[onset : onset + len(bump), k % 6] += bump
    spans = [span for span in found(values) if span.onset > 290 * RATE_HZ]
    hits = [
        onset
        for onset in onsets
        if any(abs(span.onset - onset) < RATE_HZ for span in spans)
    ]
    assert len(hits) >= 0.9 * len(onsets)
    assert len(spans) <= len(hits) + 2


@pytest.mark.parametrize("duty", [0.02, 0.3, 0.5])
def test_a_stream_with_a_quiet_state_is_not_restless(duty):
    n = int(600 * RATE_HZ)
    values = np.random.default_rng(7).normal(0, 1, (n, 3))
    values[np.arange(n) % int(10 * RATE_HZ) < duty * 10 * RATE_HZ] *= 6
    detector = build({"kind": "energy"}, RATE_HZ, 3)
    beliefs = []
    for at in range(0, n, 500):
        detector.update(values[at : at + 500])
        beliefs.append(detector._ints[LONG + restless.RESTLESS])
    assert not any(beliefs)


def test_a_stream_that_comes_to_rest_is_none_the_worse():
    n = int(600 * RATE_HZ)
    white = np.random.default_rng(10).normal(0, 1, (2 * n, 2))
    white[:n] = wandering(1.0, n, 2)
    detector = build({"kind": "energy"}, RATE_HZ, 2)
    beliefs = []
    for at in range(0, 2 * n, 500):
        detector.update(white[at : at + 500])
        beliefs.append(bool(detector._ints[LONG + restless.RESTLESS]))
    assert any(beliefs[: n // 500])
    assert not beliefs[-1]
    assert detector._floats[MEMORY + restless.AWAY] == 0.0
    assert detector.open_onset is None


def test_median_and_deviation_are_followed_in_spite_of_a_third_of_outliers():
    rng = np.random.default_rng(8)
    usual = spread = 0.0
    kept = []
    for k in range(4000):
        value = 50.0 if rng.random() < 0.3 else rng.normal(5, 2)
        usual, spread = restless.follow(
            value, max(0.01, 1 / (k + 2)), usual, spread, False
        )
        kept.append((usual, spread))
    middle, deviation = np.median(kept[1000:], axis=0)
    # the 71st percentile of what is normal, for a median of all
    assert middle == pytest.approx(5 + 2 * 0.566, abs=0.4)
    assert 1.4826 * deviation < 8


def test_one_heap_of_levels_is_restless_and_two_heaps_are_not():
    rng = np.random.default_rng(9)
    for levels, expected in (
        (np.exp(rng.normal(0, 0.5, 40)), 1),
        (np.exp(np.append(rng.normal(0, 0.1, 24), rng.normal(2, 0.3, 16))), 0),
        (np.exp(rng.normal(0, 0.02, 40)), 0),
    ):
        slots = np.zeros(restless.INTS, np.int64)
        for _ in range(restless.SURE):
            restless.judge(np.sort(levels).astype(np.float32), 0.05, slots)
        assert slots[restless.RESTLESS] == expected
