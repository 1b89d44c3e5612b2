"""The session's rules, one by one."""

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from app.domain import Channel, Event, Onset, Prediction, Profile, Retraction, event_id
from app.wire.frames import JSON, MSGPACK
from app.wire.session import Accept, Close, End, Limits, Open, Send, Session
from tests.wire.driving import NOW, greet, only, opened, readings, say


def test_hello_opens_and_the_welcome_says_where_to_go_on() -> None:
    session = Session(JSON, Limits())
    hello = say(type="hello", boot="b1", profile="band", unknown_field=1)
    assert session.receive(hello, NOW) == [Open("b1", "band")]
    welcome = msgspec.json.decode(only(greet(session, 41), Send).frame)
    assert welcome["ack"] == 41
    assert welcome["channels"] == ["a", "b"]
    assert welcome["model_version"] is None
    assert welcome["max_readings"] == 1024


def test_readings_without_hello_and_seq_are_numbered_by_the_server() -> None:
    session = Session(JSON, Limits())
    assert session.receive(readings([1, 2]), NOW) == [Open(None, None)]
    assert session.receive(readings([3, 4], [5, 6]), NOW + 1) == []
    _, first, second = greet(session)
    assert first.readings.first_seq == 1
    assert second.readings.first_seq == 2
    third = only(session.receive(readings([7, 8]), NOW), Accept).readings
    assert third.first_seq == 4
    assert third.values.tolist() == [[7, 8]]


def test_what_is_sent_before_the_welcome_waits_for_it() -> None:
    session = Session(JSON, Limits())
    session.receive(say(type="hello", boot="b1"), NOW)
    assert session.receive(readings([1, 2], [3, 4], seq=5), NOW) == []
    assert session.receive(say(type="end"), NOW) == []
    _, accept, end = greet(session, watermark=5)
    assert accept.readings.first_seq == 6
    assert end == End()


def test_too_much_before_the_welcome_is_too_fast() -> None:
    session = Session(JSON, Limits(max_waiting_bytes=100))
    session.receive(say(type="hello", boot="b1"), NOW)
    said = [session.receive(readings([1, 2], seq=1), NOW) for _ in range(3)]
    assert said[0] == []
    assert only(said[1] + said[2], Close).code == 4429
    assert greet(session) == []


def test_after_end_only_resends_are_quietly_dropped() -> None:
    session = opened()
    session.receive(readings([1, 2], seq=1), NOW)
    assert not session.ended
    assert session.receive(say(type="end"), NOW) == [End()]
    assert session.ended
    assert session.receive(readings([1, 2], seq=1), NOW) == []
    assert session.receive(say(type="end"), NOW) == []
    assert only(session.receive(readings([1, 2], seq=2), NOW), Close).code == 4400


REFUSED_AT_FIRST = [
    (readings([1, 2], seq=1), "hello"),
    (say(type="end"), "hello"),
    (say(type="skip", to=4), "hello"),
    (say(type="hello"), "boot"),
    (say(type="hello", boot=""), "boot"),
    (say(type="hello", boot="x" * 65), "65"),
    (say(type="hello", boot="a\x00b"), "boot"),
    (say(type="hello", boot="b", profile="é"), "profile"),
    (say(type="hello", boot=1), "boot"),
    (say(type="welcome"), "type"),
    ('{"boot":"b"}', "type"),
    ("", ""),
    ("null", ""),
    ("[" * 30000, ""),
    ("\ud800", ""),
]


@pytest.mark.parametrize(("frame", "naming"), REFUSED_AT_FIRST)
def test_a_bad_beginning_is_malformed(frame: str, naming: str) -> None:
    close = only(Session(JSON, Limits()).receive(frame, NOW), Close)
    assert close.code == 4400
    assert not close.retry
    assert naming in close.detail
    assert close.detail.isascii()


REFUSED_LATER = [
    (4400, readings([1, 2])),
    (4400, readings([1, 2], seq=0)),
    (4400, readings([1, 2], seq=-1)),
    (4400, readings([1, 2], seq=1.5)),
    (4400, readings([1, 2], seq=True)),
    (4400, readings([1, 2], seq=2**70)),
    (4400, readings(seq=1)),
    (4400, say(type="readings", seq=1)),
    (4400, say(type="readings", seq=1, values=[1, 2])),
    (4400, say(type="readings", seq=1, values="AAAA")),
    (4400, '{"type":"readings","seq":1,"values":[[NaN,1]]}'),
    (4400, say(type="readings", seq=1, values=[["a", True]])),
    (4400, readings([1, 2], seq=1, time="now")),
    (4400, readings([1, 2], seq=1, time=[1.0, 2.0])),
    (4400, readings([1, 2], seq=1, time=[])),
    (4400, say(type="hello", boot="b2")),
    (4400, say(type="skip", to=2**53 + 1, why="x")),
    (4400, say(type="skip", to=5, why="x" * 201)),
    (4400, say(type="skip", to=5, why="\x00")),
    (4410, readings([1], seq=1)),
    (4410, readings([1, 2, 3], seq=1)),
    (4410, readings([1, 2], [1], seq=1)),
    (4410, readings([], seq=1)),
    (1009, readings(*[[1, 2]] * 1025, seq=1)),
    (1009, readings([1, 2], seq=1, junk="x" * 65536)),
]


@pytest.mark.parametrize(("code", "frame"), REFUSED_LATER)
def test_a_broken_rule_closes_with_its_code(code: int, frame: str) -> None:
    close = only(opened().receive(frame, NOW), Close)
    assert close.code == code
    assert close.title
    assert close.detail


def test_a_codec_takes_only_its_own_kind_of_frame() -> None:
    frame = b'{"type":"hello","boot":"b"}'
    close = only(Session(JSON, Limits()).receive(frame, NOW), Close)
    assert "msgpack" in close.detail
    close = only(Session(MSGPACK, Limits()).receive(frame.decode(), NOW), Close)
    assert "json" in close.detail


def test_the_advised_message_size_fits_the_largest_message() -> None:
    wide = Profile("wide", tuple(Channel(f"c{i}") for i in range(256)), rate_hz=1.0)
    session = Session(JSON, Limits())
    session.receive(say(type="hello", boot="b"), NOW)
    (send,) = session.welcome(
        boot="b",
        generation=1,
        watermark=0,
        window=4096,
        profile=wide,
        detector_version=1,
        model_version=3,
    )
    n = msgspec.json.decode(send.frame)["max_readings"]
    assert n >= 1
    worst = readings(*[[-1.2345678901234567e-300] * 256] * n, seq=1, time=[1e9] * n)
    assert only(session.receive(worst, NOW), Accept)


def test_what_the_server_says_has_the_fields_of_the_contract() -> None:
    session = Session(JSON, Limits())
    at = datetime(2026, 11, 20, 8, tzinfo=UTC)
    event = event_id("d", "b", 5, 1)
    window = np.zeros((3, 2), np.float32)
    ended = Event(event, "d", "b", "band", 1, 5, 8, at, at, 2.5, window, flags=("gap",))
    said = Prediction("fist", 0.9, ("fist", "rest"), (0.9, 0.1), False, 7, "abc")
    frames = [
        session.ack(12),
        session.onset(Onset(event, 5, at)),
        session.prediction(event, said, provisional=True),
        session.event(ended),
        session.retract(Retraction(event)),
        session.error(Close(4400, "malformed", "because", False)),
    ]
    ack, onset, prediction, over, retract, error = map(msgspec.json.decode, frames)
    when = "2026-11-20T08:00:00.000000Z"
    assert ack == {"type": "ack", "ack": 12}
    assert onset == {
        "type": "onset",
        "event": str(event),
        "onset_seq": 5,
        "onset": when,
    }
    assert prediction["label"] == "fist"
    assert prediction["provisional"] is True
    assert over["offset_seq"] == 8
    assert over["flags"] == ["gap"]
    assert retract == {"type": "retract", "event": str(event)}
    assert error["retry"] is False


def test_welcome_belongs_after_open_only() -> None:
    with pytest.raises(RuntimeError, match="fresh"):
        greet(Session(JSON, Limits()))
    with pytest.raises(RuntimeError, match="streaming"):
        greet(opened())
