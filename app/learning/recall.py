"""How much of what happens a detector finds, from its near misses.

What was reviewed says which share of the near misses were events; the others are taken
to be alike.  What never came near is not seen: this is an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS = 4000
SEED = 20260101


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Counts, each of the same stretches of readings.

    Parameters
    ----------
    found_true, found_false, found_unsure : int >= 0
        Events that the detector found: labelled, labelled as nothing, not labelled.
    near_true, near_false, near_unsure : int >= 0
        Near misses that were events, that were nothing, that nobody looked at.
    """

    found_true: int = 0
    found_false: int = 0
    found_unsure: int = 0
    near_true: int = 0
    near_false: int = 0
    near_unsure: int = 0

    def __add__(self, other: Reviewed) -> Reviewed:
        return Reviewed(
            self.found_true + other.found_true,
            self.found_false + other.found_false,
            self.found_unsure + other.found_unsure,
            self.near_true + other.near_true,
            self.near_false + other.near_false,
            self.near_unsure + other.near_unsure,
        )


@dataclass(frozen=True, slots=True)
class Recall:
    """Share of the events that were found, 0..1, with the limits of 95 %."""

    recall: float
    low: float
    high: float


def estimate(seen: Reviewed) -> Recall | None:
    """Estimate the recall of a detector; None without any event.

    Shares get Jeffreys' prior; what was not reviewed is drawn from them.

    Examples
    --------
    >>> said = estimate(Reviewed(found_true=80, near_true=10, near_false=10))
    >>> round(said.recall, 2), said.low == said.high
    (0.89, True)
    >>> wide = estimate(Reviewed(found_true=80, near_unsure=20))
    >>> wide.low < 0.82 < 0.99 < wide.high
    True
    """
    rng = np.random.default_rng(SEED)
    near = rng.beta(seen.near_true + 0.5, seen.near_false + 0.5, DRAWS)
    found = rng.beta(seen.found_true + 0.5, seen.found_false + 0.5, DRAWS)
    missed = seen.near_true + rng.binomial(seen.near_unsure, near)
    hit = seen.found_true + rng.binomial(seen.found_unsure, found)
    if not (hit + missed).all():
        return None
    shares = hit / (hit + missed)
    low, high = np.quantile(shares, [0.025, 0.975])
    return Recall(float(np.median(shares)), float(low), float(high))
