"""One retrain from rows to verdict, pure: what the trainer calls in a thread.

A challenger is fitted to the training rows and judged on the hold-out.  A full one is
then fitted once more, by the same recipe, to all rows: while labels are few, a seventh
of them is worth a point or two of accuracy.  So what serves has learnt the hold-out and
can never be judged by it; the next retrain judges the champion by its *judged* model,
fitted again from the manifest, which the fixed seed makes the same.  Incremental models
are served as they were judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from app import features
from app.domain import Beside, LabelledWindow, Profile, RetrainPolicy
from app.learning.again import as_learnt, by_recipe, fitted_again
from app.learning.catalogue import AUTO, FULL, INCREMENTAL, PORTFOLIO, spec_of
from app.learning.dataset import Dataset, Manifest, build, manifest, split
from app.learning.evaluate import Answers, evaluate, examine
from app.learning.export import export
from app.learning.incremental import train_incremental
from app.learning.model import Model, ModelCard
from app.learning.promotion import Candidate, Decision, Policy, decide
from app.learning.story import tell
from app.learning.train import Progress, train_full
from app.learning.unknown import Rule, find_rule

CONVOLVED_ROWS = 5000
"""With more rows patterns are not tried: 80 MB of features, and plain ones suffice."""


@dataclass(frozen=True, slots=True, eq=False)
class Champion:
    """The serving version, as the trainer sees it."""

    model: Model
    manifest: Manifest

    @property
    def learnt(self) -> frozenset[UUID]:
        """Events that it learnt from before it was judged."""
        return self.manifest.judged_without

    @property
    def listed(self) -> frozenset[UUID]:
        """Events that it learnt from or was judged by."""
        return self.learnt | {event for event, _ in self.manifest.holdout}


@dataclass(frozen=True, slots=True, eq=False)
class Challenger:
    """A trained version, judged, and everything its row needs.

    Parameters
    ----------
    kind : "full" or "incremental"
    onnx : bytes
    card : ModelCard
    manifest : Manifest
    report : dict
        JSON: hold-out scores, search, split rule, seed, champion's scores.
    decision : Decision
    state : bytes or None
        For the next incremental training.
    answers : mapping of "holdout" and "gold" to Answers
        What the judged model said, so that it can be scored again.
    """

    kind: str
    onnx: bytes
    card: ModelCard
    manifest: Manifest
    report: dict[str, object]
    decision: Decision
    state: bytes | None
    answers: Mapping[str, Answers]


def challenge(
    profile: Profile,
    rows: Sequence[LabelledWindow],
    *,
    kind: str,
    seed: int,
    progress: Progress,
    champion: Champion | None = None,
    parent_state: bytes | None = None,
    looks: int = 1,
    gold: Sequence[LabelledWindow] = (),
) -> Challenger:
    """Train one challenger and judge it against the champion.

    Parameters
    ----------
    profile : Profile
    rows : labelled windows, all of the profile's, in any order
    kind : {"full", "incremental"}
    seed : int >= 0
    progress : function of (what is being done, share done)
        May raise `Cancelled`.
    champion : Champion, optional
    parent_state : bytes, optional
        Verified state of the incremental parent.
    looks : int > 0
        Which challenger this is since a champion was last found better.
    gold : labelled windows, none of `rows`
        Nobody learns them; whoever is worse on them is rejected.

    Raises
    ------
    CannotLearn
        If there are too few classes, or the estimator cannot learn so.
    ArtefactError
        If the fitted estimator cannot be served.
    """
    progress(f"features of {len(rows)} labelled windows", 0.0)
    reads = _reads(profile, kind, len(rows), champion)
    share = profile.retrain.key_share
    dataset = build(profile, rows, reads).weighed(share)
    chosen = build(profile, gold, reads)
    parts = split(dataset)
    train, holdout = dataset.take(parts.train), dataset.take(parts.holdout)
    estimator = profile.retrain.estimator
    if kind == INCREMENTAL:
        trained = train_incremental(
            parent_state,
            train,
            estimator,
            seed=seed,
            progress=progress,
            online=profile.is_online,
            feature_set=features.with_context(features.PLAIN, _keeps_context(profile)),
        )
    else:
        trained = train_full(
            train,
            estimator,
            seed=seed,
            progress=progress,
            unknown_rate=profile.retrain.unknown_rate,
            context=None if _keeps_context(profile) else False,
        )
    progress("exporting", 0.85)
    onnx, card = export(trained, profile, train, holdout)
    card = replace(card, least=profile.retrain.least)
    progress(f"judging on {len(holdout)} held-out events", 0.9)
    listed = manifest(dataset, parts, trained.feature_set, share)
    judged = Model.load(onnx, card)
    said, report = examine(judged, holdout)
    if kind == INCREMENTAL:
        trained = replace(
            trained, rule=_held_out_rule(judged, holdout, said, profile.retrain)
        )
        card = replace(card, rule=trained.rule)
        judged = replace(judged, card=card)
        said, report = examine(judged, holdout)
    answers, on_gold = {"holdout": said}, None
    if len(chosen):
        answers["gold"], on_gold = examine(judged, chosen)
    fresh = train.take(()) if champion is None else train.without(champion.listed)
    theirs = _champion(champion, profile, dataset, _Judges(holdout, fresh, chosen))
    ours = Candidate(
        report,
        len(train),
        _groups(train),
        trained.search.get(trained.name),
        new_rows=0 if champion is None else len(train.without(champion.learnt)),
        fresh=trained.unseen,
        gold=on_gold,
    )
    asked = profile.retrain
    decision = decide(
        theirs,
        ours,
        Policy(asked.budget, asked.margin, profile.is_online, looks),
        dict(zip(holdout.events, _pairs(holdout), strict=True)),
    )
    if kind == FULL:
        again = by_recipe(trained.recipe, dataset, progress)
        served = export(again, profile, train, holdout)
        after = evaluate(Model.load(*served), holdout)
        # whoever has learnt the hold-out knows it; if not, the fit went wrong
        if after.accuracy >= report.accuracy:
            onnx = served[0]
            card = replace(served[1], rule=trained.rule, least=card.least)
            listed = replace(listed, refitted=trained.recipe)
    card = card.with_unknown_below(report.unknown_below)
    story = tell(profile, kind, trained, train, ours, theirs, decision, listed)
    return Challenger(kind, onnx, card, listed, story, decision, trained.state, answers)


def _reads(profile: Profile, kind: str, n_rows: int, champion: Champion | None) -> str:
    """Return the widest feature set that somebody reads; the others are its columns."""
    estimator = profile.retrain.estimator
    reads = features.PLAIN
    if kind == FULL and n_rows <= CONVOLVED_ROWS:
        able = PORTFOLIO if estimator == AUTO else (estimator,)
        reads = max(spec_of(name).feature_set for name in able)
    reads = features.with_context(reads, _keeps_context(profile))
    if champion is not None and champion.model.feature_set in features.FEATURE_SETS:
        reads = features.widest(reads, champion.model.feature_set)
    return reads


def _keeps_context(profile: Profile) -> bool:
    return profile.retrain.context != Beside.NONE


def _held_out_rule(
    judged: Model, holdout: Dataset, said: Answers, asked: RetrainPolicy
) -> Rule | None:
    """Set the rule of what is unknown by held-out rows: there are no folds here."""
    if judged.space is None or not len(holdout):
        return None
    best = said.probabilities.argmax(axis=1)
    right = [judged.classes[k] == y for k, y in zip(best, holdout.labels, strict=True)]
    return find_rule(
        judged.space.table(holdout.table(judged.feature_set)),
        said.probabilities.max(axis=1),
        np.array(right),
        asked.unknown_rate,
    )


def best(challengers: Sequence[Challenger]) -> Challenger | None:
    """Return the one to promote, if any: most held-out events right, then the full."""
    able = [c for c in challengers if c.decision.promotes]
    return max(
        able,
        key=lambda c: (c.decision.numbers["challenger_accuracy"], c.kind == FULL),
        default=None,
    )


def _pairs(rows: Dataset) -> Iterator[tuple[str, str]]:
    return zip(rows.devices, rows.labels, strict=True)


def _groups(rows: Dataset) -> frozenset[tuple[str, str]]:
    return frozenset(_pairs(rows))


@dataclass(frozen=True, slots=True, eq=False)
class _Judges:
    """What judges a champion; rows that it was trained on are left out."""

    holdout: Dataset
    fresh: Dataset
    gold: Dataset


def _champion(
    champion: Champion | None, profile: Profile, dataset: Dataset, judges: _Judges
) -> Candidate | None:
    """Judge the champion's judged model on hold-out rows that it was not trained on."""
    if champion is None:
        return None
    known = dict(champion.manifest.train)
    learnt = as_learnt(champion.manifest, dataset, known)
    model, recipe = champion.model, champion.manifest.refitted
    if recipe is not None and len(learnt.classes) > 1:
        model = fitted_again(model, recipe, profile, learnt)
    return Candidate(
        evaluate(model, judges.holdout.without(known)),
        len(known),
        _groups(learnt),
        fresh=evaluate(model, judges.fresh).correct,
        gold=evaluate(model, judges.gold.without(known)) if len(judges.gold) else None,
    )
