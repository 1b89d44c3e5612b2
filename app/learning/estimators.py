"""The portfolio: what may be trained, and how it treats devices and rare classes.

**Modes.**  The same class looks different on every arm: what all devices have in common
is less than what one device repeats.  So an estimator is trained to tell *modes*, pairs
of (device, class), and the probability of a class is the sum over its modes.  A window
of a known device finds its own device's mode by itself; nothing but the window and the
model is needed to predict.  Classes that few rows of a device have, and devices beyond
`MAX_MODES`, share one mode per class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from app.domain import Float32Array, FloatArray
from app.learning.catalogue import EstimatorSpec
from app.learning.dataset import Dataset
from app.learning.discriminant import SoftDiscriminant
from app.learning.forest import ExtraTrees
from app.learning.ridge import SoftRidge
from app.learning.svm import SoftSvm

MAX_MODES = 128
MIN_MODE_ROWS = 2
MAX_CLASS_WEIGHT = 10.0
"""How much more a row of a rare class may count than the average row."""
CLIP = 3.0
"""Standardised features of linear models end here: one wild reading must not decide."""

Weights = dict[int, float]


def _linear(last: Any) -> Pipeline:
    return Pipeline(
        [
            ("double", FunctionTransformer(np.asarray, kw_args={"dtype": np.float64})),
            ("scale", StandardScaler()),
            ("clip", FunctionTransformer(np.clip, kw_args=CLIP_LIMITS)),
            ("linear", last),
        ]
    )


CLIP_LIMITS = {"a_min": -CLIP, "a_max": CLIP}


def _logistic(seed: int, weights: Weights) -> Any:
    # C: the best of 0.01 .. 1 on myo, flat around it on the other sets
    return _linear(LogisticRegression(C=0.05, max_iter=1000, class_weight=weights))


def _lda(seed: int, weights: Weights) -> Any:
    return _linear(SoftDiscriminant())


def _extra_trees(seed: int, weights: Weights) -> Any:
    # leaves are limited so that the artefact stays below about 10 MB
    return ExtraTrees(150, max_leaf_nodes=1000, class_weight=weights, random_state=seed)


def _boosting(seed: int, weights: Weights) -> Any:
    return HistGradientBoostingClassifier(
        max_iter=60,
        min_samples_leaf=5,
        early_stopping=False,
        class_weight=weights,
        random_state=seed,
    )


def _patterns(seed: int, weights: Weights) -> Any:
    return _linear(SoftRidge(weights))


def _svm(seed: int, weights: Weights) -> Any:
    return _linear(SoftSvm(weights))


def _sgd(seed: int, weights: Weights) -> Any:
    return _linear(
        SGDClassifier(
            loss="log_loss",
            alpha=1e-2,
            learning_rate="constant",
            eta0=0.02,
            average=True,
            random_state=seed,
        )
    )


def _adaptive(seed: int, weights: Weights) -> Any:
    # without an average over steps, and with longer ones: it follows what changes
    return _linear(
        SGDClassifier(
            loss="log_loss",
            alpha=1e-3,
            learning_rate="constant",
            eta0=0.01,
            random_state=seed,
        )
    )


def recent_trees(seed: int, weights: Weights) -> Any:
    """Return the unfitted forest beside the linear part of ``adaptive``."""
    return ExtraTrees(60, max_leaf_nodes=500, class_weight=weights, random_state=seed)


class Average:
    """The mean of fitted classifiers that may each know only some of the modes.

    Parameters
    ----------
    estimators_ : list of fitted scikit-learn classifiers over mode numbers
    n_modes : int
    shares : sequence of float > 0, one for each, or ()
        What each counts; they sum to 1.  (): all the same.
    """

    def __init__(
        self, estimators_: list[Any], n_modes: int, shares: Sequence[float] = ()
    ) -> None:
        self.estimators_ = estimators_
        self.classes_ = np.arange(n_modes)
        self.shares = shares or [1.0 / len(estimators_)] * len(estimators_)

    def predict_proba(self, table: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the probability of every mode, (n_rows, n_modes)."""
        said = np.zeros((len(table), len(self.classes_)))
        for member, share in zip(self.estimators_, self.shares, strict=True):
            own = share * member.predict_proba(table)
            said[:, member.classes_.astype(int)] += own
        return said


class Blend:
    """Three kinds of models that tell modes apart, and one that knows no devices.

    The last finds what a class is like on all devices together; an arm that nobody
    labelled is judged better by it.  Where a device is known the others are surer.

    Parameters
    ----------
    seed : int
    weights : mapping of mode to weight
    modes : Modes
    """

    def __init__(self, seed: int, weights: Weights, modes: Modes) -> None:
        self._modes = modes
        makers = (_logistic, _extra_trees, _lda)
        self._members = [maker(seed, weights) for maker in makers]
        self._shared = _lda(seed, weights)

    def fit(
        self,
        table: Float32Array,
        target: np.ndarray[Any, np.dtype[np.int64]],
        weights: FloatArray | None = None,
    ) -> Average:
        """Fit all to rows (n, n_features) and modes (n,)."""
        first: dict[str, int] = {}  # a class is said by its first mode
        of = [first.setdefault(y, i) for i, (_, y) in enumerate(self._modes.names)]
        fitted = [
            member.fit(table, truth)
            if weights is None
            else fit_weighed(member, table, truth, weights)
            for member, truth in (
                *((member, target) for member in self._members),
                (self._shared, np.array(of)[target]),
            )
        ]
        return Average(fitted, len(self._modes.names), BLENDED)


BLENDED = (20 / 49, 20 / 49, 5 / 49, 4 / 49)
"""Shares of a blend's members.  More of the last one is better for devices that nobody
labelled, and worse for those that are known."""


_MAKERS: Mapping[str, Callable[[int, Weights], Any]] = {
    "logistic": _logistic,
    "lda": _lda,
    "extra_trees": _extra_trees,
    "svm": _svm,
    "boosting": _boosting,
    "patterns": _patterns,
    "sgd": _sgd,
    "adaptive": _adaptive,
}


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes that an estimator tells apart, and the class that each belongs to.

    `names` are (device, label); device "" stands for all that have no own mode.
    """

    names: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]

    def matrix(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return ones where a mode belongs to a class, (n_modes, n_classes)."""
        table = np.zeros((len(self.names), len(self.classes)))
        for i, (_, label) in enumerate(self.names):
            table[i, self.classes.index(label)] = 1.0
        return table

    def numbers(self, rows: Dataset) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the mode of every row, (n_rows,); -1 where there is none."""
        index = {name: i for i, name in enumerate(self.names)}
        pairs = zip(rows.devices, rows.labels, strict=True)
        return np.array(
            [index.get((d, y), index.get(("", y), -1)) for d, y in pairs],
            dtype=np.int64,
        )


def find_modes(rows: Dataset, by_device: bool) -> Modes:
    """Choose the modes of a dataset: devices with most labels first."""
    classes = rows.classes
    pairs = Counter(zip(rows.devices, rows.labels, strict=True))
    own: set[tuple[str, str]] = set()
    if by_device and len(set(rows.devices)) > 1:
        per_device = Counter(rows.devices)
        for device in sorted(per_device, key=lambda d: (-per_device[d], d)):
            mine = {(device, y) for y in classes if pairs[(device, y)] >= MIN_MODE_ROWS}
            if len(own | mine) + len(classes) > MAX_MODES:
                break
            own |= mine
    shared = {("", y) for (d, y) in pairs if (d, y) not in own}
    return Modes(tuple(sorted(own | shared)), classes)


def make(spec: EstimatorSpec, seed: int, weights: Weights, modes: Modes) -> Any:
    """Return an unfitted scikit-learn classifier over mode numbers, or a blend."""
    if spec.name == "blend":
        return Blend(seed, weights, modes)
    return _MAKERS[spec.name](seed, weights)


def fit_weighed(
    estimator: Any,
    table: Float32Array,
    target: np.ndarray[Any, np.dtype[np.int64]],
    weights: FloatArray,
) -> Any:
    """Fit an estimator of `make` to rows that count differently; return it, fitted."""
    if isinstance(estimator, Blend):
        return estimator.fit(table, target, weights)
    if not isinstance(estimator, Pipeline):
        return estimator.fit(table, target, sample_weight=weights)
    return estimator.fit(table, target, linear__sample_weight=weights)


def weigh(rows: Dataset, modes: Modes) -> Weights:
    """Weight per mode so that rare classes count, within `MAX_CLASS_WEIGHT`."""
    count = Counter(rows.labels)
    even = len(rows) / len(count)
    return {
        i: min(even / max(count[label], 1), MAX_CLASS_WEIGHT)
        for i, (_, label) in enumerate(modes.names)
    }
