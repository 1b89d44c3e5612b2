"""Drift: whether recent events look like what a model learnt, and it is still right.

Three signals share one budget of false alarms per look, a third each (Bonferroni, so
it holds however they depend on each other):

input
    A two-sample Kolmogorov-Smirnov test of every feature, against the rows that the
    model learnt from, Bonferroni-corrected.  Rabanser et al. (2019, "Failing Loudly",
    NeurIPS) found these univariate tests as good as multivariate ones (MMD), and they
    name what drifted.
score
    The same test of the probability of the best class, against *earlier answers of the
    same model to events it had not learnt*: on its own training rows a model is surer,
    and every look would alarm.
error
    Fisher's exact test, one-sided, of recent right and wrong answers against the
    hold-out's.  A binomial test would take the accuracy of a small hold-out for the
    truth, and break the budget.

All three are exact or conservative for events that are exchangeable with the
reference.  Events of one session resemble each other: the fewer sessions a look
covers, the more it says of them and the less of the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domain import Float32Array, FloatArray

BUDGET = 0.01
"""Probability of any alarm in one look at events without drift."""
MIN_EVENTS = 20
MIN_HOLDOUT = 10
NAMED = 5
MAX_EVENTS = 1000
"""Of either sample: as far as the exact p value is known to be computable."""

INPUT, SCORE, ERROR = "input", "score", "error"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Events of one time.

    Parameters
    ----------
    features : float32 array (n_events, n_features), finite
    top : float array (n_answers,)
        Probability of the best class; of other events than `features`, if need be.
    right, judged : int, 0 <= right <= judged
        Answers that were right, among those whose truth is known.
    """

    features: Float32Array
    top: FloatArray
    right: int
    judged: int


@dataclass(frozen=True, slots=True)
class Signal:
    """One comparison.

    Parameters
    ----------
    kind : {"input", "score", "error"}
    statistic : float in [0, 1], or None without enough evidence
        Largest distance of the distributions; for "error" the loss of accuracy, which
        is negative for a gain.
    p_value : float in [0, 1], or None
        Corrected for the number of features; an alarm at a third of the budget.
    alarm : bool
    n, n_reference : int
        Recent events, and what they were compared with.
    drifted : tuple of str
        Features beyond chance, most drifted first, in words; at most five.
    sentence : str
    """

    kind: str
    statistic: float | None
    p_value: float | None
    alarm: bool
    n: int
    n_reference: int
    drifted: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Drift:
    """What one look found; `budget` is the false-alarm rate of the three together."""

    budget: float
    signals: tuple[Signal, ...]

    @property
    def alarm(self) -> bool:
        """Whether any signal alarms."""
        return any(signal.alarm for signal in self.signals)


def measure(
    reference: Sample, recent: Sample, names: Sequence[str], budget: float = BUDGET
) -> Drift:
    """Compare recent events with the reference; the tests are in the module's text.

    Parameters
    ----------
    names : the features' names, as `app.features.names` gives them
    budget : float in (0, 1)

    Raises
    ------
    ValueError
        If the budget is no probability, names and features do not fit, or a sample
        has more than `MAX_EVENTS` rows.
    """
    if not 0.0 < budget < 1.0:
        raise ValueError(f"budget={budget} must be between 0 and 1")
    widths = {reference.features.shape[1], recent.features.shape[1], len(names)}
    if len(widths) != 1:
        raise ValueError(f"{len(names)} names do not fit features of {widths}")
    for rows in (reference.features, reference.top, recent.features, recent.top):
        if len(rows) > MAX_EVENTS:
            raise ValueError(f"{len(rows)} rows must be at most {MAX_EVENTS}")
    share = budget / 3
    signals = (
        _input(reference.features, recent.features, names, share),
        _score(reference.top, recent.top, share),
        _error(reference, recent, share),
    )
    return Drift(budget, signals)


def in_words(name: str) -> str:
    """Say which feature a name stands for.

    Examples
    --------
    >>> in_words("emg.1.log_rms"), in_words("x*y.correlation")
    ('log rms of emg.1', 'correlation of x and y')
    """
    channel, _, feature = name.rpartition(".")
    if feature in ("correlation", "log_moment"):
        first, _, second = channel.partition("*")
        channel = first if first == second else f"{first} and {second}"
    return f"{feature.replace('_', ' ')} of {channel}"


def _input(
    before: Float32Array, now: Float32Array, names: Sequence[str], share: float
) -> Signal:
    n, m = len(now), len(before)
    if lacking := _lacking(n, MIN_EVENTS, "recent events"):
        return _silent(INPUT, n, m, lacking)
    if lacking := _lacking(m, MIN_EVENTS, "events that the model learnt from"):
        return _silent(INPUT, n, m, lacking)
    both = np.concatenate([before, now])
    varying = np.flatnonzero((both != both[0]).any(axis=0))
    if not len(varying):
        return Signal(INPUT, 0.0, 1.0, False, n, m, (), "No feature varies at all.")
    apart = np.array([_distance(before[:, i], now[:, i]) for i in varying])
    order = np.argsort(-apart, kind="stable")[:NAMED]
    corrected = [
        min(1.0, len(varying) * _chance(before[:, i], now[:, i]))
        for i in varying[order]
    ]
    drifted = tuple(
        in_words(names[i])
        for i, p in zip(varying[order], corrected, strict=True)
        if p <= share
    )
    statistic, p = float(apart[order[0]]), corrected[0]
    most = in_words(names[varying[order[0]]])
    sentence = (
        f"The {n} recent events look unlike the {m} that the model learnt from, most "
        f"in the {most} (p = {p:.2g} <= {share:.2g})."
        if drifted
        else f"The {n} recent events look like the {m} that the model learnt from "
        f"(p = {p:.2g})."
    )
    return Signal(INPUT, statistic, p, bool(drifted), n, m, drifted, sentence)


def _score(before: FloatArray, now: FloatArray, share: float) -> Signal:
    n, m = len(now), len(before)
    if lacking := _lacking(n, MIN_EVENTS, "recent answers"):
        return _silent(SCORE, n, m, lacking)
    if lacking := _lacking(m, MIN_EVENTS, "earlier answers of this model"):
        return _silent(SCORE, n, m, lacking)
    p = _chance(before, now)
    was, is_ = float(np.median(before)), float(np.median(now))
    told = f"the median probability of the best class was {was:.2f} and is {is_:.2f}"
    alarm = p <= share
    verdict = "no longer as sure" if alarm else "as sure"
    sentence = f"The model is {verdict} as it was: {told} (p = {p:.2g})."
    return Signal(SCORE, _distance(before, now), p, alarm, n, m, (), sentence)


def _error(reference: Sample, recent: Sample, share: float) -> Signal:
    from scipy.stats import fisher_exact  # see `evidence.chance`

    n, m = recent.judged, reference.judged
    if lacking := _lacking(n, MIN_EVENTS, "recent events with a label"):
        return _silent(ERROR, n, m, lacking)
    if lacking := _lacking(m, MIN_HOLDOUT, "held-out events"):
        return _silent(ERROR, n, m, lacking)
    now = n - recent.right, recent.right
    before = m - reference.right, reference.right
    p = float(fisher_exact(np.array([now, before]), alternative="greater").pvalue)
    was, is_ = reference.right / m, recent.right / n
    told = f"accuracy {is_:.2f} on {n} recent labels, {was:.2f} on {m} held-out ones"
    alarm = p <= share
    verdict = "The model is wrong more often" if alarm else "The model is no worse"
    sentence = f"{verdict}: {told} (p = {p:.2g})."
    return Signal(ERROR, was - is_, p, alarm, n, m, (), sentence)


def _lacking(n: int, least: int, what: str) -> str:
    return f"Not enough evidence: {n} {what}, {least} are needed." if n < least else ""


def _silent(kind: str, n: int, n_reference: int, why: str) -> Signal:
    return Signal(kind, None, None, False, n, n_reference, (), why)


def _distance(a: Float32Array | FloatArray, b: Float32Array | FloatArray) -> float:
    """Return the largest distance of two empirical distribution functions."""
    at = np.concatenate([a, b])
    below_a = np.searchsorted(np.sort(a), at, side="right") / len(a)
    below_b = np.searchsorted(np.sort(b), at, side="right") / len(b)
    return float(np.abs(below_a - below_b).max())


def _chance(a: Float32Array | FloatArray, b: Float32Array | FloatArray) -> float:
    """Return the p value of the two-sample Kolmogorov-Smirnov test, two-sided."""
    from scipy.stats import ks_2samp  # see `evidence.chance`

    return float(np.clip(ks_2samp(a, b, method="exact").pvalue, 0.0, 1.0))
