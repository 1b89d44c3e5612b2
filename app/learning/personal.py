"""A model of a device's own: where it beats what serves, by that device's labels.

The newest third of a device's labelled events judges; neither side has learnt it.  Its
own model learns the rest of the device's rows, and of classes that the device has no
label of the rows of others, so that it can say whatever what serves can.  The other
side is what serves, fitted again without the judging rows of all devices that are
looked at.

promote   better beyond chance, with the rules and the budget of `promotion`: the k-th
          look at a device may spend ``alpha / (k (k + 1))``
refresh   of a device that has a model of its own: it is still ahead on the newest
          third, by however little, and one that learnt the new labels follows
retire    it is no longer ahead, and the device goes by its profile again; this needs no
          proof, so nobody stays with a model of their own that does not pay
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from app import features
from app.domain import LabelledWindow, Profile
from app.errors import ArtefactError, CannotLearn
from app.learning.again import as_learnt, by_recipe, fitted_again, quiet
from app.learning.catalogue import ESTIMATORS, FULL, PORTFOLIO
from app.learning.challenge import Challenger
from app.learning.dataset import Dataset, Manifest, Split, build, manifest
from app.learning.evaluate import evaluate, examine
from app.learning.export import export
from app.learning.model import Model
from app.learning.promotion import (
    HOLD,
    NOT_ENOUGH_EVIDENCE,
    PROMOTE,
    REFRESH,
    REJECT,
    Candidate,
    Decision,
    Policy,
    decide,
)
from app.learning.story import tell
from app.learning.train import Progress, Trained, train_full

RETIRE = "retire"
LEAST_ROWS = 30
"""Labelled events that a device needs; ten of them judge."""
MOST_JUDGES = 200
LEAST_NEW = 5
"""Labels that must have come since a device was looked at, to look again."""
MOST_DEVICES = 20
"""Devices without a model of their own that one training looks at, a second each."""
BORROWED = 10
"""Rows of others for a class that the device has no label of."""
SPLIT_RULE = (
    f"the newest third of the device's labelled events, {MOST_JUDGES} at most; "
    "never trained on while they judge"
)


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """What serves a device without a model of its own."""

    model: Model
    manifest: Manifest

    @property
    def estimator(self) -> str:
        """What a model of a device's own is."""
        name = self.model.card.estimator
        return name if name in PORTFOLIO else PORTFOLIO[0]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a device is.

    Parameters
    ----------
    own : bool
        Whether a model of its own serves it.
    looks : int >= 0
        Since a model of its own was last found better.
    rows : int >= 0
        Labelled events that it had when it was last looked at.
    """

    own: bool = False
    looks: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Adaptation:
    """What came of looking at a device; `challenger` None: nothing new is to serve."""

    device: str
    decision: Decision
    looks: int
    rows: int
    challenger: Challenger | None = None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON."""
        return {
            "verdict": self.decision.verdict,
            "reason": self.decision.reason,
            "numbers": self.decision.numbers,
            "looks": self.looks,
            "rows": self.rows,
        }


def adapt(
    profile: Profile,
    rows: Sequence[LabelledWindow],
    base: Base,
    standing: Mapping[str, Standing],
    *,
    left_alone: Collection[str] = (),
    seed: int,
    progress: Progress,
) -> list[Adaptation]:
    """Judge models of their own of the devices that have enough labels.

    Parameters
    ----------
    rows : labelled windows, all of the profile's, in any order
    base : Base
    standing : mapping of device to Standing; those left out: never looked at
    left_alone : devices that are not judged

    Raises
    ------
    CannotLearn
        If what serves cannot be fitted without the judging rows.
    """
    reads = features.widest(
        ESTIMATORS[base.estimator].feature_set, base.model.feature_set
    )
    if (recipe := base.manifest.refitted) is not None:
        reads = features.widest(reads, ESTIMATORS[recipe.estimator].feature_set)
    counts = Counter({row.event: row.device for row in rows}.values())
    chosen = [one for one in _chosen(counts, standing) if one not in left_alone]
    if len(counts) < 2 or not chosen:
        return []
    dataset = build(profile, rows, reads).weighed(profile.retrain.key_share)
    parts = {device: _part(dataset, device) for device in chosen}
    judges = {i for _, judging in parts.values() for i in judging}
    served, known = _without(base, profile, dataset, judges)
    done = []
    for k, (device, (learnt, judging)) in enumerate(parts.items()):
        progress(f"a model of {device}'s own", k / len(parts))
        one = _Device(profile, dataset, base, device, learnt, judging, seed)
        done.append(one.judge(served, known, standing.get(device, Standing())))
    return done


def _chosen(counts: Mapping[str, int], standing: Mapping[str, Standing]) -> list[str]:
    """Choose the devices with a model of their own, and those with most to say."""
    new = {
        device: n - standing.get(device, Standing()).rows
        for device, n in counts.items()
    }
    own = sorted(device for device, one in standing.items() if one.own)
    able = [
        device
        for device, n in counts.items()
        if device not in own and n >= LEAST_ROWS and new[device] >= LEAST_NEW
    ]
    return own + sorted(able, key=lambda device: (-new[device], device))[:MOST_DEVICES]


def _part(dataset: Dataset, device: str) -> tuple[list[int], list[int]]:
    """Part a device's rows, which are in order of time, into learnt and judging."""
    mine = [i for i, d in enumerate(dataset.devices) if d == device]
    first = len(mine) - min(len(mine) // 3, MOST_JUDGES)
    return mine[:first], mine[first:]


def _without(
    base: Base, profile: Profile, dataset: Dataset, judges: set[int]
) -> tuple[Model, frozenset[UUID]]:
    """Return what serves, without the judging rows, and the events that it knows."""
    recipe = base.manifest.refitted
    if recipe is None:
        return base.model, base.manifest.judged_without
    judging = {dataset.events[i] for i in judges}
    listed = (*base.manifest.train, *base.manifest.holdout)
    known = {event: label for event, label in listed if event not in judging}
    rows = as_learnt(base.manifest, dataset, known)
    return fitted_again(base.model, recipe, profile, rows), frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class _Device:
    profile: Profile
    dataset: Dataset
    base: Base
    device: str
    learnt: list[int]
    judging: list[int]
    seed: int

    def judge(
        self, served: Model, known: frozenset[UUID], so_far: Standing
    ) -> Adaptation:
        n = len(self.learnt) + len(self.judging)
        looks = so_far.looks + (0 if so_far.own else 1)
        judges = self.dataset.take(self.judging).without(known)
        borrowed = self._borrowed()
        mine = self.dataset.take(sorted({*self.learnt, *borrowed}))
        try:
            trained = self._fit(mine)
            onnx, card = export(trained, self.profile, mine)
        except (CannotLearn, ArtefactError) as error:
            nothing = NOT_ENOUGH_EVIDENCE if not so_far.own else RETIRE
            return Adaptation(self.device, Decision(nothing, str(error), {}), looks, n)
        card = replace(card, least=self.profile.retrain.least)
        said, report = examine(Model.load(onnx, card), judges)
        pairs = zip(judges.devices, judges.labels, strict=True)
        where = dict(zip(judges.events, pairs, strict=True))
        groups = frozenset(where.values())
        # as many rows on both sides: here nothing is promoted for being fresher
        ours = Candidate(report, len(mine), groups)
        theirs = Candidate(evaluate(served, judges), len(mine), groups)
        policy = Policy(self.profile.retrain.budget, 0.0, looks=max(looks, 1))
        decision = decide(theirs, ours, policy, where)
        if so_far.own:
            decision = _still(decision, n > so_far.rows)
        if not decision.promotes:
            return Adaptation(self.device, decision, looks, n)
        rows = sorted({*self.learnt, *borrowed, *self.judging})
        every, judging = self.dataset.take(rows), np.isin(rows, self.judging)
        split = Split(np.flatnonzero(~judging), np.flatnonzero(judging), SPLIT_RULE)
        share = self.profile.retrain.key_share
        listed = manifest(every, split, trained.feature_set, share)
        again = by_recipe(trained.recipe, every)
        onnx, refitted = export(again, self.profile, every)
        card = replace(refitted, rule=trained.rule, least=card.least)
        card = card.with_unknown_below(report.unknown_below)
        listed = replace(listed, refitted=trained.recipe)
        story = tell(self.profile, FULL, trained, mine, ours, theirs, decision, listed)
        made = Challenger(
            FULL,
            onnx,
            card,
            listed,
            {**story, "device": self.device},
            decision,
            None,
            {"holdout": said},
        )
        return Adaptation(
            self.device, decision, 0 if decision.verdict == PROMOTE else looks, n, made
        )

    def _fit(self, rows: Dataset) -> Trained:
        return train_full(
            rows,
            self.base.estimator,
            seed=self.seed,
            progress=quiet,
            unknown_rate=self.profile.retrain.unknown_rate,
            context=self.base.model.reads_context,
        )

    def _borrowed(self) -> list[int]:
        """Rows of others, of classes that the device does not know, spread in time."""
        mine = [self.dataset.labels[i] for i in self.learnt]
        found: list[int] = []
        for label in self.base.model.classes:
            if mine.count(label) >= 2:
                continue
            theirs = [
                i
                for i, y in enumerate(self.dataset.labels)
                if y == label and self.dataset.devices[i] != self.device
            ]
            step = max(1, -(-len(theirs) // BORROWED))
            found += theirs[::step]
        return found


def _still(decision: Decision, has_new: bool) -> Decision:
    """Judge a model that serves a device: it must be ahead, and needs no proof."""
    wins, losses = decision.numbers["wins"], decision.numbers["losses"]
    score = (
        f"of the newest {decision.numbers['n']:.0f} labelled events it alone is right "
        f"on {wins:.0f}, what serves the others alone on {losses:.0f}"
    )
    if wins > losses and not decision.floors and decision.verdict != REJECT:
        verdict = REFRESH if has_new else HOLD
        return replace(decision, verdict=verdict, reason=f"still ahead: {score}")
    return replace(decision, verdict=RETIRE, reason=f"no longer ahead: {score}")
