"""The quick way of reading JSON gives what the careful one gives, bit by bit."""

import json
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.wire.frames import JSON
from app.wire.messages import Readings
from app.wire.quick import Parsed, QuickJson, rows
from app.wire.values import WrongShape, from_rows

quick = QuickJson()

digits = st.text("0123456789", min_size=1, max_size=20).map(
    lambda said: said.lstrip("0") or "0"
)
decimals = st.builds(
    lambda sign, whole, part, power: sign + whole + part + power,
    st.sampled_from(["", "-"]),
    digits,
    st.text("0123456789", max_size=20).map(lambda said: "." + said if said else ""),
    st.builds("e{}{}".format, st.sampled_from(["", "+", "-"]), st.integers(0, 60))
    | st.just(""),
)
halfway = st.integers(0x00800000, 0x7F000000).map(
    # between two neighbouring float32, where the last digit decides
    lambda bits: repr(
        (float(np.uint32(bits).view(np.float32)) / 2)
        + (float(np.uint32(bits + 1).view(np.float32)) / 2)
    )
)
numbers = (
    decimals | halfway | st.floats(allow_nan=False, allow_infinity=False).map(repr)
)
spaces = st.sampled_from(["", " ", "  ", "\t", "\n"])
texts = st.lists(st.lists(numbers | st.just("null"), max_size=3), max_size=4)


def said(values: str) -> str:
    return f'{{"type":"readings","seq":1,"values":{values}}}'


def carefully(frame: str):
    """What the codec that explains makes of a frame: bytes, or what is wrong."""
    try:
        message = JSON.decode(frame)
        assert isinstance(message, Readings)
        if not message.values or not isinstance(message.values, list):
            return message
        return from_rows(message.values, max(map(len, message.values))).tobytes()
    except (InvalidInput, WrongShape, struct.error) as fault:
        return str(fault)


def quickly(frame: str):
    try:
        message = quick.decode(frame)
    except InvalidInput as fault:
        return str(fault)
    if isinstance(message, Parsed):
        return message.values.tobytes()
    return carefully(frame)


@settings(max_examples=400, deadline=None)
@given(texts, spaces)
@example([["0.1", "-0.0", "16777217"]], "")
@example([["-0", "-0.0"]], "")
@example([["1" + 19 * "0", "0.00" + 19 * "1", 25 * "9"]], "")
@example([["1e400"]], "")
@example([["0.12345678901234567890123"]], " ")
@example([["1", "2"], ["3"]], "")
@example([[]], "")
def test_quick_and_careful_give_the_same_bits(table, space):
    joined = f",{space}".join(f"[{f',{space}'.join(row)}]" for row in table)
    frame = said(f"[{space}{joined}{space}]")
    assert quickly(frame) == carefully(frame)


@settings(max_examples=300, deadline=None)
@given(st.text('[]{},.-+eE0123456789nul" ', max_size=24))
def test_whatever_values_are_both_say_the_same_of_it(values):
    assert quickly(said(values)) == carefully(said(values))


@pytest.mark.parametrize(
    "values",
    [
        [[0.1, -0.25, 3]],
        [[1.5, None], [2e-3, 4]],
        np.random.default_rng(0).normal(0, 1, (50, 6)).tolist(),
        np.random.default_rng(0).normal(0, 1, (50, 6)).astype("f4").tolist(),
    ],
)
def test_what_devices_send_is_read_quickly(values):
    for form in (json.dumps(values), json.dumps(values, separators=(",", ":"))):
        message = quick.decode(said(form))
        assert isinstance(message, Parsed)
        want = np.array(values, dtype=float).astype(np.float32)
        assert np.array_equal(message.values, want, equal_nan=True)


def test_rows_of_different_lengths_are_not_read_quickly():
    assert rows(b"[[1,2],[3]]") is None
    assert rows(b"[1,2]") is None
    assert rows(b"[[[1]]]") is None
