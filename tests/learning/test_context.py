"""Ablation: a stream whose classes follow one another, and one where they do not."""

from dataclasses import replace
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pytest

from app import features
from app.domain import Beside, Event, LabelledWindow, Prediction, RetrainPolicy, utc
from app.features import Session
from app.learning import Model, classify
from app.learning.challenge import Champion, challenge
from app.learning.dataset import build, split
from app.learning.evaluate import evaluate
from app.learning.export import export
from app.learning.incremental import train_incremental
from app.learning.personal import Base, Standing, adapt
from app.learning.train import train_full

CLASSES = ("left", "right")
RIGHT = 0.9


def stream(n: int, follows: float, seed: int = 0, devices: int = 2):
    """Windows that say little; a class is the other one's successor that often.

    What was served before is known, right in nine of ten.
    """
    random = np.random.default_rng(seed)
    rows, sessions = [], {}
    last: dict[str, int] = {}
    for i in range(n):
        device = f"d{i % devices}"
        session = sessions.setdefault(device, Session(50.0))
        before = last.get(device, 0)
        k = 1 - before if random.random() < follows else before
        last[device] = k
        loud = np.array([1.0, 1.0, 1.0])
        loud[k] = 1.1
        values = (random.normal(0, 1, (50, 3)) * loud).astype(np.float32)
        onset = 200 * i + 1
        event = Event(
            *(uuid5(NAMESPACE_OID, f"{seed}/{i}"), device, "b", "band", 1),
            *(onset, onset + 40, utc(4 * i), utc(4 * i + 1), 1.0, values, 5, 5),
        )
        known = session.context(onset)
        rows.append(
            LabelledWindow(
                event.id, device, utc(4 * i), values, CLASSES[k], 5, 5, context=known
            )
        )
        said = k if random.random() < RIGHT else 1 - k
        odds = (0.8, 0.2) if said == 0 else (0.2, 0.8)
        session.note(event, Prediction(CLASSES[said], 0.8, CLASSES, odds, False, 1, ""))
    return rows


@pytest.fixture(scope="module")
def following():
    return stream(600, follows=0.95)


@pytest.fixture(scope="module")
def unrelated():
    return stream(600, follows=0.5)


@pytest.fixture(scope="module")
def asked(profile):
    policy = RetrainPolicy(estimator="logistic", context=Beside.SESSION)
    return replace(profile, retrain=policy)


def challenged(profile, rows, quiet, kind="full", **more):
    return challenge(profile, rows, kind=kind, seed=1, progress=quiet, **more)


def without(profile):
    return replace(profile, retrain=replace(profile.retrain, context=Beside.NONE))


def accuracy(made):
    return made.report["holdout"]["accuracy"]


@pytest.mark.parametrize("kind", ["full", "incremental", "online"])
def test_context_helps_where_classes_follow_one_another(asked, following, quiet, kind):
    if kind != "full":
        mode = "online" if kind == "online" else "incremental"
        asked = replace(
            asked, retrain=replace(asked.retrain, mode=mode, estimator="auto")
        )
    how = "full" if kind == "full" else "incremental"
    blind = challenged(without(asked), following, quiet, how)
    made = challenged(asked, following, quiet, how)
    assert (blind.card.feature_set, made.card.feature_set) == ("v1", "v1+c1")
    assert accuracy(made) >= accuracy(blind) + 0.15
    assert accuracy(made) >= 0.8
    model = Model.load(made.onnx, made.card)
    # answered by compiled loops where it would be without
    quick = Model.load(blind.onnx, blind.card).quick
    assert (model.quick is None) == (quick is None)
    row = following[-1]
    known = classify(model, row.window, 5, 5, row.context)
    assert known.features_digest != classify(model, row.window, 5, 5).features_digest


def test_context_is_left_alone_where_it_says_nothing(asked, unrelated, quiet):
    made = challenged(asked, unrelated, quiet)
    blind = challenged(without(asked), unrelated, quiet)
    tried = made.report["context"]
    assert made.card.feature_set == "v1"
    assert not tried["reads"]
    assert tried["accuracy_with"] <= tried["accuracy_without"] + 0.03
    assert accuracy(made) == accuracy(blind)
    assert made.card.graph_sha256 == blind.card.graph_sha256


def test_what_serves_is_judged_with_its_context_and_made_again_from_its_manifest(
    asked, following, quiet
):
    first = challenged(asked, following[:400], quiet)
    champion = Champion(Model.load(first.onnx, first.card, 1), first.manifest)
    assert first.manifest.refitted.context
    again = challenged(asked, following[:400], quiet, champion=champion)
    assert again.report["champion_holdout"] == first.report["holdout"]
    assert again.card.graph_sha256 == first.card.graph_sha256
    # the setting is taken back: the champion is judged with what it reads all the same
    blind = challenged(without(asked), following[:400], quiet, champion=champion)
    assert blind.card.feature_set == "v1"
    assert blind.report["champion_holdout"] == first.report["holdout"]


def test_events_without_a_past_are_named_all_the_same(asked, following, quiet):
    rows = [replace(row, context=None) for row in following[:200]]
    made = challenged(asked, rows, quiet)
    assert made.card.feature_set == "v1"
    model = Model.load(*exported(asked, following, quiet))
    assert evaluate(model, build(asked, rows, "v1+c1")).n == 200


def exported(profile, rows, quiet):
    dataset = build(profile, rows, "v1+c1")
    trained = train_full(dataset, "logistic", seed=1, progress=quiet, context=True)
    return export(trained, profile, dataset)


def test_a_model_of_a_devices_own_reads_what_its_base_reads(asked, following, quiet):
    base = challenged(asked, following, quiet)
    serving = Base(Model.load(base.onnx, base.card, 1), base.manifest)
    assert serving.model.reads_context
    done = adapt(
        asked, following, serving, {"d0": Standing(own=True)}, seed=1, progress=quiet
    )
    assert {one.device for one in done} == {"d0", "d1"}
    own = [one.challenger for one in done if one.challenger is not None]
    assert all(one.card.feature_set == "v1+c1" for one in own)


def test_going_on_with_another_feature_set_begins_anew_and_says_so(asked, following):
    dataset = build(asked, following[:200], "v1+c1")
    rows = dataset.take(split(dataset).train)

    def step(state, reads):
        return train_incremental(
            state, rows, seed=1, progress=lambda *_: None, feature_set=reads
        )

    first = step(None, features.PLAIN)
    second = step(first.state, "v1+c1")
    assert second.restarted == "the feature set changed"
    assert second.feature_set == "v1+c1"
    assert step(second.state, "v1+c1").restarted == ""
