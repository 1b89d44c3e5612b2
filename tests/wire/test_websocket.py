"""What a client library writes is read; whatever else comes is refused."""

import os
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from app.wire import websocket
from app.wire.websocket import BadFrame, Closed, Ping, Reader

LIMIT = 70_000


def frame(opcode: int, body: bytes, *, fin: bool = True) -> bytes:
    return Frame(Opcode(opcode), body, fin=fin).serialize(mask=True)


def read(data: bytes, limit: int = LIMIT) -> list[websocket.Received]:
    reader = Reader(limit)
    reader.feed(data)
    out = []
    while (one := reader.next()) is not None:
        out.append(one)
    return out


bodies = st.binary(max_size=300) | st.sampled_from([b"x" * 126, b"y" * 66_000])
texts = st.text(max_size=200)
said = st.lists(st.tuples(st.one_of(bodies, texts), st.integers(1, 4)), max_size=5)


@settings(max_examples=200, deadline=None)
@given(said, st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.booleans())
def test_messages_come_out_as_they_went_in_however_they_are_cut(messages, cuts, pings):
    wire, expected = b"", []
    for body, n_parts in messages:
        raw = body.encode() if isinstance(body, str) else body
        opcode = Opcode.TEXT if isinstance(body, str) else Opcode.BINARY
        step = max(1, -(-len(raw) // n_parts))
        parts = [raw[i : i + step] for i in range(0, len(raw), step)] or [b""]
        for i, part in enumerate(parts):
            kind = Opcode.CONT if i else opcode
            wire += frame(kind, part, fin=i == len(parts) - 1)
            if pings:
                wire += frame(Opcode.PING, b"p")
                expected.append(Ping(b"p"))
        place = len(expected) - 1 if pings else len(expected)
        expected.insert(place, body)
    reader, got, at, turn = Reader(LIMIT), [], 0, 0
    while at < len(wire):
        size = cuts[turn % len(cuts)]
        reader.feed(wire[at : at + size])
        at, turn = at + size, turn + 1
        while (one := reader.next()) is not None:
            got.append(one)
    assert got == expected
    assert not reader.unfinished


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01a", 1002),  # no mask
        (b"\xc1\x80\0\0\0\0", 1002),  # a reserved bit
        (b"\x83\x80\0\0\0\0", 1002),  # a reserved opcode
        (b"\x8b\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),  # a continuation of nothing
        (b"\x09\x80\0\0\0\0", 1002),  # a control frame in pieces
        (b"\x89\xfe\x00\x7e", 1002),  # a long one
        (b"\x81\xfe\x00\x05", 1002),  # a length in more bytes than it needs
        (b"\x81\xff" + bytes(7) + b"\x05", 1002),
        (b"\x81\xff\x80" + bytes(7), 1002),  # a negative one
        (b"\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b", 1002),  # a message within one
        (frame(1, b"\xff"), 1007),
        (frame(1, b"\xc3", fin=False) + frame(0, b"("), 1007),
        (frame(8, b"\x03"), 1002),
        (frame(8, b"\x03\xed"), 1002),  # 1005 is never sent
        (frame(8, b"\x07\xd0"), 1002),
        (frame(8, b"\x03\xe8\xff"), 1007),
        (b"\x82\xff" + (LIMIT + 1).to_bytes(8, "big"), 1009),
        (frame(2, b"x" * LIMIT, fin=False) + b"\x80\x81", 1009),
    ],
    ids=map(str, range(19)),  # masks differ from run to run
)
def test_what_breaks_the_framing_is_refused_with_its_code(data, code):
    with pytest.raises(BadFrame) as bad:
        read(data)
    assert bad.value.code == code


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 399), st.integers(0, 255))
def test_no_bytes_do_anything_but_be_read_or_refused(noise, at, byte):
    wire = bytearray(frame(1, noise.hex().encode()) + frame(9, b"") + frame(2, noise))
    wire[at % len(wire)] = byte
    for data in (bytes(wire), noise):
        with suppress(BadFrame):
            read(data)


def test_a_peer_keeps_no_more_than_a_message():
    reader = Reader(1000)
    for _ in range(100_000):  # empty pieces are free, and must stay so
        reader.feed(frame(0 if reader.unfinished else 1, b"", fin=False))
        assert reader.next() is None
    assert reader.unfinished
    assert len(reader._buffer) + len(reader._parts) == 0


@pytest.mark.parametrize("code", [1000, 1001, 1014, 3000, 4999, None])
def test_a_close_gives_its_code(code):
    body = b"" if code is None else Close(code, "bye").serialize()
    assert read(frame(8, body)) == [Closed(code or 1005)]


@settings(deadline=None)
@given(
    st.sampled_from([1, 2, 8, 9]),
    st.binary(max_size=200) | st.integers(120, 140).map(bytes),
    st.booleans(),
    st.binary(max_size=2),
)
def test_what_is_read_at_once_is_what_is_read_in_pieces(opcode, body, fin, more):
    if opcode > 2:
        fin, body = True, body[:125]
    data = frame(opcode, body, fin=fin) + more
    at_once = Reader(LIMIT).whole(data)
    usual = opcode <= 2 and fin and body and not more
    if opcode == 1 and usual:
        usual = body.isascii() or body.decode(errors="ignore").encode() == body
    assert (at_once is not None) == bool(usual)
    if at_once is not None:
        assert read(data) == [at_once]


def test_nothing_is_read_at_once_in_the_middle_of_something_else():
    reader = Reader(LIMIT)
    reader.feed(frame(1, b"a", fin=False))
    assert reader.next() is None
    assert reader.whole(frame(1, b"b")) is None
    reader = Reader(LIMIT)
    reader.feed(b"\x81")
    assert reader.whole(frame(1, b"b")) is None
    assert Reader(10).whole(frame(2, bytes(11))) is None


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_what_is_written_has_the_shortest_length_there_is(size):
    body = os.urandom(size)
    written = websocket.message(body)
    head = 2 if size < 126 else 4 if size < 65_536 else 10
    assert written[0] == 0x82
    assert written[head:] == body
    assert int.from_bytes(written[2:head] or written[1:2], "big") == size


@pytest.mark.parametrize("key", [b"", b"AAAA", b"!" * 24, b"x" * 200])
def test_a_key_that_is_none_is_not_accepted(key):
    assert websocket.accept(key) is None
