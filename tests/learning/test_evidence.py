from math import comb

import pytest

from app.learning.evidence import chance


@pytest.mark.parametrize(("wins", "losses"), [(5, 0), (7, 3), (3, 7), (0, 4)])
def test_chance_is_the_upper_tail_of_fair_coins(wins, losses):
    n = wins + losses
    tail = sum(comb(n, k) for k in range(wins, n + 1)) / 2**n
    assert chance(wins, losses) == pytest.approx(tail)


def test_no_difference_is_no_evidence():
    assert chance(0, 0) == 1.0
