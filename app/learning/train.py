"""All rows -> fitted estimator: one thread, one seed.

The same rows and the same seed give the same artefact, so nothing here looks at a
clock: the search for an estimator is bounded by rows and folds, not by seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app import features
from app.domain import Float32Array, FloatArray
from app.errors import CannotLearn
from app.learning.catalogue import ESTIMATORS, PORTFOLIO, EstimatorSpec, spec_of
from app.learning.dataset import Dataset
from app.learning.estimators import Modes, find_modes, make, weigh
from app.learning.evidence import chance

Progress = Callable[[str, float], None]

LEAD_ALPHA = 0.35
FEW_ROWS = 300
"""With no more rows than these, cross-validation trains on more of them."""
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
    feature_set : {"v1", "v2"}
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

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that the model tells apart, sorted."""
        return self.modes.classes

    def probabilities(self, table: Float32Array) -> FloatArray:
        """Return (n_rows, n_classes) as scikit-learn computes it."""
        with threadpool_limits(1):
            return _probabilities(self.fitted, self.modes, table)


def train_full(
    rows: Dataset, estimator: str = "auto", *, seed: int, progress: Progress
) -> Trained:
    """Fit an estimator to all rows; ``auto`` chooses one by cross-validation.

    Raises
    ------
    CannotLearn
        If there are fewer than two classes, or no such estimator.
    """
    require_classes(rows)
    with threadpool_limits(1):
        search: dict[str, float] = {}
        if estimator == "auto":
            right = _search(rows, seed, progress)
            search = {name: float(r.mean()) for name, r in right.items()}
            estimator = choose(right)
        spec = spec_of(estimator)
        if not rows.has(spec.feature_set):
            raise CannotLearn(
                f"estimator {spec.name!r} reads feature set {spec.feature_set}, which "
                f"{len(rows)} rows are too many for"
            )
        progress(f"fitting {spec.name} to {len(rows)} rows", 0.7)
        modes = find_modes(rows, spec.modes)
        fitted = _fit(spec, rows, modes, seed)
    return Trained(
        spec.name,
        fitted,
        modes,
        seed,
        len(rows),
        search,
        feature_set=spec.feature_set,
    )


def choose(right: Mapping[str, NDArray[np.bool_]]) -> str:
    """Take the first of the portfolio that is not measurably worse than the best.

    `right` says for every estimator which rows it got right.  Folds within one session
    flatter whatever remembers it best, so a lead that chance explains with probability
    above `LEAD_ALPHA` (paired, as in `promotion`) decides nothing; the order does.

    Examples
    --------
    >>> rows = np.arange(100)
    >>> choose({"blend": rows < 95, "logistic": rows < 96})
    'blend'
    >>> choose({"blend": rows < 80, "logistic": rows < 95})
    'logistic'
    """
    best = max(right, key=lambda name: (int(right[name].sum()), name))
    for name in PORTFOLIO:
        if name in right:
            wins = int((right[best] & ~right[name]).sum())
            losses = int((right[name] & ~right[best]).sum())
            if chance(wins, losses) > LEAD_ALPHA:
                return name
    return best


def require_classes(rows: Dataset) -> None:
    """Refuse rows that no classifier can learn from."""
    if len(rows.classes) < 2:
        raise CannotLearn(
            f"{len(rows)} labelled rows of {len(rows.classes)} classes: "
            "training needs at least 2 classes"
        )


def _fit(spec: EstimatorSpec, rows: Dataset, modes: Modes, seed: int) -> Any:
    estimator = make(spec, seed, weigh(rows, modes))
    return estimator.fit(rows.table(spec.feature_set), modes.numbers(rows))


def _probabilities(fitted: Any, modes: Modes, table: Float32Array) -> FloatArray:
    said = fitted.predict_proba(table)
    out: FloatArray = said @ modes.matrix()[fitted.classes_.astype(int)]
    return out


def folds(rows: Dataset) -> NDArray[np.int64]:
    """Give every row its fold: neighbours in time of one mode stay together."""
    n_folds = 5 if len(rows) <= FEW_ROWS else 3
    pairs = list(zip(rows.devices, rows.labels, strict=True))
    out = np.zeros(len(rows), dtype=np.int64)
    for shift, pair in enumerate(sorted(set(pairs))):
        mine = [i for i, p in enumerate(pairs) if p == pair]
        for rank, i in enumerate(mine):
            out[i] = (rank * n_folds // len(mine) + shift) % n_folds
    return out


def _search(
    rows: Dataset, seed: int, progress: Progress
) -> dict[str, NDArray[np.bool_]]:
    """Cross-validate the portfolio; say which rows each got right."""
    if len(rows) > SEARCH_ROWS:
        rows = rows.take(np.linspace(0, len(rows) - 1, SEARCH_ROWS).astype(int))
    fold = folds(rows)
    truth = np.array(rows.labels)
    out: dict[str, NDArray[np.bool_]] = {}
    able = [n for n in PORTFOLIO if rows.has(ESTIMATORS[n].feature_set)]
    for done, name in enumerate(able):
        spec = ESTIMATORS[name]
        progress(f"cross-validating {name}", 0.1 + 0.6 * done / len(able))
        right = np.zeros(len(rows), dtype=np.bool_)
        for k in range(fold.max() + 1):
            part = rows.take(np.flatnonzero(fold != k))
            left = np.flatnonzero(fold == k)
            if len(part.classes) < 2 or not len(left):
                continue
            modes = find_modes(part, spec.modes)
            fitted = _fit(spec, part, modes, seed)
            table = rows.table(spec.feature_set)[left]
            said = _probabilities(fitted, modes, table).argmax(axis=1)
            right[left] = np.array(modes.classes)[said] == truth[left]
        out[name] = right
    return out
