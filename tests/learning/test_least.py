"""What a class must reach, or be unknown; the report says what that costs."""

from dataclasses import replace

import numpy as np
import pytest

from app.domain import Profile
from app.learning.card import ModelCard
from app.learning.challenge import challenge
from app.learning.dataset import Dataset, build
from app.learning.evaluate import evaluate, report_from_json
from app.learning.export import export
from app.learning.model import Model, classify
from app.learning.train import train_full

RATE_HZ = 50.0


@pytest.fixture(scope="module")
def made(profile: Profile, dataset: Dataset) -> tuple[bytes, ModelCard]:
    trained = train_full(dataset, "logistic", seed=1, progress=lambda *_: None)
    onnx, card = export(trained, profile, dataset, dataset)
    return onnx, replace(card, rule=None, unknown_below=0.0)


def model_with(made: tuple[bytes, ModelCard], **least: dict[str, float]) -> Model:
    onnx, card = made
    return Model.load(onnx, ModelCard.from_json(replace(card, least=least).to_json()))


def window(n: int) -> np.ndarray:
    values = np.random.default_rng(3).normal(0, 0.5, (n + 10, 3))
    values[:, 0] *= 5
    return values.astype(np.float32)


def test_an_event_too_short_for_its_class_is_unknown(made):
    plain = model_with(made)
    demanding = model_with(made, fist={"seconds": 0.8})
    for n, short in ((39, True), (40, False), (60, False)):
        said = classify(plain, window(n), 5, 5)
        assert (said.label, said.unknown) == ("fist", False)
        again = classify(demanding, window(n), 5, 5)
        assert again == replace(said, unknown=short)


def test_a_class_below_its_least_probability_is_unknown(made):
    said = classify(model_with(made), window(50), 5, 5)
    above = {"probability": said.probability + 1e-6}
    exactly = {"probability": said.probability}
    assert classify(model_with(made, fist=above), window(50), 5, 5).unknown
    assert not classify(model_with(made, fist=exactly), window(50), 5, 5).unknown
    assert not classify(model_with(made, wave=above), window(50), 5, 5).unknown


def test_the_report_says_what_a_demand_takes_away(made, profile: Profile, rows_of):
    rows = rows_of(90, seed=9, first=1000)
    # every third window of what is called a fist is another class in truth
    wrong = {row.event for row in [r for r in rows if r.label == "fist"][::3]}
    rows = [replace(r, label="wave") if r.event in wrong else r for r in rows]
    dataset = build(profile, rows)
    least = {"seconds": 0.7, "probability": 0.0}
    report = evaluate(model_with(made, fist=least), dataset)
    said = report.least["fist"]
    short = {r.event for r in rows if len(r.window) - 10 < 0.7 * RATE_HZ}
    fists = {r.event for r in rows if r.label == "fist"}
    assert said["answers"] == len(fists | wrong)
    assert said["right"] == len(fists)
    assert said["right_short"] == len(fists & short) > 0
    assert said["wrong_short"] == len(wrong & short) > 0
    assert report_from_json(report.to_json()).least == report.least


def test_a_new_version_has_what_its_profile_demands(profile: Profile, rows_of, quiet):
    least = {"fist": {"probability": 0.99, "seconds": 1.5}}
    wish = replace(profile.retrain, least=least, estimator="logistic")
    made = challenge(
        replace(profile, retrain=wish),
        rows_of(80),
        kind="full",
        seed=1,
        progress=quiet,
    )
    assert made.card.least == least
    assert made.report["holdout"]["least"]["fist"]["right_short"] > 0
