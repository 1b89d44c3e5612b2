"""What kernels read of a message is what the careful codec reads, or nothing."""

import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.wire import plain
from app.wire.frames import JSON, MSGPACK
from app.wire.messages import Readings
from app.wire.values import from_block, from_rows

MASK = b"\x05\x00\xff\x31"
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(
    -(10**6), 10**6
)
rows = st.integers(1, 3).flatmap(
    lambda width: st.lists(
        st.lists(numbers | st.none(), min_size=width, max_size=width),
        min_size=1,
        max_size=4,
    )
)
messages = st.fixed_dictionaries(
    {"type": st.just("readings"), "values": rows},
    optional={
        "seq": st.integers(0, 2**54),
        "time": st.floats(0, 1e10) | st.integers(0, 2**31),
        "n": st.integers(1, 4),
        "more": st.booleans(),
    },
)
changes = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3)


def changed(body: bytes, at: list[tuple[int, int]]) -> bytes:
    """Put wrong bytes in."""
    said = bytearray(body)
    for where, byte in at:
        said[where % len(said)] = byte
    return bytes(said)


def read(body: bytes, *, text: bool) -> tuple[int, np.ndarray, np.ndarray]:
    """Read a body as a turn does, out of a masked frame."""
    framed = bytes([plain.TEXT if text else plain.BINARY, 0x80 | 126])
    if len(body) < 126:
        framed = bytes([framed[0], 0x80 | len(body)])
    else:
        framed += len(body).to_bytes(2, "big")
    framed += MASK + bytes(b ^ MASK[i % 4] for i, b in enumerate(body))
    data = np.frombuffer(framed, np.uint8)
    at, size = plain.frame(data, 0, len(data), int(data[0]), 10_000)
    assert (at, size) == (len(framed) - len(body), len(body))
    scratch, block = np.full(10_000, 7, np.uint8), np.zeros(10_000, np.uint8)
    plain.unmask(data, at, size, scratch)
    assert scratch[:size].tobytes() == body
    values, said = np.full(5_000, np.nan), np.zeros(plain.SAID)
    if text:
        n = plain.json_readings(scratch, size, values, said)
        return n, values[: n * int(said[plain.COLUMNS])], said
    n = plain.msgpack_readings(scratch, size, values, said, block)
    return n, values[:n], said


def require_same(n: int, values: Any, said: Any, message: Readings) -> None:
    """Hold what was read against what the codec says."""
    if isinstance(message.values, list):
        expected = from_rows(message.values, len(message.values[0])).ravel()
        assert n == len(message.values)
        assert message.n in (None, n)
    else:
        assert isinstance(message.values, bytes)
        expected = from_block(message.values, 1).ravel()
        assert said[plain.COLUMNS] == (message.n or 0)
    there = ~np.isnan(expected)  # one NaN is as good as another
    assert np.array_equal(np.isnan(values), ~there)
    assert values.astype(np.float32)[there].tobytes() == expected[there].tobytes()
    assert said[plain.SEQ] == (-1 if message.seq is None else message.seq)
    time = math.nan if message.time is None else message.time
    assert np.array_equal([said[plain.TIME]], [time], equal_nan=True)


@settings(deadline=None)  # the first compiles
@given(messages, changes, st.booleans(), st.sampled_from([None, (",", ":")]))
@example({"type": "readings", "values": [[1]], "seq": 2**54}, [], False, None)
def test_a_json_message_is_read_as_the_codec_reads_it_or_left(
    message: dict[str, Any], at: Any, last_first: bool, separators: Any
):
    if last_first:
        message = dict(reversed(message.items()))
    body = changed(json.dumps(message, separators=separators).encode(), at)
    n, values, said = read(body, text=True)
    if n:
        decoded = JSON.decode(body.decode())
        assert isinstance(decoded, Readings)
        require_same(n, values, said, decoded)


@settings(deadline=None)
@given(messages, st.binary(min_size=4, max_size=400), changes)
def test_a_msgpack_message_is_read_as_the_codec_reads_it_or_left(
    message: dict[str, Any], block: bytes, at: Any
):
    message["values"] = block[: len(block) // 4 * 4]
    body = changed(msgspec.msgpack.encode(message), at)
    n, values, said = read(body, text=False)
    if n:
        decoded = MSGPACK.decode(body)
        assert isinstance(decoded, Readings)
        require_same(n, values, said, decoded)


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 8))
def test_bytes_that_mean_nothing_are_left(body: bytes, cut: int):
    for text, codec in ((True, JSON), (False, MSGPACK)):
        n, *_ = read(body or b" ", text=text)
        if n:  # then it meant something
            codec.decode(body.decode() if text else body)
    data = np.frombuffer(b"\x81\x85" + MASK + b"hello"[: cut % 6], np.uint8)
    whole = cut % 6 == 5
    assert (plain.frame(data, 0, len(data), plain.TEXT, 100) == (6, 5)) is whole


@pytest.mark.parametrize(
    "said",
    [
        '{"type":"readings","seq":1,"values":[[1.5,-2e3],[0,0.1]]}',
        '{"type": "readings", "seq": 7, "time": 1732750000.123456, "values": [[1]]}',
        '{"values":[[0.0001]],"n":1,"type":"readings"}',
    ],
)
def test_usual_messages_are_read_by_the_kernel(said: str):
    n, values, found = read(said.encode(), text=True)
    decoded = JSON.decode(said)
    assert n > 0
    assert isinstance(decoded, Readings)
    require_same(n, values, found, decoded)


@pytest.mark.parametrize(
    "said",
    [
        '{"type":"readings","seq":01,"values":[[1]]}',
        '{"type":"readings","seq":1.0,"values":[[1]]}',
        '{"type":"readings","seq":1,"values":[[1.]]}',
        '{"type":"readings","seq":1,"values":[[01]]}',
        '{"type":"readings","seq":1,"values":[[1],[2,3]]}',
        '{"type":"readings","seq":1,"values":[[1]]} x',
        '{"type":"readings","seq":1,"values":[[1]],}',
        '{"type":"readings","seq":1,"values":[[]]}',
        '{"type":"readings","seq":1,"values":[]}',
        '{"type":"readings","seq":1,"seq":2,"values":[[1]]}',
        '{"type":"skip","to":1}',
        '{"seq":1,"values":[[1]]}',
    ],
)
def test_what_is_wrong_or_unusual_is_left_to_the_codec(said: str):
    assert read(said.encode(), text=True)[0] == 0


def test_a_frame_is_left_to_the_reader_unless_it_is_whole_masked_and_final():
    body = b"x" * 200
    usual = bytes([0x81, 0x80 | 126]) + (200).to_bytes(2, "big") + MASK + body
    odd = [
        usual[:-1],
        bytes([0x01]) + usual[1:],
        bytes([0x82]) + usual[1:],
        bytes([0xC1]) + usual[1:],
        usual[:1] + bytes([126]) + usual[2:],
        bytes([0x81, 0x80 | 126]) + (5).to_bytes(2, "big") + MASK + b"hello",
        bytes([0x81, 0x80 | 127]) + (200).to_bytes(8, "big") + MASK + body,
        bytes([0x81, 0x80]) + MASK,
    ]
    for said in odd:
        data = np.frombuffer(said, np.uint8)
        assert plain.frame(data, 0, len(data), plain.TEXT, 10_000) == (0, 0)
    data = np.frombuffer(usual, np.uint8)
    assert plain.frame(data, 0, len(data), plain.TEXT, 10_000) == (8, 200)
    assert plain.frame(data, 0, len(data), plain.TEXT, 199) == (0, 0)
