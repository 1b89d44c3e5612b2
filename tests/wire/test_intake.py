"""The numbering of readings, their values and their times."""

import math
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from app.wire.frames import JSON, MSGPACK
from app.wire.session import Accept, Close, Limits, Session, Skip
from tests.wire.driving import NOW, greet, only, opened, readings, say


@pytest.mark.parametrize(
    ("seq", "n", "accepted"),
    [(6, 3, (6, 3)), (4, 2, None), (4, 3, (6, 1)), (1, 9, (6, 4)), (5, 1, None)],
)
def test_what_was_received_before_is_cut_off(
    seq: int, n: int, accepted: tuple[int, int] | None
) -> None:
    session = opened(watermark=5)
    rows = [[float(seq + i), 0.0] for i in range(n)]
    actions = session.receive(readings(*rows, seq=seq, time=100.0), NOW)
    if accepted is None:
        assert actions == []
    else:
        got = only(actions, Accept).readings
        assert (got.first_seq, len(got)) == accepted
        assert got.values[:, 0].tolist() == list(range(6, 6 + len(got)))
        assert got.times == pytest.approx(100.0 + (got.values[:, 0] - seq) / 10.0)


def test_a_gap_must_be_announced() -> None:
    session = opened(watermark=5)
    assert session.receive(say(type="skip", to=9, why="overflow"), NOW) == [
        Skip(9, "overflow")
    ]
    assert only(session.receive(readings([1, 2], seq=9), NOW), Accept)
    close = only(session.receive(readings([1, 2], seq=11), NOW), Close)
    assert close.code == 4408
    assert "seq=11" in close.detail
    assert "10" in close.detail
    assert session.receive(readings([1, 2], seq=10), NOW) == [], "deaf after a close"


def test_a_skip_that_was_received_before_is_dropped() -> None:
    session = opened(watermark=9)
    assert session.receive(say(type="skip", to=10, why="overflow"), NOW) == []
    assert session.receive(say(type="skip", to=3, why="overflow"), NOW) == []


def test_numbered_and_unnumbered_never_mix() -> None:
    session = Session(JSON, Limits())
    session.receive(readings([1, 2]), NOW)
    greet(session)
    close = only(session.receive(readings([1, 2], seq=2), NOW), Close)
    assert close.code == 4400
    assert "seq=2" in close.detail


def test_missing_values_are_nan_and_overflow_is_infinity() -> None:
    frame = '{"type":"readings","seq":1,"values":[[null,1e300],[-1e300,1e-300]]}'
    values = only(opened().receive(frame, NOW), Accept).readings.values
    assert values.dtype == np.float32
    assert math.isnan(values[0, 0])
    assert values[:, 1].tolist() == [math.inf, 0.0]
    assert values[1, 0] == -math.inf


def test_a_block_of_float32_gives_the_same_as_rows() -> None:
    rows = np.array([[0.1, math.nan], [3.0, -4.5]], dtype=np.float32)
    block = {"type": "readings", "seq": 1, "values": rows.tobytes(), "time": 5}
    listed = {"type": "readings", "seq": 1, "values": rows.tolist(), "time": [5, 5.1]}
    got = [
        only(opened(codec=MSGPACK).receive(msgspec.msgpack.encode(m), NOW), Accept)
        for m in (block, listed)
    ]
    for accept in got:
        assert accept.readings.values.tobytes() == rows.tobytes()
        assert accept.readings.times.tolist() == [5.0, 5.1]
    cut = {**block, "values": rows.tobytes()[:-4]}
    close = opened(codec=MSGPACK).receive(msgspec.msgpack.encode(cut), NOW)
    assert only(close, Close).code == 4410


def test_readings_without_a_time_are_spaced_back_from_their_arrival() -> None:
    got = only(opened().receive(readings(*[[1, 2]] * 3, seq=1), NOW), Accept).readings
    assert not got.device_times
    assert got.times == pytest.approx([NOW - 0.2, NOW - 0.1, NOW])


@pytest.mark.parametrize("time", [-1.0, 1e300, [math.nan, 1.0], [5.0, -math.inf]])
def test_a_broken_clock_is_clamped_and_costs_no_reading(
    time: float | list[float],
) -> None:
    frame = msgspec.msgpack.encode(
        {"type": "readings", "seq": 1, "values": [[1.0, 2.0]] * 2, "time": time}
    )
    got = only(opened(codec=MSGPACK).receive(frame, NOW), Accept).readings
    assert got.device_times
    for at in got.times:
        datetime.fromtimestamp(at, UTC)


def test_a_block_of_another_width_is_refused_where_it_says_its_size() -> None:
    wide = np.zeros((50, 4), "<f4").tobytes()  # the profile has two channels
    said = {"type": "readings", "seq": 1, "values": wide}
    for n, kind in ((50, Close), (100, Accept)):
        frame = msgspec.msgpack.encode({**said, "n": n})
        action = only(opened(codec=MSGPACK).receive(frame, NOW), kind)
        assert n == 100 or action.code == 4410
