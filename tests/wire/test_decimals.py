"""Numbers that kernels read are Python's, to the last bit."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.wire.numbers import decimal

digits = st.integers(0, 10**19 - 1).map(str)
powers = st.integers(-36, 36)
halfway = st.builds(
    # between two neighbouring float64, where the last digit decides
    lambda bits, shift, off: str((2 * (2**52 + bits) + 1 << shift) + off),
    st.integers(0, 2**52 - 1),
    st.integers(0, 9),
    st.sampled_from([-1, 0, 1]),
)


def read(said: str) -> tuple[int, float]:
    return decimal(np.frombuffer(said.encode() + b",\0", np.uint8), 0)


@settings(max_examples=500, deadline=None)
@given(digits, st.integers(0, 19), powers)
@example("9007199254740993", 0, 0)
@example("9223372036854775807", 19, -36)
@example("9999999999999999999", 0, 36)
@example("17976931348623157", 1, 22)
def test_up_to_nineteen_digits_and_any_usual_power_are_pythons(
    whole: str, point: int, power: int
):
    point = max(1, len(whole) - point)
    said = whole[:point] + ("." + whole[point:] if whole[point:] else "")
    said += f"e{power}"
    assert read(said) == (len(said), float(said))
    if float(said) > 0:
        assert read(f"-{said}") == (len(said) + 1, -float(said))


@settings(max_examples=300, deadline=None)
@given(halfway)
def test_half_way_between_two_numbers_the_even_one_is_nearest(said: str):
    assert read(said) == (len(said), float(said))


@settings(max_examples=300, deadline=None)
@given(st.floats(1e-30, 1e30))
def test_whatever_python_writes_is_read_back(value: float):
    assert read(repr(value))[1] == value


@pytest.mark.parametrize("time", [1732750000.123456, 1732750000.1234567, 1e9 + 2**-22])
def test_a_clock_of_microseconds_and_finer_is_exact(time: float):
    assert read(repr(time)) == (len(repr(time)), time)


@pytest.mark.parametrize("said", ["12345678901234567890", "1e56", "1.5e-55", "-0.0"])
def test_what_is_longer_or_further_out_is_left_to_the_codec(said: str):
    assert read(said)[0] == -1
