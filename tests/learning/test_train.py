from dataclasses import replace
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pytest

from app.domain import LabelledWindow, Profile, RetrainPolicy, utc
from app.errors import Cancelled, CannotLearn
from app.learning import kinds
from app.learning.calibration import calibrate
from app.learning.dataset import build
from app.learning.estimators import MAX_CLASS_WEIGHT, MAX_MODES, find_modes, weigh
from app.learning.train import train_full
from app.learning.unseen import folds


def asking(profile, **policy):
    return Profile(
        "p", profile.channels, profile.rate_hz, retrain=RetrainPolicy(**policy)
    )


def waves(labels: tuple[str, ...], n: int) -> list[LabelledWindow]:
    """Saw teeth that rise slowly and fall at once, or the other way round."""
    random = np.random.default_rng(0)
    rows = []
    for i in range(n):
        label = labels[i % len(labels)]
        tooth = (np.arange(60) + random.integers(12)) % 12 / 12.0
        tooth = tooth if label == "up" else 1.0 - tooth
        values = tooth[:, None] + random.normal(0, 0.35, (60, 3))
        cut = (values.astype(np.float32), label, 0, 0)
        rows.append(LabelledWindow(uuid5(NAMESPACE_OID, f"{i}"), "d", utc(i), *cut))
    return rows


def test_auto_chooses_by_cross_validation_and_reports_all_it_tried(dataset, quiet):
    got = train_full(dataset, "auto", seed=1, progress=quiet)
    assert got.name in got.search
    assert set(got.search) == {"blend", "logistic"}  # of v1 features
    assert min(got.search.values()) > 0.5
    assert got.classes == ("fist", "point", "wave")


def test_one_class_cannot_be_learnt(profile, rows_of, quiet):
    rows = build(profile, rows_of(5, classes=("fist",)))
    with pytest.raises(CannotLearn, match="at least 2 classes"):
        train_full(rows, "logistic", seed=1, progress=quiet)


def test_two_rows_of_two_classes_are_enough(profile, rows_of, quiet):
    rows = build(profile, rows_of(2, classes=("fist", "wave")))
    got = train_full(rows, "auto", seed=1, progress=quiet)
    assert got.probabilities(rows.features).shape == (2, 2)


def test_progress_may_cancel(dataset):
    def cancel(_: str, share: float) -> None:
        if share > 0.2:
            raise Cancelled("asked to")

    with pytest.raises(Cancelled):
        train_full(dataset, "auto", seed=1, progress=cancel)


def test_what_cannot_be_asked_is_refused_by_name(profile):
    assert kinds(asking(profile)) == ("full", "incremental")
    assert kinds(asking(profile, estimator="logistic")) == ("full",)
    assert kinds(asking(profile, estimator="sgd"), "incremental") == ("incremental",)
    assert kinds(asking(profile), "incremental") == ("incremental",)
    with pytest.raises(CannotLearn, match="'extra_trees' cannot learn incrementally"):
        kinds(asking(profile, estimator="extra_trees"), "incremental")
    with pytest.raises(CannotLearn, match="'magic' is none of"):
        kinds(asking(profile, estimator="magic"))
    with pytest.raises(CannotLearn, match="mode 'often'"):
        kinds(asking(profile), "often")


def test_modes_are_device_and_class_and_rare_ones_share(profile, rows_of):
    rows = rows_of(12) + rows_of(1, classes=("rare",), first=99)
    modes = find_modes(build(profile, rows), by_device=True)
    assert ("d1", "fist") in modes.names
    assert ("", "rare") in modes.names
    assert (modes.matrix().sum(axis=1) == 1).all()
    assert (modes.numbers(build(profile, rows)) >= 0).all()
    assert all(d == "" for d, _ in find_modes(build(profile, rows), False).names)


def test_modes_are_bounded_however_many_devices_there_are(profile, rows_of):
    devices = tuple(f"d{i}" for i in range(100))
    dataset = build(profile, rows_of(600, devices=devices))
    modes = find_modes(dataset, by_device=True)
    assert 3 < len(modes.names) <= MAX_MODES
    assert (modes.numbers(dataset) >= 0).all()


def test_rare_classes_weigh_more_but_within_bounds(profile, rows_of):
    rows = rows_of(90, classes=("fist",)) + rows_of(1, classes=("wave",), first=99)
    dataset = build(profile, rows)
    modes = find_modes(dataset, by_device=False)
    weights = weigh(dataset, modes)
    assert weights[modes.names.index(("", "wave"))] == MAX_CLASS_WEIGHT
    assert weights[modes.names.index(("", "fist"))] < 1


def test_folds_keep_neighbours_together_and_are_even(dataset):
    fold = folds(dataset)
    mine = [
        fold[i]
        for i in range(len(dataset))
        if (dataset.devices[i], dataset.labels[i]) == ("d1", "fist")
    ]
    n_folds = len(set(fold))
    assert np.count_nonzero(np.diff(mine)) == n_folds - 1
    assert np.bincount(fold).min() > len(dataset) / n_folds * 0.7


def test_patterns_are_chosen_where_the_course_tells_more_than_the_strength(
    profile, quiet
):
    rows = waves(("up", "down"), 60)
    trained = train_full(build(profile, rows, "v2"), seed=1, progress=quiet)
    assert trained.name == "patterns"
    assert trained.feature_set == "v2"
    assert trained.search["patterns"] > trained.search["blend"] + 0.1


def test_patterns_need_their_features(dataset, quiet):
    with pytest.raises(CannotLearn, match="reads feature set v2"):
        train_full(dataset, "patterns", seed=1, progress=quiet)


def test_probabilities_are_as_sure_as_the_model_is_right(profile, quiet):
    dataset = build(profile, waves(("up", "down"), 160), "v2")
    train, test = dataset.take(range(80)), dataset.take(range(80, 160))
    trained = train_full(train, "extra_trees", seed=1, progress=quiet)
    truth = np.array([trained.classes.index(y) for y in test.labels])

    def surprise(one) -> float:
        said = one.probabilities(test.table(one.feature_set))
        return float(-np.log(said[np.arange(len(truth)), truth] + 1e-9).mean())

    raw = replace(trained, sharpness=1.0)
    assert trained.sharpness != 1.0
    assert surprise(trained) < surprise(raw)
    same = train_full(
        train, "extra_trees", seed=1, progress=quiet, sharpness=trained.sharpness
    )
    assert surprise(same) == surprise(trained)


def test_nobody_is_infallible():
    sure = [np.array([0.9, 0.1])] * 50
    assert 1 < calibrate(sure) < 8
    assert calibrate(sure[:19]) == 1.0
    assert calibrate([np.array([0.1, 0.9])] * 50) < 0.2


def test_an_estimator_that_cannot_be_fitted_is_passed_over(dataset, quiet, monkeypatch):
    def fails(*_: object) -> None:
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr("app.learning.estimators.SoftDiscriminant.fit", fails)
    got = train_full(dataset, "auto", seed=1, progress=quiet)
    assert "lda" not in got.search
    assert got.name in got.search
    with pytest.raises(CannotLearn, match="lda cannot be fitted: SVD did not converge"):
        train_full(dataset, "lda", seed=1, progress=quiet)


def test_a_mode_of_one_row_is_learnt_and_nothing_is_said_to_the_log(dataset, quiet):
    labels = ("rare", *dataset.labels[1:])  # a warning would be an error here
    got = train_full(replace(dataset, labels=labels), "lda", seed=1, progress=quiet)
    assert "rare" in got.classes


def test_two_rows_of_every_device_and_class_are_no_warning(dataset, quiet):
    by_class = [np.flatnonzero(np.array(dataset.labels) == y) for y in dataset.classes]
    rows = dataset.take(np.concatenate([mine[:15] for mine in by_class]))
    devices = tuple(f"d{(i % 15 + 1) // 2}" for i in range(len(rows)))
    rows = replace(rows, devices=devices)
    got = train_full(rows, "logistic", seed=1, sharpness=1.0, progress=quiet)
    assert 2 * len(got.modes.names) > len(rows)
