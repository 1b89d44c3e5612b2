"""What more labels are worth: accuracy against their number, and where it leads.

A model is trained on ever larger parts of the rows, each part within the next, and
asked about rows that it does not see.  An inverse power law through the errors,
``c + a * n ** -b`` (Cortes et al., NIPS 1993), says what the next labels will bring, if
they are like those so far; labels that the queue chooses bring rather more.

The work is bounded by rows and fits, never by a clock: the same rows give the same
curve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from app.domain import FloatArray, LabelledWindow, Profile
from app.learning.catalogue import EstimatorSpec, spec_of
from app.learning.dataset import Dataset, build
from app.learning.estimators import find_modes, fit_weighed, make, weigh

PARTS = (0.2, 0.4, 0.7, 1.0)
"""Shares of the rows to learn from."""
TURNS = 3
"""Times that another third of the rows is set aside."""
LEAST_ROWS = 30
MOST_ROWS = 800
"""Of more rows so many are used, evenly over time; the law says the rest."""
NEXT = 50
SURE = 1.96
"""Standard errors on either side."""
POWERS = np.linspace(0.15, 1.5, 28)

Judge = Callable[[Dataset, Dataset], float]
"""Train on the first rows, return the accuracy on the second; NaN: not known."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy against labels.

    Parameters
    ----------
    points : tuple of (number of labels, accuracy)
    labels : int
        How many there are now.
    accuracy : float in [0, 1]
        By the law, with as many.
    gain, low, high : float in [0, 1]
        What `NEXT` more bring to it, and within which limits: the standard errors of
        an accuracy that is measured on so many rows.
    """

    points: tuple[tuple[int, float], ...]
    labels: int
    accuracy: float
    gain: float
    low: float
    high: float

    def to_json(self) -> dict[str, object]:
        """Return plain JSON."""
        return {
            "points": [{"labels": n, "accuracy": a} for n, a in self.points],
            "labels": self.labels,
            "accuracy": self.accuracy,
            "next": NEXT,
            "gain": self.gain,
            "low": self.low,
            "high": self.high,
        }


def trace(
    rows: Dataset, judge: Judge, seed: int, *, labels: int | None = None
) -> Curve | None:
    """Follow the accuracy as labels become more; None with fewer than `LEAST_ROWS`.

    Parameters
    ----------
    rows : Dataset
    judge : function of rows to learn and rows to be asked about
    seed : int >= 0
    labels : int or None
        How many labels there are, if `rows` are not all of them.
    """
    labels = len(rows) if labels is None else labels
    if len(rows) < LEAST_ROWS:
        return None
    used = rows
    if len(rows) > MOST_ROWS:
        used = rows.take(np.linspace(0, len(rows) - 1, MOST_ROWS).astype(int))
    random = np.random.default_rng(seed)
    order = random.permutation(len(used))
    sizes: list[int] = []
    errors = np.full((TURNS, len(PARTS)), np.nan)
    for turn in range(TURNS):
        asked = used.take(np.sort(order[turn::TURNS]))
        rest = np.delete(order, np.s_[turn::TURNS])
        sizes = [round(share * len(rest)) for share in PARTS]
        for i, size in enumerate(sizes):
            part = used.take(np.sort(rest[:size]))
            if len(part.classes) > 1:
                errors[turn, i] = 1.0 - judge(part, asked)
    known = np.isfinite(errors).all(axis=0)
    if known.sum() < 3:
        return None
    sizes = [size for size, k in zip(sizes, known, strict=True) if k]
    errors = errors[:, known]
    mean = errors.mean(axis=0)
    law = fit(sizes, mean)
    points = zip(sizes, 1.0 - mean, strict=True)
    brings = gain(sizes, mean, labels)
    # every row is asked once: so far the accuracy at the end may be wrong
    last = float(mean[-1])
    off = float(SURE * np.sqrt(last * (1.0 - last) / len(used)))
    return Curve(
        tuple((n, float(a)) for n, a in points),
        labels,
        1.0 - _at(law, labels),
        brings,
        max(0.0, brings - off),
        brings + off,
    )


def worth(
    profile: Profile, rows: Sequence[LabelledWindow], estimator: str, seed: int
) -> Curve | None:
    """Follow the accuracy of an estimator on labelled windows, oldest first.

    Parameters
    ----------
    profile : Profile
    rows : labelled windows, oldest first
        At most `MOST_ROWS` of them are looked at, evenly over time.
    estimator : str
    seed : int >= 0
    """
    at = np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(int)
    reads = stand_in(estimator).feature_set
    dataset = build(profile, [rows[i] for i in at], reads)
    judge = proxy(estimator, seed)
    return trace(
        dataset.weighed(profile.retrain.key_share), judge, seed, labels=len(rows)
    )


def stand_in(estimator: str) -> EstimatorSpec:
    """Return what the curve of an estimator is drawn by: quick, and as good as it.

    Estimators with trees take ten times as long as the linear one beside them, and
    their curves run side by side.
    """
    return spec_of(estimator if estimator == "patterns" else "logistic")


def proxy(estimator: str, seed: int) -> Judge:
    """Return how `stand_in` is trained on rows and asked about others."""
    spec = stand_in(estimator)

    def judge(rows: Dataset, asked: Dataset) -> float:
        modes = find_modes(rows, spec.modes)
        with threadpool_limits(1):
            fitted = make(spec, seed, weigh(rows, modes), modes)
            table, target = rows.table(spec.feature_set), modes.numbers(rows)
            weights = np.array(rows.weights or [1.0] * len(rows))
            try:
                fitted = fit_weighed(fitted, table, target, weights)
            except np.linalg.LinAlgError:
                return np.nan  # the curve does without this part
            said = fitted.predict_proba(asked.table(spec.feature_set))
        best = (said @ modes.matrix()[fitted.classes_.astype(int)]).argmax(axis=1)
        told = np.array(modes.classes)[best]
        return float((told == np.array(asked.labels)).mean())

    return judge


def gain(sizes: Sequence[int], errors: FloatArray, labels: int) -> float:
    """Say what `NEXT` labels more than there are bring, by the law.

    Examples
    --------
    >>> sizes = [20, 40, 80, 160]
    >>> errors = np.array([0.05 + 1.2 * n**-0.5 for n in sizes])
    >>> round(gain(sizes, errors, 160), 3)
    0.012
    """
    law = fit(sizes, errors)
    return _at(law, labels) - _at(law, labels + NEXT)


def fit(sizes: Sequence[int], errors: FloatArray) -> tuple[float, float, float]:
    """Find (a, b, c) of ``c + a * n ** -b`` with a, c >= 0, by least squares.

    Errors of larger parts weigh more, since they lie nearer to what is asked.

    Examples
    --------
    >>> a, b, c = fit([20, 40, 80], np.array([0.3, 0.2, 0.15]))
    >>> round(a * 40**-b + c, 2)
    0.2
    """
    n = np.asarray(sizes, dtype=np.float64)
    weight = n / n.sum()
    best = (0.0, 1.0, float(np.average(errors, weights=n)))
    least = float(((weight * (errors - best[2])) ** 2).sum())
    for b in POWERS:
        falling = n**-b
        for floor in (True, False):
            columns = np.stack([falling, np.ones_like(n)] if floor else [falling], 1)
            found = np.linalg.lstsq(columns * weight[:, None], errors * weight)[0]
            if found.min() < 0:
                continue
            off = float(((weight * (columns @ found - errors)) ** 2).sum())
            if off < least - 1e-15:
                least = off
                best = (float(found[0]), float(b), float(found[1]) if floor else 0.0)
    return best


def _at(law: tuple[float, float, float], labels: int) -> float:
    a, b, c = law
    return float(np.clip(c + a * labels**-b, 0.0, 1.0))
