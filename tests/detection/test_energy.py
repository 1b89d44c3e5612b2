"""The default detector: quiet on noise, whatever its scale; long events stay whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection import DEFAULT_SETTINGS, baseline, build

RATE_HZ = 50.0
MINUTE = int(60 * RATE_HZ)


def spans(values, rate_hz=RATE_HZ, **more):
    settings = {**DEFAULT_SETTINGS, **more}
    detector = build(settings, rate_hz, values.shape[1])
    return detector.update(values) + detector.flush()


def noise(kind, n, n_channels, seed=5):
    rng = np.random.default_rng(seed)
    white = rng.normal(0, 1, (n, n_channels))
    if kind == "heavy tails":
        return rng.standard_t(3, (n, n_channels))
    if kind == "amplitude":
        return np.abs(white)
    if kind == "drift":
        return white + np.linspace(0, 100, n)[:, None]
    if kind == "waves":
        return white + 20 * np.sin(np.arange(n) / RATE_HZ * 2 * np.pi / 900)[:, None]
    if kind == "pink":
        spectrum = np.fft.rfft(white, axis=0)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))[:, None]
        return np.fft.irfft(spectrum, n, axis=0)
    return white


@pytest.mark.parametrize("n_channels", [1, 3, 8])
@pytest.mark.parametrize(
    "kind", ["white", "heavy tails", "amplitude", "drift", "waves", "pink"]
)
def test_noise_alone_has_next_to_no_events(kind, n_channels):
    # two hours
    found = spans(noise(kind, 120 * MINUTE, n_channels))
    assert len(found) <= (2 if kind == "pink" else 0)


@settings(max_examples=20, deadline=None)
@given(
    scale=st.sampled_from([1e-9, 1e-3, 7.0, 1e6]),
    seed=st.integers(0, 1000),
    offset=st.sampled_from([0.0, -3.0, 100.0]),
)
def test_neither_unit_nor_offset_matter(scale, seed, offset):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (3 * MINUTE, 2))
    values[5000:5200] *= 10
    plain = spans(values)
    assert len(plain) == 1
    moved = spans((values + offset) * scale)
    assert [(s.onset, s.offset) for s in moved] == [(s.onset, s.offset) for s in plain]


def test_channels_of_any_scale_count_alike():
    values = np.random.default_rng(2).normal(0, 1, (3 * MINUTE, 4))
    values[5000:5200] *= 6
    scaled = values * np.array([1e-6, 1.0, 1e3, 1e6])
    assert [(s.onset, s.offset) for s in spans(scaled)] == [
        (s.onset, s.offset) for s in spans(values)
    ]


@pytest.mark.parametrize("seconds", [2, 10, 30, 55])
@pytest.mark.parametrize("every", [15, 120])
@pytest.mark.parametrize("kind", ["louder", "higher"])
def test_events_of_any_length_stay_whole(kind, seconds, every):
    values = np.random.default_rng(3).normal(0, 1, (10 * MINUTE, 4))
    truth = []
    at = 30 * 50
    while at + (seconds + every) * 50 < len(values):
        end = at + seconds * 50
        if kind == "louder":
            values[at:end] *= 8
        else:
            values[at:end] += 15
        truth.append((at, end))
        at = end + every * 50
    found = spans(values)
    assert len(found) == len(truth)
    for span, (onset, offset) in zip(found, truth, strict=True):
        assert abs(span.onset - onset) <= 25
        assert abs(span.offset - offset) <= 25


def test_a_level_that_stays_is_learnt_after_the_longest_event():
    values = np.random.default_rng(4).normal(0, 1, (10 * MINUTE, 2))
    values[2 * MINUTE :] += 20
    found = spans(values)
    assert found[0].truncated
    assert found[0].offset - found[0].onset == MINUTE
    # within one baseline it is the new normal
    assert found[-1].offset < 4 * MINUTE


def test_a_slow_stream_works_in_readings():
    values = np.random.default_rng(6).normal(20, 1, (2000, 3))
    values[1500:1530] += 15
    (found,) = spans(values, rate_hz=1.0)
    assert abs(found.onset - 1500) <= 1
    assert abs(found.offset - 1530) <= 1


def test_an_event_out_of_dead_silence_is_found():
    values = np.zeros((2 * MINUTE, 1))
    values[3000:3200] = 2300.0
    (found,) = spans(values)
    assert abs(found.onset - 3000) <= 15
    assert abs(found.offset - 3200) <= 15


def test_one_wild_reading_is_forgotten():
    values = np.random.default_rng(7).normal(0, 1, (6 * MINUTE, 2))
    values[3000] = 3e38
    values[12_000:12_200] *= 8
    found = [s for s in spans(values) if s.onset > 4000]
    assert len(found) == 1
    assert abs(found[0].onset - 12_000) <= 15


@pytest.mark.parametrize("n", [1, 2, 16, 40])
def test_sorting_by_ranks_is_sorting(n):
    values = np.random.default_rng(n).integers(0, 9, n).astype(float)
    ordered = np.empty(n)
    baseline.sort(values, np.empty(n, np.int64), ordered)
    assert ordered.tolist() == sorted(values.tolist())
