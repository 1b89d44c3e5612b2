from collections import Counter

import pytest

from app.learning.weights import shares, weigh_keys


def weighed(share, **counts):
    keys = [key for key, n in counts.items() for _ in range(n)]
    return keys, weigh_keys(["fist"] * len(keys), keys, share)


def test_a_flood_of_one_key_is_capped_and_the_class_keeps_its_weight():
    keys, weights = weighed(0.3, a=40, b=10, c=10, d=10)
    assert sum(weights) == pytest.approx(70)
    assert shares(["fist"] * 70, keys, weights)["fist"]["a"] == pytest.approx(0.3)


def test_few_rows_of_others_do_not_silence_many():
    keys, weights = weighed(0.3, a=400, b=1, c=1, d=1)
    by_key = dict(zip(keys, weights, strict=True))
    assert by_key["a"] / by_key["b"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    "counts", [{"a": 9}, {"a": 9, "b": 1, "c": 1}, dict.fromkeys("abcd", 9)]
)
def test_where_no_key_can_be_or_need_be_capped_nothing_is_weighed(counts):
    assert weighed(0.3, **counts)[1] == ()


def test_each_class_is_capped_by_itself():
    keys = [*"aaaaaabb", *"abab"]
    labels = ["fist"] * 8 + ["wave"] * 4
    weights = weigh_keys(labels, keys, 0.5)
    assert weights[8:] == (1.0,) * 4
    sums = Counter()
    for key, weight in zip(keys[:8], weights[:8], strict=True):
        sums[key] += weight
    assert sums["a"] == pytest.approx(sums["b"])
