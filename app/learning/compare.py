"""Two versions on the same recordings: better, worse, or no evidence.

Everything is paired.  Models answer the same events: only those that exactly one of
them has right say anything (McNemar's exact test).  Detectors run over the same
stretches of readings: were both equally good, each stretch could as well have its two
results swapped (permutation test).  A verdict needs a two-sided p of at most `alpha`;
the interval of the difference comes from resampling the pairs.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.domain import FloatArray
from app.domain.overlap import match

BETTER, WORSE, NO_EVIDENCE = "better", "worse", "no evidence"
RESAMPLES = 2000
EXACT_UNITS = 12
"""Up to so many stretches every way to swap them is tried: 4096."""
SEED = 20260101


@dataclass(frozen=True, slots=True)
class Counts:
    """How the detection of one stretch of readings went.

    Parameters
    ----------
    matched, found, true : int >= 0
        Pairs of found and true events, events found, events that were there.
    """

    matched: int
    found: int
    true: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a version is worth against another one.

    Parameters
    ----------
    measure : {"accuracy", "event F1"}
    n : int
        Pairs: events answered by both, or stretches of readings.
    former, latter : float, 0..1
        The measure of the one and of the other.
    difference, low, high : float
        Latter minus former, with the limits of its interval at ``1 - alpha``.
    p : float, 0..1
        Probability that equally good versions differ at least so much.
    verdict : {"better", "worse", "no evidence"}
        Of the latter.
    reason : str
    """

    measure: str
    n: int
    former: float
    latter: float
    difference: float
    low: float
    high: float
    p: float
    verdict: str
    reason: str

    def to_json(self) -> dict[str, object]:
        """Return plain JSON."""
        return asdict(self)


def compare_answers(
    former: Mapping[Hashable, bool],
    latter: Mapping[Hashable, bool],
    alpha: float = 0.05,
) -> Comparison:
    """Compare two models by the events that both answered: right or not.

    Examples
    --------
    >>> right = dict.fromkeys(range(40), True)
    >>> compare_answers({**right, **dict.fromkeys(range(9), False)}, right).verdict
    'better'
    >>> compare_answers(right, right).verdict
    'no evidence'
    """
    from scipy.stats import binomtest  # see `evidence.chance`

    events = [event for event in former if event in latter]
    wins = sum(latter[e] and not former[e] for e in events)
    losses = sum(former[e] and not latter[e] for e in events)
    n = len(events)
    p = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    shares = np.array([wins, losses, n - wins - losses]) / max(n, 1)
    low = high = 0.0
    if n:
        drawn = np.random.default_rng(SEED).multinomial(n, shares, RESAMPLES)
        low, high = _limits((drawn[:, 0] - drawn[:, 1]) / n, alpha)
    return _judged(
        "accuracy",
        n,
        sum(former[e] for e in events) / max(n, 1),
        sum(latter[e] for e in events) / max(n, 1),
        (low, high),
        float(p),
        alpha,
        f"of {n} events that neither learnt, the latter alone is right on {wins}, "
        f"the former alone on {losses}",
    )


def compare_detections(
    former: Sequence[Counts], latter: Sequence[Counts], alpha: float = 0.05
) -> Comparison:
    """Compare two detectors by their counts over the same stretches, in order.

    Raises
    ------
    ValueError
        If they did not run over the same number of stretches.
    """
    if len(former) != len(latter):
        raise ValueError(f"{len(former)} and {len(latter)} stretches cannot be paired")
    n = len(former)
    a, b = _table(former), _table(latter)
    rng = np.random.default_rng(SEED)
    apart = float(_f1(b.sum(0)) - _f1(a.sum(0)))
    swaps = _swaps(n, rng)
    other = swaps @ b + (1 - swaps) @ a, swaps @ a + (1 - swaps) @ b
    chance = np.abs(_f1(other[0]) - _f1(other[1]))
    p = float(np.mean(chance >= abs(apart) - 1e-12))
    low = high = 0.0
    if n:
        drawn = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64)
        low, high = _limits(_f1(drawn @ b) - _f1(drawn @ a), alpha)
    return _judged(
        "event F1",
        n,
        float(_f1(a.sum(0))),
        float(_f1(b.sum(0))),
        (low, high),
        p,
        alpha,
        f"over {n} stretches of readings the latter finds {int(b[:, 0].sum())} of "
        f"{int(b[:, 2].sum())} events with {int((b[:, 1] - b[:, 0]).sum())} false "
        f"alarms, the former {int(a[:, 0].sum())} with "
        f"{int((a[:, 1] - a[:, 0]).sum())}",
    )


def stretches(
    true: ArrayLike, found: ArrayLike, length: float, step: float
) -> list[Counts]:
    """Count the matches of one recording, stretch by stretch of it.

    A pair counts where its true event begins, everything else where it begins itself.

    Parameters
    ----------
    true, found : (n, 2), begin and end, from 0 on, in the unit of `length`
    length, step : float > 0
        Of the recording, and of a stretch; the last one is the longest.

    Examples
    --------
    >>> stretches([(0, 10), (60, 70)], [(1, 10), (80, 90)], 120, 50)
    [Counts(matched=1, found=1, true=1), Counts(matched=0, found=1, true=1)]
    """
    n = max(1, int(length // step))
    spans = np.asarray(true, np.float64).reshape(-1, 2)
    said = np.asarray(found, np.float64).reshape(-1, 2)
    place = _places(spans, step, n)
    home = _places(said, step, n)
    pairs = match(spans, said)
    for i, j in pairs:
        home[j] = place[i]
    hits = np.bincount([place[i] for i, _ in pairs], minlength=n)
    all_found, all_true = (
        np.bincount(home, minlength=n),
        np.bincount(place, minlength=n),
    )
    return [Counts(int(hits[k]), int(all_found[k]), int(all_true[k])) for k in range(n)]


def _places(spans: FloatArray, step: float, n: int) -> NDArray[np.int64]:
    return np.clip(spans[:, 0] // step, 0, n - 1).astype(np.int64)


def _table(counts: Sequence[Counts]) -> FloatArray:
    rows = [(c.matched, c.found, c.true) for c in counts]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _f1(table: FloatArray) -> FloatArray:
    """F1 of (..., 3) counts: matched, found, true."""
    said = np.maximum(table[..., 1] + table[..., 2], 1.0)
    return np.asarray(2.0 * table[..., 0] / said)


def _swaps(n: int, rng: np.random.Generator) -> FloatArray:
    """Ways to swap two sides of `n` stretches, (ways, n) of 0 and 1."""
    if n <= EXACT_UNITS:
        ways = np.arange(2**n)[:, None] >> np.arange(n)[None, :] & 1
    else:
        ways = rng.integers(0, 2, (4 * RESAMPLES, n))
    return np.asarray(ways, dtype=np.float64)


def _limits(drawn: FloatArray, alpha: float) -> tuple[float, float]:
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def _judged(
    measure: str,
    n: int,
    former: float,
    latter: float,
    interval: tuple[float, float],
    p: float,
    alpha: float,
    story: str,
) -> Comparison:
    verdict = NO_EVIDENCE
    if p <= alpha and latter != former:
        verdict = BETTER if latter > former else WORSE
    reason = f"{verdict}: {story} (p = {p:.3g}, {alpha:g} is needed)"
    return Comparison(
        measure,
        n,
        former,
        latter,
        latter - former,
        *interval,
        p,
        verdict,
        reason,
    )
