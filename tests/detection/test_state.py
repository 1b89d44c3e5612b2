import numpy as np
import pytest

from app.detection.state import pack, split, unpack


def test_arrays_come_back_as_they_were():
    arrays = [np.arange(5), np.array([[1.5, np.nan]]), np.zeros(0, np.float32)]
    back = [np.zeros_like(a) for a in arrays]
    unpack(pack(b"TEST", 3, arrays), b"TEST", 3, back)
    for a, b in zip(arrays, back, strict=True):
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@pytest.mark.parametrize("cut", [0, 5, 12, 20, -1])
def test_a_state_cut_short_is_refused(cut):
    state = pack(b"TEST", 1, [np.arange(4)])
    with pytest.raises(ValueError, match="state"):
        split(state[:cut], b"TEST", 1)


def test_another_kind_version_or_length_is_refused():
    state = pack(b"TEST", 1, [np.arange(4)])
    for magic, version in ((b"ELSE", 1), (b"TEST", 2)):
        with pytest.raises(ValueError, match="not"):
            split(state, magic, version)
    with pytest.raises(ValueError, match="belong"):
        split(state + b"x", b"TEST", 1)


def test_nothing_is_changed_when_one_array_does_not_fit():
    state = pack(b"TEST", 1, [np.arange(4), np.arange(3)])
    into = [np.zeros(4, np.int64), np.zeros(2, np.int64)]
    with pytest.raises(ValueError, match="belong"):
        unpack(state, b"TEST", 1, into)
    assert not into[0].any()
