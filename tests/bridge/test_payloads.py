"""What devices say over MQTT, and in which topics."""

import msgspec
import numpy as np
import pytest

from app.bridge.payloads import read
from app.bridge.topics import Topics
from app.errors import InvalidInput, InvalidReadings

BLOCK = np.array([[1, 2], [3, 4]], "<f4").tobytes()


@pytest.mark.parametrize(
    ("payload", "rows"),
    [
        (b"[1, 2]", [[1, 2]]),
        (b"[[1, 2], [3, null]]", [[1, 2], [3, np.nan]]),
        (b'{"values": [[1, 2]], "unit": "mV"}', [[1, 2]]),
        (b'{"type": "readings", "seq": 7, "values": [[1, 2]]}', [[1, 2]]),
        (msgspec.msgpack.encode({"values": [[1.5, 2]]}), [[1.5, 2]]),
        (msgspec.msgpack.encode({"values": BLOCK, "n": 2}), [[1, 2], [3, 4]]),
    ],
)
def test_every_form_gives_its_readings(payload: bytes, rows: list[list[float]]):
    values, times = read(payload).readings(2)
    np.testing.assert_array_equal(values, np.array(rows, np.float32))
    assert times is None


def test_a_number_is_a_reading_of_one_channel_and_a_time_comes_along():
    assert read(b"23.5").readings(1)[0].tolist() == [[23.5]]
    _, times = read(b'{"values": [[1], [2]], "time": [5, 6]}').readings(1)
    assert times is not None
    assert times.tolist() == [5, 6]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "no message"),
        (b"what?", "no message"),
        (b"\xff\xff", "no message"),
        (b'["a"]', "no message"),
        (b"{}", "no `values`"),
        (b'{"type": "hi", "values": 1}', "no message"),
        (b'{"type": "skip"}', "`to`"),
        (b'{"values": 1, "seq": 0}', "1 or more"),
        (b'{"type": "hello", "boot": ""}', "1 to 64"),
        (b"[" * 100_000, "no message"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_its_name(payload: bytes, why: str):
    with pytest.raises(InvalidInput, match=why):
        read(payload)


@pytest.mark.parametrize(
    "payload",
    [b"[1, 2, 3]", b"[[1, 2], [3]]", b"[[1, 2], 3]", b'{"values":[1,2],"time":[1,2]}'],
)
def test_readings_that_do_not_fit_are_refused(payload: bytes):
    with pytest.raises(InvalidReadings):
        read(payload).readings(2)


@pytest.mark.parametrize(
    "pattern", ["a/b", "{device}/{device}", "a/+/{device}", "x{device}"]
)
def test_a_pattern_that_names_no_one_device_is_refused(pattern: str):
    with pytest.raises(InvalidInput):
        Topics(pattern)


def test_a_topic_of_another_kind_is_no_devices():
    topics = Topics("devices/{device}/readings")
    for topic in ("devices//readings", "devices/a/events", "devices/a/b/readings"):
        assert topics.device(topic) is None
