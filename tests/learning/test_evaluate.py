"""The report against scikit-learn's own metrics."""

import numpy as np
import pytest
from sklearn import metrics

from app.learning import Model
from app.learning.dataset import build
from app.learning.evaluate import evaluate, report_from_json
from app.learning.export import export
from app.learning.train import train_full


@pytest.fixture(scope="module")
def judged(profile, rows_of, quiet):
    train = build(profile, rows_of(9))
    rows = rows_of(80, classes=("fist", "wave", "point", "never seen"), first=200)
    test = build(profile, rows)
    fitted = train_full(train, "logistic", seed=1, progress=quiet)
    model = Model.load(*export(fitted, profile, train))
    return model, test, evaluate(model, test)


def test_scores_equal_those_of_scikit_learn(judged):
    model, test, report = judged
    said = [model.predict(row) for row in test.features]
    labels = [p.label for p in said]
    assert report.accuracy == metrics.accuracy_score(test.labels, labels)
    assert report.macro_f1 == pytest.approx(
        metrics.f1_score(
            test.labels, labels, average="macro", labels=test.classes, zero_division=0
        )
    )
    expected = metrics.confusion_matrix(test.labels, labels, labels=report.classes)
    assert np.array_equal(report.confusion, expected)
    full = np.zeros((len(test), len(report.classes)))
    for name, column in zip(
        model.classes, np.transpose([p.probabilities for p in said]), strict=True
    ):
        full[:, report.classes.index(name)] = column
    truth = np.array([[y == c for c in report.classes] for y in test.labels])
    assert report.brier == pytest.approx(((full - truth) ** 2).sum(1).mean())
    assert report.majority == 0.25


def test_a_class_that_the_model_does_not_know_counts_as_wrong(judged):
    _, test, report = judged
    assert report.per_class["never seen"].recall == 0
    assert report.per_class["never seen"].n == 20
    assert sum(report.correct.values()) == round(report.accuracy * len(test))


def test_calibration_error_is_the_gap_between_said_and_right(judged):
    model, test, report = judged
    top = np.array([model.predict(row).probability for row in test.features])
    right = np.array([report.correct[e] for e in test.events])
    gaps = 0.0
    for low in np.arange(10) / 10:
        mine = (top >= low) & ((top < low + 0.1) | ((low == 0.9) & (top == 1.0)))
        if mine.any():
            gaps += mine.mean() * abs(top[mine].mean() - right[mine].mean())
    assert report.ece == pytest.approx(gaps, abs=1e-6)


def test_unknown_rejects_at_most_a_twentieth_of_right_answers(judged):
    model, test, report = judged
    top = [model.predict(r).probability for r in test.features]
    right = [t for t, e in zip(top, test.events, strict=True) if report.correct[e]]
    share = np.mean([t < report.unknown_below for t in right])
    assert 0 < report.unknown_below < 1
    assert share <= 0.05


def test_few_rows_or_none_give_a_report_without_threshold(judged):
    model, test, _ = judged
    few, none = evaluate(model, test.take(range(5))), evaluate(model, test.take([]))
    assert few.unknown_below == none.unknown_below == 0.0
    assert none.n == 0


def test_report_survives_json_but_for_the_answers(judged):
    report = judged[2]
    again = report_from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert again.correct == {}
