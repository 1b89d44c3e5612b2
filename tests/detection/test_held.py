import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection.held import HeldReadings


def filled(n, n_channels=2):
    held = HeldReadings(n_channels)
    values = np.arange(n * n_channels, dtype=np.float32).reshape(n, n_channels)
    held.clear(0, np.zeros(n_channels, np.float32))
    held.put(values, np.arange(float(n)), np.array([3], np.int64))
    return held, values


def test_what_is_put_in_comes_out_by_index():
    held, values = filled(100)
    got, times = held.raw(10, 20)
    assert np.array_equal(got, values[10:20])
    assert times.tolist() == list(range(10, 20))
    assert held.time(42) == 42.0
    assert held.jumps(0, 100).tolist() == [3]


@settings(deadline=None)
@given(st.lists(st.integers(1, 300), max_size=20))
def test_dropping_and_growing_lose_nothing_that_is_kept(sizes):
    held, at = HeldReadings(1), 0
    for n in sizes:
        if held.full(n):
            held.drop(max(0, at - 50))
        held.put(
            np.arange(at, at + n, dtype=np.float32)[:, None],
            np.arange(at, at + n, dtype=float),
            np.zeros(0, np.int64),
        )
        at += n
        first = max(held.first, at - 50)
        assert held.raw(first, at)[0][:, 0].tolist() == list(range(first, at))
        assert len(held.times) <= 4 * (50 + 300) + 64


def test_missing_values_are_held_even_from_before_what_was_dropped():
    held = HeldReadings(2)
    held.clear(0, np.array([np.nan, 7.0], np.float32))
    values = np.full((6, 2), np.nan, np.float32)
    values[2, 1] = 9.0
    held.put(values, np.zeros(6), np.zeros(0, np.int64))
    cleaned, repaired = held.cleaned(0, 6)
    assert cleaned.tolist() == [[0, 7], [0, 7], [0, 9], [0, 9], [0, 9], [0, 9]]
    assert repaired
    held.drop(4)
    assert held.cleaned(4, 6)[0].tolist() == [[0, 9], [0, 9]]
    assert np.array_equal(held.before(5), [np.nan, 9.0], equal_nan=True)
