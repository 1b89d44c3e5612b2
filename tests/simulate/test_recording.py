import numpy as np
import pytest

from app.simulate.recording import Recording


@pytest.fixture
def recording() -> Recording:
    t = np.array([5.0, 5.1, 5.2])
    return Recording("d", "s1", ("x",), 10.0, t, np.ones((3, 1), np.float32))


def test_reading_numbers_lead_back_to_the_recordings_clock(recording: Recording):
    assert recording.span_seconds(1, 3) == (5.0, 5.2)
    assert recording.span_seconds(2, 4) == pytest.approx((5.1, 5.3))


def test_digest_changes_with_any_reading(recording: Recording):
    values = recording.values.copy()
    values[2, 0] = 2
    other = Recording("d", "s1", ("x",), 10.0, recording.t, values)
    assert other.digest != recording.digest
