import pickle
from dataclasses import replace

import numpy as np
import pytest

from app import features
from app.errors import ArtefactError, InvalidReadings
from app.learning import Model, ModelCard, classify
from app.learning.export import export
from app.learning.train import train_full


@pytest.fixture(scope="module")
def artefact(dataset, profile, quiet):
    fitted = train_full(dataset, "blend", seed=1, progress=quiet)
    return export(fitted, profile, dataset)


def test_one_by_one_and_again_gives_the_same_bits(artefact, rows_of):
    model = Model.load(*artefact, version=7)
    other = Model.load(*artefact, version=7)
    for row in rows_of(20):
        said = classify(model, row.window, row.pre_roll, row.post_roll)
        assert said == classify(other, row.window.copy(), row.pre_roll, row.post_roll)
        vector = features.extract(row.window, 50.0, row.pre_roll, row.post_roll)
        assert said.features_digest == features.digest(vector)
        assert said == model.predict(vector)
        assert said.model_version == 7
        assert said.probability == max(said.probabilities)
        assert said.classes[said.probabilities.index(said.probability)] == said.label


def test_predicting_changes_nothing(artefact, rows_of):
    model = Model.load(*artefact)
    vector = features.extract(rows_of(1)[0].window, 50.0)
    vector.setflags(write=False)
    others = [features.extract(row.window, 50.0) for row in rows_of(20)]
    first = [model.predict(vector), *map(model.predict, others)]
    for _ in range(100):
        for other in others:
            model.predict(other)
    assert [model.predict(vector), *map(model.predict, others)] == first


def test_unknown_is_a_flag_and_the_label_stays_the_best_class(artefact, rows_of):
    onnx, card = artefact
    window = rows_of(1)[0].window
    sure = classify(Model.load(onnx, card), window)
    old = replace(card, rule=None)  # of a version that is older than the rule
    unsure = classify(Model.load(onnx, old.with_unknown_below(1.0)), window)
    assert not sure.unknown
    assert unsure.unknown
    assert unsure.label == sure.label


def test_card_survives_json(artefact):
    card = artefact[1]
    assert ModelCard.from_json(card.to_json()).to_json() == card.to_json()
    for key in card.to_json().keys() - {"rule", "least"}:
        broken = {k: v for k, v in card.to_json().items() if k != key}
        with pytest.raises(ArtefactError, match="not whole"):
            ModelCard.from_json(broken)


@pytest.mark.parametrize("shape", [(10, 2), (10, 4), (10,), (0, 3)])
def test_windows_of_another_shape_are_refused(artefact, shape):
    with pytest.raises(InvalidReadings):
        classify(Model.load(*artefact), np.zeros(shape, dtype=np.float32))


def test_cards_that_do_not_fit_graph_or_process_are_refused(artefact):
    onnx, card = artefact
    shifted = tuple(r[::-1] for r in card.selftest.probabilities)
    wrong = {
        "feature set": {"feature_set": "v0"},
        "its code changed": {"features_code": "0" * 16},
        "two or more": {"classes": ("fist",)},
        "must be float32 with": {"classes": (*card.classes, "more")},
        "columns": {"channels": ("a", "b")},
        "unknown_below": {"unknown_below": float("nan")},
        "differ": {"selftest": replace(card.selftest, probabilities=shifted)},
        "no self-test": {"selftest": replace(card.selftest, rows=())},
        "digest": {"graph_sha256": "0" * 64},
    }
    for reason, change in wrong.items():
        with pytest.raises(ArtefactError, match=reason):
            Model.load(onnx, replace(card, **change))


def test_damaged_bytes_are_refused_by_their_digest(artefact):
    onnx, card = artefact
    random = np.random.default_rng(0)
    for at in random.integers(0, len(onnx), 50):
        flipped = bytearray(onnx)
        flipped[at] ^= 1 << int(random.integers(8))
        with pytest.raises(ArtefactError):
            Model.load(bytes(flipped), card)
        with pytest.raises(ArtefactError):
            Model.load(onnx[:at], card)
    with pytest.raises(ArtefactError):
        Model.load(pickle.dumps({"a": 1}), card)
