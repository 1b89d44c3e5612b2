"""What no class accounts for: the space, the rule, and the served answer."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from app import features
from app.domain import Channel, Profile
from app.learning import Model, ModelCard
from app.learning.dataset import Dataset, build
from app.learning.export import export
from app.learning.novelty import find_space
from app.learning.space import Space
from app.learning.train import train_full
from app.learning.unknown import Rule, find_rule


@pytest.fixture(scope="module")
def known(profile, rows_of):
    return build(profile, rows_of(120, ("fist", "wave"), seed=1))


@pytest.fixture(scope="module")
def trained(known, quiet):
    return train_full(known, "logistic", seed=1, progress=quiet)


@pytest.fixture(scope="module")
def model(trained, profile, known):
    return Model.load(*export(trained, profile, known))


def test_a_class_that_was_left_out_is_rejected_and_known_ones_are_not(
    model, profile, rows_of
):
    new = build(profile, rows_of(60, ("point",), seed=2, first=500))
    old = build(profile, rows_of(200, ("fist", "wave"), seed=3, first=900))
    rejected = np.mean([model.predict(row).unknown for row in new.features])
    falsely = np.mean([model.predict(row).unknown for row in old.features])
    assert rejected >= 0.8
    assert falsely <= 0.1


def test_distances_are_those_to_the_nearest_point_of_each_view(trained, model, known):
    space = trained.space
    table = known.features[:, space.chosen].astype(np.float64)
    places = np.clip(table, space.low, space.high) @ space.weights + space.offset
    pairs = list(zip(known.devices, known.labels, strict=True))
    modes = sorted(set(pairs))
    of_modes = [[p == m for p in pairs] for m in modes]
    expected = []
    first = 0
    for n_dimensions, _ in space.shapes:
        place = places[:, first : first + n_dimensions]
        first += n_dimensions
        rows = first == places.shape[1]  # the last view's points are the rows
        points = place if rows else np.array([place[m].mean(axis=0) for m in of_modes])
        apart = ((place[:, None] - points) ** 2).sum(axis=2)
        expected.append(apart.min(axis=1))
    nearest = np.where(np.eye(len(apart)), np.inf, apart).min(axis=1)
    radii = np.maximum(nearest, 0.05 * np.median(nearest))
    expected.append((apart / radii).min(axis=1))
    assert space.table(known.features) == pytest.approx(np.array(expected).T, abs=1e-8)
    told = [model.distances(row).tolist() for row in known.features[:20]]
    assert np.array(told) == pytest.approx(np.array(expected).T[:20], abs=1e-8)


def test_a_wild_reading_is_far_but_finite(model):
    wild = np.full(model.n_features, 1e18, np.float32)
    assert (model.distances(wild) > 0).all()
    assert (model.distances(wild) < 1e9).all()


def test_many_channels_cost_no_more_than_the_best_features(rows_of, quiet):
    wide = Profile("wide", tuple(Channel(f"c{i}") for i in range(24)), 50.0)
    rows = [
        replace(row, window=np.tile(row.window, (1, 8)))
        for row in rows_of(24, ("fist", "wave"))
    ]
    space = find_space(build(wide, rows))
    assert space is not None
    assert len(space.chosen) == 512
    assert (np.diff(space.chosen) > 0).all()


def test_rows_that_tell_no_modes_apart_have_no_space(known: Dataset):
    assert find_space(known.take([0])) is None
    one = replace(known, labels=("fist",) * len(known), devices=("d",) * len(known))
    assert find_space(one) is None
    flat = replace(known, features=np.ones_like(known.features))
    assert find_space(flat) is None


def test_the_rate_holds_whatever_it_is_and_the_newest_rows_set_the_rule():
    random = np.random.default_rng(0)

    def rows(n: int, scale: float = 1.0):
        return scale * random.chisquare(5, (n, 2)), random.uniform(0.5, 1, n)

    for rate in (0.01, 0.05, 0.2):
        rule = find_rule(*rows(2000), np.ones(2000, bool), rate)
        assert rule is not None
        share = np.mean(
            [rule.is_unknown(d, p) for d, p in zip(*rows(5000), strict=True)]
        )
        assert share == pytest.approx(rate, abs=0.4 * rate)
    old, new = rows(1000), rows(1000, 10.0)
    both = [np.concatenate(pair) for pair in zip(old, new, strict=True)]
    drifted = find_rule(*both, np.ones(2000, bool), 0.05)
    assert drifted is not None
    later = rows(2000, 10.0)
    share = np.mean([drifted.is_unknown(d, p) for d, p in zip(*later, strict=True)])
    assert share == pytest.approx(0.05, abs=0.02)


def test_stranger_is_further_or_more_doubtful():
    knots = np.array([[0.0, 1.0, 4.0], [0.0, 2.0, 2.0], [0.0, 0.1, 0.5]])
    rule = Rule(knots, 1.0, 0.05)

    def strange(one: float, probability: float, other: float = 1.0) -> float:
        return rule.strangeness(np.array([one, other]), probability)

    far = [strange(d, 0.9) for d in (-1.0, 0.0, 0.5, 1.0, 2.0, 4.0, 99.0)]
    assert far == sorted(far)
    assert far[2] - far[1] == pytest.approx(0.25)
    assert far[-1] > far[-2] + 1
    others = [strange(1.0, 0.9, d) for d in (0.0, 1.0, 2.0, 3.0)]
    assert all(a < b for a, b in pairwise(others))
    doubtful = [strange(1.0, p) for p in (1.0, 0.95, 0.9, 0.7, 0.2)]
    assert all(a < b for a, b in pairwise(doubtful))
    again = Rule.from_json(rule.to_json())
    assert again.to_json() == rule.to_json()
    assert again.strangeness(np.array([3.0, 1.0]), 0.7) == strange(3.0, 0.7)


def test_too_few_right_answers_set_no_rule():
    def found(n: int, right: int, rate: float = 0.05) -> Rule | None:
        return find_rule(np.zeros((n, 2)), np.ones(n), np.arange(n) < right, rate)

    same = found(60, 60)
    assert same is not None
    assert not same.is_unknown(np.zeros(2), 1.0)
    assert same.is_unknown(np.array([1.0, 0.0]), 0.5)
    assert found(19, 19) is None
    assert found(60, 19) is None
    assert found(60, 60, 0.01) is None


def test_versions_that_are_older_than_the_rule_are_served_as_ever(
    trained, profile, known
):
    old = replace(trained, space=None, rule=None)
    onnx, card = export(old, profile, known)
    said = card.with_unknown_below(1.0).to_json()
    del said["rule"], said["selftest"]["distances"]
    model = Model.load(onnx, ModelCard.from_json(said))
    assert model.predict(known.features[0]).unknown
    assert not len(model.distances(known.features[0]))


def test_versions_with_one_distance_are_served_as_ever(trained, profile, known):
    space = trained.space
    width, n = space.shapes[0]
    first = replace(
        space,
        weights=space.weights[:, :width].copy(),
        offset=space.offset[:width],
        shapes=space.shapes[:1],
        points=space.points[: width * n],
        radii=np.empty(0),
    )
    arrays = first.arrays()
    shape = tuple(arrays.pop("space.shapes")[0])
    del arrays["space.radii"]
    arrays["space.centres"] = arrays.pop("space.points").reshape(shape)
    old = Space.of(arrays, known.features.shape[1])
    row = known.features[0]
    assert old.distances(row).tolist() == space.distances(row)[:1].tolist()
    knots = {"distances": [0.0, 1.0, 4.0], "doubts": [0.0, 0.1, 0.5]}
    rule = Rule.from_json({**knots, "above": 1.0, "rate": 0.05})
    assert rule.strangeness(np.array([2.5]), 0.7) == pytest.approx(0.75 + 0.3 * 0.75)
    _, card = export(trained, profile, known)
    said = card.to_json()
    said["selftest"]["distances"] = [1.5, 2.5]
    assert ModelCard.from_json(said).selftest.distances == ((1.5,), (2.5,))


def test_the_answer_is_the_same_for_a_wider_feature_set(profile, rows_of, quiet):
    wide = build(profile, rows_of(60), features.CONVOLVED)
    plain = train_full(wide, "logistic", seed=1, progress=quiet)
    patterns = train_full(wide, "patterns", seed=1, progress=quiet)
    models = [Model.load(*export(one, profile, wide)) for one in (plain, patterns)]
    for row in wide.features[:5]:
        told = [m.distances(row[: m.n_features]).tolist() for m in models]
        assert told[0] == told[1]
