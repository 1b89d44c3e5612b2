import numpy as np
import pytest

from app.errors import InvalidInput
from app.store.arrays import TINY_BYTES, pack, unpack_times, unpack_values


@pytest.mark.parametrize("n", [0, 1, 20, 1000])
@pytest.mark.parametrize("kind", ["zeros", "noise", "odd"])
def test_arrays_come_back_bit_for_bit(n: int, kind: str):
    values = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    if kind == "zeros":
        values[:] = 0
    if kind == "odd" and n:
        values[0] = (np.nan, np.inf, -0.0)
    back = unpack_values(pack(values), (n, 3))
    assert back.tobytes() == values.tobytes()
    assert (back.dtype, back.shape) == (np.float32, (n, 3))
    assert back.flags.writeable
    times = np.arange(n) / 50 + 1.8e9
    assert unpack_times(pack(times)).tobytes() == times.tobytes()


def test_columns_first_and_strided_arrays_are_stored_row_by_row():
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    for odd in (np.asfortranarray(values), values[::2, ::3]):
        np.testing.assert_array_equal(unpack_values(pack(odd), odd.shape), odd)


def test_packing_never_costs_more_than_a_byte():
    for n in (0, TINY_BYTES // 4, 5000):
        noise = np.random.default_rng(1).integers(0, 2**32, n, dtype=np.uint32)
        raw = noise.view(np.float32).reshape(-1, 1)
        assert len(pack(raw)) <= raw.nbytes + 1


def test_unknown_packing_is_refused():
    with pytest.raises(InvalidInput):
        unpack_times(b"\x07abcdefgh")
