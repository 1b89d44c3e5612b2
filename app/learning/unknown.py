"""When a window is unknown: the rule that serving follows, and how it is set.

The distances from all that was learnt (`novelty`) and the doubt (1 minus the best
probability) are ranked among those of rows that the models had not learnt, and added.
Each of them alone overlooks some kinds of new classes; their sum overlooks fewer.  A
window is unknown above the value that a stated share of right answers exceeded: split
conformal prediction (Vovk et al. 2005), so the rate holds as long as what comes is like
those rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.domain import FloatArray, Json
from app.domain.compiled import compiled

DOUBT_WEIGHT = 1.0
"""What doubt counts beside one distance; 0.6 to 1.5 do about as well."""
FORMER_DOUBT_WEIGHT = 0.3
"""Of rules that do not say theirs: there was one distance then."""
ENOUGH_ROWS = 20
"""With fewer unseen right answers nothing is called unknown."""
RECENT_ROWS = 1000
"""The newest unseen rows, by which the rule is set: it follows what drifts."""
BEYOND = 0.5
"""What is added to a rank for a value e times the greatest."""
LEAST = 1e-9
KNOTS = 65
"""Quantiles that describe how the distances of unseen rows lie."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """When a window is unknown.

    Parameters
    ----------
    knots : float64 array (n_distances + 1, `KNOTS`), rows not falling
        Evenly spaced quantiles of rows that the models had not learnt: of every
        distance, and of the doubt.
    above : float
        What is stranger is unknown.
    rate : float in (0, 1)
        Share of right answers that was to be stranger.
    doubt_weight : float > 0
    """

    knots: FloatArray
    above: float
    rate: float
    doubt_weight: float = DOUBT_WEIGHT

    @property
    def n_distances(self) -> int:
        """How many distances the rule looks at."""
        return len(self.knots) - 1

    def strangeness(self, distances: FloatArray, probability: float) -> float:
        """Add the ranks of distances and doubt; each is 0..1, and more beyond all."""
        return _strangeness(self.knots, distances, 1.0 - probability, self.doubt_weight)

    def is_unknown(self, distances: FloatArray, probability: float) -> bool:
        """Say whether no class accounts for a window."""
        return self.strangeness(distances, probability) > self.above

    def to_json(self) -> dict[str, object]:
        """Return plain JSON; `from_json` reads it."""
        return {
            "distances": self.knots[:-1].tolist(),
            "doubts": self.knots[-1].tolist(),
            "above": self.above,
            "rate": self.rate,
            "doubt_weight": self.doubt_weight,
        }

    @classmethod
    def from_json(cls, data: Json) -> Rule:
        """Read what `to_json` wrote, or what it wrote when there was one distance."""
        knots = np.array([*np.atleast_2d(data["distances"]), data["doubts"]], float)
        return cls(
            knots,
            float(data["above"]),
            float(data["rate"]),
            float(data.get("doubt_weight", FORMER_DOUBT_WEIGHT)),
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
    distances : float array (n_rows, n_distances)
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
    doubts = 1.0 - probabilities[:, None]
    knots = np.quantile(
        np.hstack((distances, doubts)), np.linspace(0, 1, KNOTS), axis=0
    )
    rule = Rule(np.ascontiguousarray(knots.T), 0.0, rate)
    pairs = zip(distances[right], probabilities[right], strict=True)
    strange = sorted(rule.strangeness(far, float(best)) for far, best in pairs)
    return replace(rule, above=strange[-allowed])


@compiled
def _strangeness(
    knots: FloatArray, distances: FloatArray, doubt: float, doubt_weight: float
) -> float:
    last = len(knots) - 1
    total = doubt_weight * _rank(knots[last], doubt)
    for i in range(last):
        total += _rank(knots[i], distances[i])
    return total


@compiled
def _rank(knots: FloatArray, value: float) -> float:
    """Give the share of a distribution that lies below a value, by its quantiles.

    Beyond the last one it goes on rising, with the logarithm: how far a value is from
    all that was seen still counts.
    """
    at = np.searchsorted(knots, value)
    if at == 0:
        return 0.0
    if at == len(knots):
        return 1.0 + BEYOND * math.log(value / max(knots[-1], LEAST))
    low = knots[at - 1]
    return float((at - 1 + (value - low) / (knots[at] - low)) / (len(knots) - 1))
