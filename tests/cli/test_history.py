import msgspec
import numpy as np
import pytest

from app.cli.history import MAX_REQUEST_BYTES, batches, rows
from app.errors import InvalidInput
from app.simulate.recording import Recording, Truth


def recording(part: str, *truth: Truth) -> Recording:
    t = np.arange(100) / 10
    values = np.arange(100, dtype=np.float32)[:, None]
    return Recording("d", part, ("x",), 10.0, t, values, truth)


def test_true_events_become_labelled_windows():
    line, *rest = rows("any", [recording("1", Truth(1.0, 1.3, "up"))])
    row = msgspec.json.decode(line)
    assert not rest
    assert row["window"] == [[10.0], [11.0], [12.0]]
    assert (row["profile"], row["device"], row["label"]) == ("any", "d", "up")
    assert row["onset"] == "2000-01-01T00:00:01Z"


def test_parts_of_a_device_follow_one_another_in_time():
    parts = [recording(p, Truth(1.0, 1.3, "up")) for p in "12"]
    onsets = [msgspec.json.decode(line)["onset"] for line in rows("any", parts)]
    assert onsets == sorted(set(onsets))


def test_recordings_without_truth_are_refused():
    with pytest.raises(InvalidInput, match=r"no events\.csv"):
        list(rows("any", [recording("1")]))


def test_requests_are_cut_between_lines():
    lines = [b"x" * (MAX_REQUEST_BYTES // 3)] * 7
    requests = list(batches(lines))
    assert b"\n".join(requests).split(b"\n") == lines
    assert all(len(r) <= MAX_REQUEST_BYTES + 3 for r in requests)
