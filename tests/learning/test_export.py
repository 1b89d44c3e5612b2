"""Every estimator's graph against scikit-learn's own answers."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from app.errors import ArtefactError
from app.learning import ESTIMATORS, Model
from app.learning.dataset import build
from app.learning.export import PARITY, export
from app.learning.graph import _at_most
from app.learning.incremental import train_incremental
from app.learning.train import Trained, train_full


def fit(name, rows, quiet, seed=1):
    if ESTIMATORS[name].incremental:
        return train_incremental(None, rows, name, seed=seed, progress=quiet)
    return train_full(rows, name, seed=seed, progress=quiet)


@pytest.mark.parametrize(
    ("devices", "classes"),
    [(("d1", "d2"), ("fist", "wave", "point")), (("d1",), ("fist", "wave"))],
)
@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_graph_and_scikit_learn_agree_on_seen_and_unseen_rows(
    name, devices, classes, profile, rows_of, quiet
):
    reads = ESTIMATORS[name].feature_set
    train = build(profile, rows_of(60, classes, devices), reads)
    unseen = build(profile, rows_of(60, classes, devices, seed=9, first=100), reads)
    fitted = fit(name, train, quiet)
    model = Model.load(*export(fitted, profile, train, unseen))
    wild = np.random.default_rng(0).normal(0, 1e9, (20, train.features.shape[1]))
    for table in (train.features, unseen.features, wild.astype(np.float32)):
        said = np.array([model.predict(row).probabilities for row in table])
        assert np.abs(said - fitted.probabilities(table)).max() <= PARITY
        assert said.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    right = [
        model.predict(row).label == y
        for row, y in zip(unseen.features, unseen.labels, strict=True)
    ]
    assert np.mean(right) > 0.8


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_same_rows_and_seed_give_the_same_bytes(name, profile, rows_of, quiet):
    def digest(rows, seed):
        train = build(profile, rows, ESTIMATORS[name].feature_set)
        return export(fit(name, train, quiet, seed), profile, train)[1].graph_sha256

    rows = rows_of(30)
    assert digest(rows, 1) == digest(rows[::-1], 1)
    assert digest(rows, 1) != digest(rows[:-1], 1)


def test_forest_thresholds_decide_as_in_double():
    random = np.random.default_rng(0)
    near = random.normal(0, 1, 1000).astype(np.float32)
    thresholds = near.astype(float) + random.normal(0, 1e-9, 1000)
    for values in (near, np.nextafter(near, np.float32(9)), np.nextafter(near, -9)):
        x = values.astype(np.float32)
        assert ((x <= _at_most(thresholds)) == (x.astype(float) <= thresholds)).all()


def test_an_estimator_that_onnx_cannot_say_is_refused_with_the_reason(
    dataset, profile, quiet
):
    class Stranger(KNeighborsClassifier):
        pass

    modes = fit("logistic", dataset, quiet).modes
    stranger = Stranger().fit(dataset.features, modes.numbers(dataset))
    with pytest.raises(ArtefactError, match="Stranger cannot be exported"):
        export(Trained("stranger", stranger, modes, 0, 1), profile, dataset)


def test_a_graph_that_differs_from_scikit_learn_is_refused(
    dataset, profile, quiet, monkeypatch
):
    fitted = fit("logistic", dataset, quiet)
    monkeypatch.setattr("app.learning.graph.CLIP", 2.9)
    with pytest.raises(ArtefactError, match="differ by"):
        export(fitted, profile, dataset)
