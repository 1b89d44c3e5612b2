"""Streams with every fault that a device can have come out as they were planted."""

import pytest

from app.detection import Stream
from tests.detection.oracle import check


def test_random_streams_with_faults_are_what_the_oracle_says():
    planted = check(150)
    assert planted["events"] > 60
    assert planted["gaps"] > 100
    assert planted["missing"] > 1000
    assert planted["time jumps"] > 60
    assert planted["skips"] > 20
    assert planted["resent_readings"] > 1000


def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Stream, "_end_gap", lambda self, why: None)
    with pytest.raises(AssertionError, match="stream"):
        check(150)
