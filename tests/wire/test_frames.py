"""No frame, however hostile, gets anything but a close with a meaning."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import Channel, Profile
from app.wire.closes import CLOSES
from app.wire.frames import JSON, MSGPACK, SUBPROTOCOLS, Codec
from app.wire.session import Accept, Close, End, Limits, Open, Session, Skip

PROFILE = Profile("p", (Channel("a"), Channel("b")), rate_hz=10.0)

hostile = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "seq", "values", "x"]), inner)
    ),
    max_leaves=12,
)
numbers = st.none() | st.floats(width=32) | st.integers(-(2**40), 2**40)
nearly = st.fixed_dictionaries(
    {"type": st.sampled_from(["hello", "readings", "skip", "end"]) | hostile},
    optional={
        "boot": st.text(max_size=3) | hostile,
        "profile": st.text(max_size=3) | hostile,
        "seq": st.integers(-1, 9) | hostile,
        "values": st.lists(st.lists(numbers, min_size=2, max_size=2)) | hostile,
        "time": st.floats() | st.lists(st.floats(), max_size=3) | hostile,
        "to": st.integers(-1, 9) | hostile,
        "why": st.text(max_size=3) | hostile,
    },
)


def encode(message: object, codec: Codec) -> str | bytes:
    try:
        if codec.text:
            return msgspec.json.encode(message).decode()
        return msgspec.msgpack.encode(message)
    except (OverflowError, UnicodeError):
        return "" if codec.text else b""


def drive(codec: Codec, frames: list[str | bytes]) -> None:
    """Play the server's shell: welcome after Open, stop after Close."""
    session = Session(codec, Limits())
    for frame in frames:
        actions = session.receive(frame, 1e9)
        if any(isinstance(action, Open) for action in actions):
            actions += session.welcome(
                boot="b",
                generation=1,
                watermark=0,
                window=64,
                profile=PROFILE,
                detector_version=1,
                model_version=None,
            )
        for action in actions:
            if isinstance(action, Close):
                assert action.code in CLOSES
                assert session.error(action)
            if isinstance(action, Accept):
                assert action.readings.values.shape[1] == PROFILE.n_channels
            if isinstance(action, Skip | End):
                assert action is actions[-1]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(nearly | hostile, max_size=5), st.sampled_from([JSON, MSGPACK]))
def test_nearly_right_messages_never_raise(
    messages: list[object], codec: Codec
) -> None:
    drive(codec, [encode(message, codec) for message in messages])


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.text() | st.binary(), max_size=4), st.sampled_from([JSON, MSGPACK]))
def test_random_frames_never_raise(frames: list[str | bytes], codec: Codec) -> None:
    drive(codec, frames)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(nearly, st.data(), st.sampled_from([JSON, MSGPACK]))
def test_mutated_bytes_never_raise(
    message: object, data: st.DataObject, codec: Codec
) -> None:
    whole = encode(message, codec)
    frame = bytearray(whole.encode() if isinstance(whole, str) else whole)
    for _ in range(data.draw(st.integers(1, 4))):
        if frame:
            index = data.draw(st.integers(0, len(frame) - 1))
            frame[index] ^= 1 << data.draw(st.integers(0, 7))
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    hello = encode({"type": "hello", "boot": "b"}, codec)
    for mutated in (bytes(frame), cut):
        text = mutated.decode("utf-8", "surrogateescape")
        drive(codec, [hello, text if codec.text else mutated])


def test_both_codecs_read_what_they_write() -> None:
    for codec in SUBPROTOCOLS.values():
        hello = msgspec.convert({"type": "hello", "boot": "b"}, type=type(_hello()))
        assert codec.decode(codec.encode_device(hello)) == hello
        frame = Session(codec, Limits()).ack(7)
        assert isinstance(frame, str) is codec.text
        assert codec.decode_server(frame).ack == 7


def _hello() -> object:
    return JSON.decode('{"type":"hello","boot":"b"}')
