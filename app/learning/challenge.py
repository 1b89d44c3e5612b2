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

from app import features
from app.domain import LabelledWindow, Profile
from app.learning.catalogue import AUTO, FULL, INCREMENTAL, PORTFOLIO, spec_of
from app.learning.dataset import Dataset, Manifest, Recipe, build, manifest, split
from app.learning.evaluate import Answers, evaluate, examine
from app.learning.export import export
from app.learning.incremental import train_incremental
from app.learning.model import Model, ModelCard
from app.learning.promotion import Candidate, Decision, Policy, decide
from app.learning.story import tell
from app.learning.train import Progress, train_full
from app.learning.weights import weights_of

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
        )
    else:
        trained = train_full(
            train,
            estimator,
            seed=seed,
            progress=progress,
            unknown_rate=profile.retrain.unknown_rate,
        )
    progress("exporting", 0.85)
    onnx, card = export(trained, profile, train, holdout)
    card = replace(card, least=profile.retrain.least)
    progress(f"judging on {len(holdout)} held-out events", 0.9)
    listed = manifest(dataset, parts, trained.feature_set, share)
    judged = Model.load(onnx, card)
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
        sharpness = trained.sharpness
        again = train_full(
            dataset, trained.name, seed=seed, progress=progress, sharpness=sharpness
        )
        served = export(again, profile, train, holdout)
        after = evaluate(Model.load(*served), holdout)
        # whoever has learnt the hold-out knows it; if not, the fit went wrong
        if after.accuracy >= report.accuracy:
            onnx = served[0]
            card = replace(served[1], rule=trained.rule, least=card.least)
            listed = replace(listed, refitted=Recipe(trained.name, seed, sharpness))
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
    if champion is not None and champion.model.feature_set in features.FEATURE_SETS:
        reads = max(reads, champion.model.feature_set)
    return reads


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


def as_learnt(listed: Manifest, dataset: Dataset, known: Mapping[UUID, str]) -> Dataset:
    """Return the rows of events in `known`, with the labels and weights of then."""
    rows = dataset.take(i for i, e in enumerate(dataset.events) if e in known)
    return replace(
        rows,
        labels=tuple(known[e] for e in rows.events),
        weights=weights_of(listed.weighing, rows.events),
    )


def fitted_again(
    served: Model, recipe: Recipe, profile: Profile, rows: Dataset
) -> Model:
    """Fit what serves by its recipe to other rows; what it demands stays the same."""
    fitted = train_full(
        rows,
        recipe.estimator,
        seed=recipe.seed,
        progress=quiet,
        sharpness=recipe.sharpness,
    )
    onnx, card = export(fitted, profile, rows)
    demands = served.card
    return Model.load(onnx, replace(card, rule=demands.rule, least=demands.least))


def quiet(_: str, __: float) -> None:
    """Show no progress: what serves is not what the user waits for."""
