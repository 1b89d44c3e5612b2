"""All rows -> fitted estimator: one thread, one seed.

The same rows and the same seed give the same artefact, so nothing here looks at a
clock: the search for an estimator is bounded by rows and folds, not by seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import numpy as np
from threadpoolctl import threadpool_limits

from app import features
from app.domain import Float32Array, FloatArray
from app.errors import CannotLearn
from app.learning.calibration import calibrate, sharpened
from app.learning.catalogue import ESTIMATORS, PORTFOLIO, EstimatorSpec, spec_of
from app.learning.choosing import choose, is_ahead
from app.learning.dataset import Dataset, Recipe
from app.learning.estimators import Modes, find_modes, fit_weighed, make, weigh
from app.learning.novelty import find_space
from app.learning.space import Space
from app.learning.unknown import Rule, find_rule
from app.learning.unseen import Unseen, folds

Progress = Callable[[str, float], None]

UNKNOWN_RATE = 0.05
"""Share of right answers that may be called unknown, unless a profile says another."""
SPACE_FOLDS = 10
SEARCH_ROWS = 2000
"""Cross-validation looks at no more rows than these, drawn evenly over time."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A fitted estimator with all that its export and report need.

    Parameters
    ----------
    name : str
        Key of `ESTIMATORS`.
    fitted : scikit-learn classifier over mode numbers
    modes : Modes
    seed : int
    n_train : int
    search : dict of str to float
        Cross-validated accuracy of every estimator tried; empty if none was.
    state : bytes or None
        For the next incremental training; only the trainer reads it, by its digest.
    restarted : str
        Why an incremental training began anew; empty if it did not.
    feature_set : {"v1", "v2", "v1+c1", "v2+c1"}
    sharpness : float > 0
        The power to which probabilities are raised before they are made to sum to one:
        below 1 they were too sure of themselves, above it not sure enough.
    space : Space or None
        Where rows lie among what was learnt; None: nothing is far.
    rule : Rule or None
        When a window is unknown, if there were rows to find that out.
    unseen : mapping of event to bool
        Whether a model without a row was right on it; of some rows, or none.
    tried : (float, float) or None
        Cross-validated accuracy without and with what was known beside the windows.
    """

    name: str
    fitted: Any
    modes: Modes
    seed: int
    n_train: int
    search: dict[str, float] = field(default_factory=dict)
    state: bytes | None = None
    restarted: str = ""
    feature_set: str = features.PLAIN
    sharpness: float = 1.0
    space: Space | None = None
    rule: Rule | None = None
    unseen: Mapping[UUID, bool] = field(default_factory=dict)
    tried: tuple[float, float] | None = None

    @property
    def recipe(self) -> Recipe:
        """How to fit the same to other rows, with nothing left to choose."""
        return Recipe(self.name, self.seed, self.sharpness, self.reads_context)

    @property
    def reads_context(self) -> bool:
        """Whether it looks at what was known beside the windows."""
        return features.reads_context(self.feature_set)

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that the model tells apart, sorted."""
        return self.modes.classes

    def probabilities(self, table: Float32Array) -> FloatArray:
        """Return (n_rows, n_classes) as scikit-learn computes it."""
        with threadpool_limits(1):
            said = _probabilities(self.fitted, self.modes, table)
        return sharpened(said, self.sharpness)


def train_full(
    rows: Dataset,
    estimator: str = "auto",
    *,
    seed: int,
    progress: Progress,
    sharpness: float | None = None,
    unknown_rate: float = UNKNOWN_RATE,
    context: bool | None = None,
) -> Trained:
    """Fit an estimator to all rows; ``auto`` chooses one by cross-validation.

    Its probabilities are calibrated by what models without a row say of that row, and
    so is the rule for what is unknown.

    Parameters
    ----------
    sharpness : float > 0 or None
        Of the same estimator on about the same rows; None finds it anew, and a rule.
    unknown_rate : float in (0, 1)
        Share of right answers that may be called unknown.
    context : bool or None
        Whether to read what was known beside the windows; None finds out, where the
        rows have it, whether that makes models better on rows without which they were
        fitted.

    Raises
    ------
    CannotLearn
        If there are fewer than two classes, or no such estimator.
    """
    require_classes(rows)
    with threadpool_limits(1):
        search: dict[str, float] = {}
        asked: Unseen | None = None
        tried: tuple[float, float] | None = None
        if estimator == "auto":
            unseen = _search(rows, seed, progress)
            right = {name: one.right for name, one in unseen.items()}
            search = {name: float(r.mean()) for name, r in right.items()}
            estimator = choose(right)
            asked = unseen[estimator]
        spec = spec_of(estimator)
        if not rows.has(spec.feature_set):
            raise CannotLearn(
                f"estimator {spec.name!r} reads feature set {spec.feature_set}, which "
                f"{len(rows)} rows are too many for"
            )
        if context is None and rows.has(features.with_context(spec.feature_set)):
            progress(f"trying {spec.name} with what was known beside", 0.65)
            sample = _thinned(rows)
            asked = _out_of_fold(sample, spec, seed) if asked is None else asked
            beside = _out_of_fold(sample, _with_context(spec), seed)
            tried = _share(asked), _share(beside)
            if context := is_ahead(beside, asked):
                asked = beside
                search |= {spec.name: tried[1]} if search else {}
        progress(f"fitting {spec.name} to {len(rows)} rows", 0.7)
        spec = _with_context(spec) if context else spec
        modes = find_modes(rows, spec.modes)
        fitted = _fit(spec, rows, modes, seed)
        rule = None
        if sharpness is None:
            progress(f"calibrating {spec.name}", 0.75)
            sample = _thinned(rows)
            asked = _out_of_fold(sample, spec, seed) if asked is None else asked
            sharpness = calibrate(asked.said)
            rule = _rule(sample, asked, sharpness, unknown_rate)
        space = find_space(_thinned(rows))
    return Trained(
        spec.name,
        fitted,
        modes,
        seed,
        len(rows),
        search,
        feature_set=spec.feature_set,
        sharpness=sharpness,
        space=space,
        rule=rule,
        unseen={} if asked is None else asked.by_event,
        tried=tried,
    )


def _with_context(spec: EstimatorSpec) -> EstimatorSpec:
    return replace(spec, feature_set=features.with_context(spec.feature_set))


def _share(asked: Unseen) -> float:
    return float(asked.right.mean())


def require_classes(rows: Dataset) -> None:
    """Refuse rows that no classifier can learn from."""
    if len(rows.classes) < 2:
        raise CannotLearn(
            f"{len(rows)} labelled rows of {len(rows.classes)} classes: "
            "training needs at least 2 classes"
        )


def _fit(spec: EstimatorSpec, rows: Dataset, modes: Modes, seed: int) -> Any:
    estimator = make(spec, seed, weigh(rows, modes), modes)
    table, target = rows.table(spec.feature_set), modes.numbers(rows)
    try:
        with warnings.catch_warnings():
            # modes of many devices have two rows each: scikit-learn takes their numbers
            # for a quantity, and says so at every fit
            warnings.filterwarnings("ignore", "The number of unique classes is greater")
            if rows.weights:
                return fit_weighed(estimator, table, target, np.array(rows.weights))
            return estimator.fit(table, target)
    except np.linalg.LinAlgError as error:
        raise CannotLearn(f"{spec.name} cannot be fitted: {error}") from error


def _probabilities(fitted: Any, modes: Modes, table: Float32Array) -> FloatArray:
    said = fitted.predict_proba(table)
    out: FloatArray = said @ modes.matrix()[fitted.classes_.astype(int)]
    return out


def _search(rows: Dataset, seed: int, progress: Progress) -> dict[str, Unseen]:
    """Cross-validate the portfolio."""
    rows = _thinned(rows)
    out: dict[str, Unseen] = {}
    failed = CannotLearn("no estimator reads these rows")
    able = [n for n in PORTFOLIO if rows.has(ESTIMATORS[n].feature_set)]
    for done, name in enumerate(able):
        spec = ESTIMATORS[name]
        progress(f"cross-validating {name}", 0.1 + 0.6 * done / len(able))
        try:
            out[name] = _out_of_fold(rows, spec, seed)
        except CannotLearn as error:
            failed = error  # the others may
    if not out:
        raise failed
    return out


def _thinned(rows: Dataset) -> Dataset:
    if len(rows) <= SEARCH_ROWS:
        return rows
    return rows.take(np.linspace(0, len(rows) - 1, SEARCH_ROWS).astype(int))


def _out_of_fold(rows: Dataset, spec: EstimatorSpec, seed: int) -> Unseen:
    """Ask models of every row that were fitted without its fold."""
    fold = folds(rows)
    right = np.zeros(len(rows), dtype=np.bool_)
    told: list[FloatArray] = []
    at: list[int] = []
    for k in range(fold.max() + 1):
        part = rows.take(np.flatnonzero(fold != k))
        left = np.flatnonzero(fold == k)
        if len(part.classes) < 2 or not len(left):
            continue
        modes = find_modes(part, spec.modes)
        fitted = _fit(spec, part, modes, seed)
        said = _probabilities(fitted, modes, rows.table(spec.feature_set)[left])
        best = said.argmax(axis=1)
        for i, row, first in zip(left, said, best, strict=True):
            label = rows.labels[i]
            right[i] = modes.classes[first] == label
            if label in modes.classes:
                told.append(np.roll(row, -modes.classes.index(label)))
                at.append(int(i))
    return Unseen(rows.events, right, told, at)


def _rule(rows: Dataset, unseen: Unseen, sharpness: float, rate: float) -> Rule | None:
    """Find out how far rows lie from what was learnt without them.

    Without a tenth of the rows at a time, neighbours in time apart: what is served has
    learnt all of them, and with fewer everything lies further away.
    """
    fold = np.arange(len(rows)) % SPACE_FOLDS
    far: list[FloatArray | None] = [None] * len(rows)
    for k in range(SPACE_FOLDS):
        space = find_space(rows.take(np.flatnonzero(fold != k)))
        left = np.flatnonzero(fold == k)
        if space is not None:
            for i in left:
                far[i] = space.distances(rows.features[i])
    best = np.full(len(rows), np.nan)
    for i, row in zip(unseen.told, unseen.said, strict=True):
        best[i] = sharpened(row[None], sharpness).max()
    known = [i for i, one in enumerate(far) if one is not None and best[i] >= 0]
    if not known:
        return None
    table = np.array([far[i] for i in known])
    return find_rule(table, best[known], unseen.right[known], rate)
