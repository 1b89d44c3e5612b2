import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app import features
from app.errors import InvalidReadings

GOLDEN = Path(__file__).with_name("features_golden.json")
CHANNELS = ("a", "b", "c")


def window(n: int = 120, channels: int = 3, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(0.3, 1.0, (n, channels)).astype(np.float32)


def named(
    values: np.ndarray, pre_roll: int = 0, post_roll: int = 0
) -> dict[str, float]:
    got = features.extract(values, 50.0, pre_roll, post_roll)
    return dict(zip(features.names(CHANNELS), got.tolist(), strict=True))


def test_code_changed_without_a_new_version_is_noticed():
    """E-07.  If this fails: name a new feature set, then write the new pair here."""
    golden = json.loads(GOLDEN.read_text())
    assert golden == {
        name: features.fingerprint(name) for name in features.FEATURE_SETS
    }


@settings(max_examples=60, deadline=None)
@given(
    values=st.integers(1, 20).flatmap(
        lambda c: st.integers(1, 70).flatmap(
            lambda n: arrays.arrays(
                np.float32,
                (n, c),
                elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
            )
        )
    ),
    pre_roll=st.integers(0, 80),
    post_roll=st.integers(0, 80),
    rate=st.floats(0.01, 10_000),
    of=st.sampled_from(features.FEATURE_SETS),
)
def test_any_finite_window_gives_finite_features_of_fixed_length(
    values, pre_roll, post_roll, rate, of
):
    before = values.copy()
    got = features.extract(values, rate, pre_roll, post_roll, of)
    again = features.extract(values, rate, pre_roll, post_roll, of)
    assert got.dtype == np.float32
    n_channels = values.shape[1]
    assert len(got) == features.width(n_channels, of)
    assert len(got) == len(features.names([str(i) for i in range(n_channels)], of))
    plain = features.extract(values, rate, pre_roll, post_roll)
    assert (got[: len(plain)] == plain).all()
    assert np.isfinite(got).all()
    assert np.abs(got).max() <= features.LARGEST
    assert got.tobytes() == again.tobytes()
    assert (values == before).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 200), st.integers(0, 10_000))
def test_aggregates_equal_an_incremental_computation(n, seed):
    """Welford's one-pass mean and variance; 1e-5 of the largest value is allowed."""
    values = window(n, seed=seed)
    got = named(values)
    for c, name in enumerate(CHANNELS):
        count, mean, second, total, energy = 0, 0.0, 0.0, 0.0, 0.0
        low, high = np.inf, -np.inf
        for v in values[:, c].astype(float):
            count += 1
            step = v - mean
            mean += step / count
            second += step * (v - mean)
            total, energy = total + v, energy + v * v
            low, high = min(low, v), max(high, v)
        expected = {"mean": mean, "min": low, "max": high, "count": count}
        expected |= {"std": (second / count) ** 0.5, "sum": total, "energy": energy}
        for feature, value in expected.items():
            assert got[f"{name}.{feature}"] == pytest.approx(value, rel=1e-5, abs=1e-5)


def test_quantiles_correlations_and_moments_equal_those_of_numpy():
    values = window()
    got = named(values)
    body = values.astype(float)
    assert got["b.q25"] == pytest.approx(np.quantile(body[:, 1], 0.25), rel=1e-5)
    expected = np.corrcoef(body.T)[0, 2]
    assert got["a*c.correlation"] == pytest.approx(expected, abs=1e-6)
    second = body.T @ body / len(body)
    second += np.eye(3) * 1e-3 * np.trace(second) / 3
    value, vector = np.linalg.eigh(second)
    logarithm = (vector * np.log(value)) @ vector.T
    assert got["a*b.log_moment"] == pytest.approx(logarithm[0, 1], abs=1e-5)
    assert got["c*c.log_moment"] == pytest.approx(logarithm[2, 2], abs=1e-5)


@pytest.mark.parametrize("rate", [10.0, 50.0, 2000.0])
def test_a_sine_lies_in_its_octave_and_at_its_frequency_whatever_the_rate(rate):
    tone = 0.1 * rate  # between an eighth and a quarter of half the rate: octave 3
    t = np.arange(500) / rate
    values = np.sin(2 * np.pi * tone * t)[:, None].repeat(3, 1).astype(np.float32)
    got = dict(
        zip(features.names(CHANNELS), features.extract(values, rate), strict=True)
    )
    loudest = max(range(1, 8), key=lambda k: got[f"a.octave{k}"])
    assert loudest == 3
    assert got["a.centroid"] == pytest.approx(tone, rel=0.05)
    assert got["a.crossings"] == pytest.approx(2 * tone, rel=0.05)


def test_pre_roll_is_compared_with_and_the_post_roll_is_not_looked_at():
    quiet, loud = window(40) * 0.01, window(60, seed=1)
    got = named(np.concatenate((quiet, loud)), pre_roll=40)
    assert got["a.gain"] > 5
    assert got["a.count"] == 60
    tail = np.concatenate((quiet, loud, window(20, seed=2) * 100))
    assert named(tail, pre_roll=40, post_roll=20) == got
    assert named(loud)["a.gain"] == 0


def test_a_constant_channel_has_no_shape_that_rounding_invents():
    values = np.full((50, 3), 0.1, dtype=np.float32)
    got = named(values)
    assert got["a.skew"] == got["a.tails"] == got["a*b.correlation"] == 0
    assert got["a.crossings"] == 0


def test_patterns_are_those_of_a_plain_convolution():
    values = window(90, channels=1)
    got = features.extract(values, 50.0, 0, 0, "v2")
    said = dict(zip(features.names("a", "v2"), got, strict=True))
    kernel = np.full(9, -1.0)
    kernel[[0, 3, 7]] = 2.0
    for dilation in (1, 2, 3):
        padded = np.pad(values[:, 0].astype(float), 4 * dilation, mode="edge")
        y = sum(
            kernel[t] * padded[t * dilation : t * dilation + len(values)]
            for t in range(9)
        )
        size = np.sqrt(np.mean(y**2))
        stem = next(n for n in said if n.startswith(f"pattern037/{dilation}#"))[:-9]
        names = ("log_size", "mostly", "half", "often")
        got = [said[f"{stem}.{name}"] for name in names]
        shares = [np.mean(y > bias * size) for bias in (-0.5, 0.0, 0.5)]
        assert got == pytest.approx([np.log(size), *shares], abs=1e-5)


def test_patterns_of_silence_are_silent_and_long_windows_cost_no_more():
    flat = features.extract(np.full((50, 3), 0.1, np.float32), 50.0, 0, 0, "v2")
    moved = features.extract(np.full((50, 3), 0.1, np.float32), 50.0, 9, 0, "v2")
    plain = features.width(3)
    assert (flat[plain:] == moved[plain:]).all()
    assert set(flat[plain + 1 :: 4]) == {1.0}
    long = np.repeat(window(1000), 8, axis=0)
    short = features.extract(window(1000), 50.0, 0, 0, "v2")
    assert features.extract(long, 50.0, 0, 0, "v2")[plain:] == pytest.approx(
        short[plain:], abs=1e-4
    )


def test_vector_grows_with_the_channels_not_with_their_square():
    few, many = (len(features.names([str(i) for i in range(n)])) for n in (128, 256))
    assert many < 2.1 * few
    assert len(features.extract(window(30, 256), 50.0)) == many


@pytest.mark.parametrize(
    "values",
    [np.zeros((0, 3)), np.zeros((3, 0)), np.zeros(3), np.full((4, 3), np.nan)],
)
def test_windows_that_cannot_be_described_are_refused(values):
    with pytest.raises(InvalidReadings):
        features.extract(values.astype(np.float32), 50.0)


def test_digest_tells_vectors_apart():
    one, other = (
        features.extract(window(), 50.0),
        features.extract(window(seed=1), 50.0),
    )
    assert features.digest(one) == features.digest(one.copy())
    assert features.digest(one) != features.digest(other)
    assert len(features.digest(one)) == 16
