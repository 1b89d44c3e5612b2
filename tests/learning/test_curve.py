"""The learning curve: the law, what it is drawn from, and when there is none."""

from itertools import pairwise

import numpy as np
import pytest

from app.learning.curve import (
    LEAST_ROWS,
    MOST_ROWS,
    NEXT,
    TURNS,
    fit,
    gain,
    stand_in,
    trace,
    worth,
)
from app.learning.dataset import build


def error(n: float) -> float:
    return 0.04 + 1.1 * n**-0.6


def lawful(train, asked) -> float:
    return 1.0 - error(len(train))


@pytest.fixture(scope="module")
def rows(profile, rows_of):
    return build(profile, rows_of(240))


def test_what_the_next_labels_bring_is_what_the_law_says(rows) -> None:
    said = trace(rows, lawful, seed=1)
    assert said is not None
    assert said.labels == 240
    expected = error(240) - error(240 + NEXT)
    assert said.gain == pytest.approx(expected, abs=0.002)
    assert said.low <= said.gain <= said.high
    assert said.accuracy == pytest.approx(1.0 - error(240), abs=0.005)
    shown = said.to_json()
    assert [p["labels"] for p in shown["points"]] == [n for n, _ in said.points]


def test_parts_are_nested_and_never_hold_what_is_asked(rows) -> None:
    seen: list[tuple[set[object], set[object]]] = []

    def judge(train, asked) -> float:
        seen.append((set(train.events), set(asked.events)))
        return lawful(train, asked)

    first = trace(rows, judge, seed=1)
    asked_about = [asked for _, asked in seen[:: len(seen) // TURNS]]
    assert set.union(*asked_about) == set(rows.events)
    for (small, asked), (large, again) in pairwise(seen):
        assert not small & asked
        if asked == again:
            assert small < large
    assert trace(rows, lawful, seed=1) == first


def test_many_rows_cost_no_more_and_are_extrapolated(profile, rows) -> None:
    many = rows.take(np.arange(5 * len(rows)) % len(rows))
    sizes: list[int] = []

    def judge(train, asked) -> float:
        sizes.append(len(train))
        return lawful(train, asked)

    said = trace(many, judge, seed=1)
    assert max(sizes) <= MOST_ROWS
    assert said is not None
    assert said.labels == 1200
    assert said.gain == pytest.approx(error(1200) - error(1250), abs=0.002)


def test_windows_are_followed_by_the_linear_estimator_or_by_patterns(
    profile, rows_of
) -> None:
    windows = rows_of(90)
    for estimator, reads in (("blend", "v1"), ("patterns", "v2")):
        assert stand_in(estimator).feature_set == reads
        said = worth(profile, windows, estimator, seed=1)
        assert said is not None
        assert said.labels == 90
        assert said.accuracy > 0.8
    assert worth(profile, windows[:9], "blend", seed=1) is None


def test_too_few_rows_or_classes_have_no_curve(profile, rows, rows_of) -> None:
    assert trace(rows.take(range(LEAST_ROWS - 1)), lawful, seed=1) is None
    one = build(profile, rows_of(60, ("fist",)))
    assert trace(one, lawful, seed=1) is None


def test_accuracy_that_does_not_rise_promises_nothing() -> None:
    flat = np.full(4, 0.2)
    assert gain([20, 40, 80, 160], flat, 160) == pytest.approx(0.0, abs=1e-9)
    worse = np.array([0.1, 0.15, 0.2, 0.25])
    assert gain([20, 40, 80, 160], worse, 160) == pytest.approx(0.0, abs=1e-9)
    a, b, c = fit([20, 40, 80, 160], np.zeros(4))
    assert a * 99**-b + c == pytest.approx(0.0, abs=1e-9)


def test_a_part_that_cannot_be_fitted_is_left_out(rows) -> None:
    def judge(train, asked) -> float:
        return np.nan if len(train) < 40 else lawful(train, asked)

    said = trace(rows, judge, seed=1)
    assert said is not None
    assert min(n for n, _ in said.points) >= 40
    assert trace(rows, lambda *_: np.nan, seed=1) is None
