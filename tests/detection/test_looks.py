"""From few independent looks, little is said: Student's distribution, and crossings."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm, t

from app.detection import looks


@pytest.mark.parametrize("n", [4, 10, 40, 200])
def test_caution_is_what_student_says_of_one_look_in_a_day(n):
    rare = norm.sf(looks.RARE)
    assert looks.caution(float(n)) == pytest.approx(
        t.isf(rare, n) / looks.RARE, rel=0.2
    )


def test_who_has_seen_enough_is_not_cautious_and_nobody_is_less():
    values = [looks.caution(float(n)) for n in (0, 1, 3, 30, 299, 300, 10_000)]
    assert values[-2:] == [1.0, 1.0]
    assert sorted(values, reverse=True) == values
    assert np.isfinite(values).all()


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.95])
def test_crossings_tell_how_many_looks_values_are_worth(correlation):
    noise = np.random.default_rng(1).normal(0, 1, 200_000)
    values = lfilter([1], [1, -correlation], noise)
    crossings = float(np.mean(values[1:] * values[:-1] < 0))
    worth = (1 - correlation) / (1 + correlation)
    assert looks.looks_a_value(crossings) == pytest.approx(worth, rel=0.05)


def test_means_of_white_noise_wander_by_one_and_a_walk_by_the_most():
    rng = np.random.default_rng(2)
    blocks = rng.normal(0, 1, (20_000, 25))

    def typical(blocks):
        means, variances = blocks.mean(axis=1), blocks.var(axis=1)
        return np.mean(
            [
                looks.wander(by, two, 25)
                for by, two in zip(
                    np.diff(means), variances[1:] + variances[:-1], strict=True
                )
            ]
        )

    assert typical(blocks) == pytest.approx(1.0, abs=0.1)
    assert typical(np.cumsum(blocks.ravel()).reshape(blocks.shape)) > 15
    assert typical(np.ones((5, 25))) == 0.0
