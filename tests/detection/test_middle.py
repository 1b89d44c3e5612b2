"""The two middle values of sixteen, without sorting them all."""

import itertools

import numpy as np

from app.detection.baseline import middle_of
from app.detection.middle import SIXTEEN, middle


def test_every_way_in_which_zeros_and_ones_can_lie_gives_the_middle():
    # a network of comparators that is right for these is right for all values
    for ones in itertools.chain(range(0, 2**16, 37), (2**k - 1 for k in range(17))):
        values = np.array([ones >> k & 1 for k in range(SIXTEEN)], float)
        ordered = np.sort(values)
        assert middle(values) == (ordered[7], ordered[8])


def test_it_agrees_with_sorting_whatever_the_number():
    rng = np.random.default_rng(2)
    for n in range(1, 41):
        values = rng.normal(0, 1, n).round(1)
        found = middle_of(n, values, np.empty(n, np.int64), np.empty(n))
        ordered = np.sort(values)
        assert found == (ordered[(n - 1) // 2], ordered[n // 2])
