import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from app.domain import RetrainPolicy
from app.errors import CannotLearn
from app.learning import Model, ModelCard
from app.learning.challenge import Champion, best, challenge
from app.learning.dataset import Manifest, build
from app.learning.evaluate import evaluate
from app.learning.export import export
from app.learning.train import train_full


@pytest.fixture(scope="module")
def asked(profile):
    return replace(profile, retrain=RetrainPolicy(estimator="logistic"))


def first(asked, rows, quiet, **more):
    return challenge(asked, rows, kind="full", seed=1, progress=quiet, **more)


def serving(got):
    return Champion(Model.load(got.onnx, got.card, 1), got.manifest)


def test_a_first_challenger_is_judged_and_its_card_loads_from_json(
    asked, rows_of, quiet
):
    got = first(asked, rows_of(300), quiet)
    assert got.decision.promotes
    report = json.loads(json.dumps(got.report))
    assert report["n_train"] + report["n_holdout"] == 300
    assert report["holdout"]["accuracy"] > 0.8
    assert report["trained_through"].startswith("1970-01-01T00:04")
    assert report["unknown"]["rate"] == 0.05
    card = ModelCard.from_json(json.loads(json.dumps(got.card.to_json())))
    assert card.unknown_below > 0
    assert Model.load(got.onnx, card).classes == ("fist", "point", "wave")


def test_the_champion_is_judged_only_on_rows_that_it_was_not_trained_on(
    asked, rows_of, quiet
):
    old = first(asked, rows_of(60), quiet)
    held = [e for e, _ in first(asked, rows_of(150), quiet).manifest.holdout]
    leaked = replace(old.manifest, train=tuple((e, "fist") for e in held[:7]))
    champion = replace(serving(old), manifest=leaked)
    got = first(asked, rows_of(150), quiet, champion=champion)
    assert got.decision.numbers["n"] == len(held) - 7


def test_the_champion_is_judged_by_the_model_that_has_not_learnt_the_holdout(
    asked, rows_of, quiet
):
    """Random labels: only who has learnt the hold-out can know it."""
    random = np.random.default_rng(0)
    names = ("fist", "wave", "point")
    rows = [replace(r, label=names[random.integers(3)]) for r in rows_of(200)]
    trees = replace(asked, retrain=RetrainPolicy(estimator="extra_trees"))
    champion = serving(first(trees, rows, quiet))
    got = first(trees, rows, quiet, champion=champion)
    assert champion.manifest.refitted is not None
    holdout = build(trees, rows).without(champion.manifest.judged_without)
    assert evaluate(champion.model, holdout).accuracy > 0.9
    assert got.decision.numbers["champion_accuracy"] < 0.7
    assert got.report["holdout"] == got.report["champion_holdout"]


def test_a_champion_that_knows_nothing_of_a_new_class_is_replaced(
    asked, rows_of, quiet
):
    champion = serving(first(asked, rows_of(60, classes=("fist", "wave")), quiet))
    rows = rows_of(60, classes=("fist", "wave")) + rows_of(90, first=60)
    got = first(asked, rows, quiet, champion=champion)
    assert got.decision.promotes
    assert "point" in got.card.classes


def test_the_same_rows_again_are_no_reason_to_promote(asked, rows_of, quiet):
    champion = serving(first(asked, rows_of(60), quiet))
    got = first(asked, rows_of(60)[::-1], quiet, champion=champion)
    assert got.decision.verdict == "not_enough_evidence"
    assert got.card.graph_sha256 == champion.model.card.graph_sha256


def test_the_manifest_alone_makes_the_same_model_after_labels_were_corrected(
    asked, rows_of, quiet
):
    rows = rows_of(90)
    got = first(asked, rows, quiet)
    known = dict((*got.manifest.train, *got.manifest.holdout))
    recipe = asdict(got.manifest.refitted)
    now = [replace(r, label="fist") for r in rows if r.event in known]
    then = [replace(r, label=known[r.event]) for r in now]

    def digest(rows):
        table = build(asked, rows)
        again = train_full(table, progress=quiet, **recipe)
        return export(again, asked, table)[1].graph_sha256

    assert digest(then) == got.card.graph_sha256
    corrected = [replace(then[0], label=rows[1].label), *then[1:]]
    assert digest(corrected) != got.card.graph_sha256


def test_poisoned_labels_are_rejected(asked, rows_of, quiet):
    good = rows_of(300)
    champion = serving(first(asked, good, quiet))
    wrong = {"fist": "wave", "wave": "point", "point": "fist"}
    held = {e for e, _ in champion.manifest.holdout}
    bad = [r if r.event in held else replace(r, label=wrong[r.label]) for r in good]
    assert first(asked, bad, quiet, champion=champion).decision.verdict == "reject"


def test_incremental_follows_its_parent_and_the_better_of_both_is_chosen(
    profile, rows_of, quiet
):
    def onwards(rows, state=None):
        return challenge(
            profile,
            rows,
            kind="incremental",
            seed=1,
            progress=quiet,
            parent_state=state,
        )

    parent = onwards(rows_of(100))
    child = onwards(rows_of(150), parent.state)
    assert child.report["restarted"] == ""
    assert child.report["estimator"] == "sgd"
    assert best([parent, child]) in (parent, child)
    assert best([]) is None


def test_incremental_of_an_estimator_that_cannot_is_refused(asked, rows_of, quiet):
    with pytest.raises(CannotLearn, match="logistic"):
        challenge(asked, rows_of(20), kind="incremental", seed=1, progress=quiet)


def test_gold_is_never_learnt_and_vetoes_what_is_worse_on_it(asked, rows_of, quiet):
    """Fist and wave change places in everything but gold."""
    rows = rows_of(240)
    gold, rest = rows[:30], rows[30:]
    champion = serving(first(asked, rest, quiet, gold=gold))
    swapped = {"fist": "wave", "wave": "fist"}
    lies = [replace(r, label=swapped.get(r.label, r.label)) for r in rest]
    assert first(asked, lies, quiet, champion=champion).decision.verdict == "promote"
    got = first(asked, lies, quiet, champion=champion, gold=gold)
    assert got.decision.verdict == "reject"
    assert "worse on gold: of 30 gold events" in got.decision.reason
    assert got.report["gold"]["accuracy"] < got.report["champion_gold"]["accuracy"]
    listed = {e for e, _ in (*got.manifest.train, *got.manifest.holdout)}
    assert listed.isdisjoint(r.event for r in gold)


@pytest.mark.parametrize("estimator", ["blend", "lda", "extra_trees", "patterns"])
def test_a_key_that_labels_most_of_a_class_is_weighed_down_and_the_manifest_says_so(
    profile, rows_of, quiet, estimator
):
    asked = replace(profile, retrain=RetrainPolicy(estimator=estimator, key_share=0.4))
    rows = [replace(r, by="abc"[min(i % 10, 2)]) for i, r in enumerate(rows_of(60))]
    first_of = first(asked, rows, quiet)
    weighing = first_of.manifest.weighing
    assert {round(of["c"], 2) for of in weighing.shares.values()} <= {0.4, 0.5}
    again = Manifest.from_json(json.loads(json.dumps(first_of.manifest.to_json())))
    assert again == first_of.manifest
    same = first(asked, rows, quiet, champion=serving(first_of))
    assert same.decision.numbers["wins"] == same.decision.numbers["losses"] == 0
    alone = first(asked, [replace(r, by="c") for r in rows], quiet)
    assert alone.manifest.weighing is None
    assert alone.manifest.digest != first_of.manifest.digest
    assert alone.card.graph_sha256 != first_of.card.graph_sha256
