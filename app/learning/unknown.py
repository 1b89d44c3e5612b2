"""When a window is unknown: the rule that serving follows, and how it is set.

The distance from all that was learnt (`novelty`) and the doubt (1 minus the best
probability) are ranked among those of rows that the models had not learnt, and added.
A window is unknown above the value that a stated share of right answers exceeded: split
conformal prediction (Vovk et al. 2005), so the rate holds as long as what comes is like
those rows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain import FloatArray, Json

DOUBT_WEIGHT = 0.3
"""What doubt counts beside distance; 0.15 to 0.6 do about as well."""
ENOUGH_ROWS = 20
"""With fewer unseen right answers nothing is called unknown."""
RECENT_ROWS = 1000
"""The newest unseen rows, by which the rule is set: it follows what drifts."""
BEYOND = 0.5
"""What is added to a rank for a value e times the greatest."""
LEAST = 1e-9
KNOTS = 65
"""Quantiles that describe how the distances of unseen rows lie."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a window is unknown.

    Parameters
    ----------
    distances, doubts : tuples of `KNOTS` floats, not falling
        Evenly spaced quantiles of rows that the models had not learnt.
    above : float
        What is stranger is unknown.
    rate : float in (0, 1)
        Share of right answers that was to be stranger.
    """

    distances: tuple[float, ...]
    doubts: tuple[float, ...]
    above: float
    rate: float

    def strangeness(self, distance: float, probability: float) -> float:
        """Add the ranks of distance and doubt; each is 0..1, and more beyond all."""
        doubt = _rank(self.doubts, 1.0 - probability)
        return _rank(self.distances, distance) + DOUBT_WEIGHT * doubt

    def is_unknown(self, distance: float, probability: float) -> bool:
        """Say whether no class accounts for a window."""
        return self.strangeness(distance, probability) > self.above

    def to_json(self) -> dict[str, object]:
        """Return plain JSON; `from_json` reads it."""
        return {
            "distances": list(self.distances),
            "doubts": list(self.doubts),
            "above": self.above,
            "rate": self.rate,
        }

    @classmethod
    def from_json(cls, data: Json) -> Rule:
        """Read what `to_json` wrote."""
        return cls(
            tuple(float(v) for v in data["distances"]),
            tuple(float(v) for v in data["doubts"]),
            float(data["above"]),
            float(data["rate"]),
        )


def find_rule(
    distances: FloatArray,
    probabilities: FloatArray,
    right: NDArray[np.bool_],
    rate: float,
) -> Rule | None:
    """Set the rule by rows that the models had not learnt, oldest first.

    Parameters
    ----------
    distances : float array (n_rows,)
    probabilities : float array (n_rows,), of the best class
    right : bool array (n_rows,)
    rate : float in (0, 1)
        Share of right answers that may be called unknown.

    Returns
    -------
    Rule or None
        None with fewer right answers than `ENOUGH_ROWS`, or than the rate needs.
    """
    distances, probabilities = distances[-RECENT_ROWS:], probabilities[-RECENT_ROWS:]
    right = right[-RECENT_ROWS:]
    n = int(right.sum())
    # of n + 1 exchangeable right answers at most this many are stranger than the limit
    allowed = math.floor((n + 1) * rate)
    if n < ENOUGH_ROWS or allowed < 1:
        return None
    at = np.linspace(0, 1, KNOTS)
    rule = Rule(
        tuple(np.quantile(distances, at).tolist()),
        tuple(np.quantile(1.0 - probabilities, at).tolist()),
        0.0,
        rate,
    )
    pairs = zip(distances[right], probabilities[right], strict=True)
    strange = sorted(rule.strangeness(float(d), float(p)) for d, p in pairs)
    return Rule(rule.distances, rule.doubts, strange[-allowed], rate)


def _rank(knots: Sequence[float], value: float) -> float:
    """Give the share of a distribution that lies below a value, by its quantiles.

    Beyond the last one it goes on rising, with the logarithm: how far a value is from
    all that was seen still counts.
    """
    at = bisect_left(knots, value)
    if at == 0:
        return 0.0
    if at == len(knots):
        return 1.0 + BEYOND * math.log(value / max(knots[-1], LEAST))
    low, high = knots[at - 1], knots[at]
    return (at - 1 + (value - low) / (high - low)) / (len(knots) - 1)
