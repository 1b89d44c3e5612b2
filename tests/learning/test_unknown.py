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


def test_distance_is_that_to_the_nearest_mean_of_a_mode_in_a_whitened_space(
    trained, model, known
):
    space = trained.space
    table = known.features[:, space.chosen].astype(np.float64)
    places = np.clip(table, space.low, space.high) @ space.weights + space.offset
    pairs = list(zip(known.devices, known.labels, strict=True))
    modes = sorted(set(pairs))
    centres = np.array([places[[p == m for p in pairs]].mean(axis=0) for m in modes])
    expected = ((places[:, None] - centres) ** 2).sum(axis=2).min(axis=1)
    assert space.distances(known.features) == pytest.approx(expected)
    told = [model.distance(row) for row in known.features[:20]]
    assert told == pytest.approx(expected[:20], rel=1e-12)


def test_a_wild_reading_is_far_but_finite(model):
    wild = np.full(model.n_features, 1e18, np.float32)
    assert 0 < model.distance(wild) < 1e9


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
        return scale * random.chisquare(5, n), random.uniform(0.5, 1, n)

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
    rule = Rule((0.0, 1.0, 4.0), (0.0, 0.1, 0.5), 1.0, 0.05)
    far = [rule.strangeness(d, 0.9) for d in (-1.0, 0.0, 0.5, 1.0, 2.0, 4.0, 99.0)]
    assert far == sorted(far)
    assert far[2] - far[1] == pytest.approx(0.25)
    assert far[-1] > far[-2] + 1
    doubtful = [rule.strangeness(1.0, p) for p in (1.0, 0.95, 0.9, 0.7, 0.2)]
    assert all(a < b for a, b in pairwise(doubtful))
    assert Rule.from_json(rule.to_json()) == rule


def test_too_few_right_answers_set_no_rule():
    few = np.ones(19)
    same = find_rule(np.zeros(60), np.ones(60), np.ones(60, bool), 0.05)
    assert same is not None
    assert not same.is_unknown(0.0, 1.0)
    assert same.is_unknown(1.0, 0.5)
    assert find_rule(few, few, np.ones(19, bool), 0.05) is None
    assert find_rule(np.ones(60), np.ones(60), np.arange(60) < 19, 0.05) is None
    assert find_rule(np.ones(60), np.ones(60), np.ones(60, bool), 0.01) is None


def test_versions_that_are_older_than_the_rule_are_served_as_ever(
    trained, profile, known
):
    old = replace(trained, space=None, rule=None)
    onnx, card = export(old, profile, known)
    said = card.with_unknown_below(1.0).to_json()
    del said["rule"], said["selftest"]["distances"]
    model = Model.load(onnx, ModelCard.from_json(said))
    assert model.predict(known.features[0]).unknown
    assert np.isnan(model.distance(known.features[0]))


def test_the_answer_is_the_same_for_a_wider_feature_set(profile, rows_of, quiet):
    wide = build(profile, rows_of(60), features.CONVOLVED)
    plain = train_full(wide, "logistic", seed=1, progress=quiet)
    patterns = train_full(wide, "patterns", seed=1, progress=quiet)
    models = [Model.load(*export(one, profile, wide)) for one in (plain, patterns)]
    for row in wide.features[:5]:
        told = [m.distance(row[: m.n_features]) for m in models]
        assert told[0] == told[1]
