"""Which estimator, and whether with context: by rows that were not learnt, paired."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.learning.catalogue import PORTFOLIO
from app.learning.evidence import chance
from app.learning.unseen import Unseen

LEAD_ALPHA = 0.35
CONTEXT_ALPHA = 0.1
"""What was known beside windows is read where it is ahead, by chance no likelier."""


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
        if name in right and chance(*_alone(right[best], right[name])) > LEAD_ALPHA:
            return name
    return best


def is_ahead(ours: Unseen, theirs: Unseen) -> bool:
    """Whether models of the same rows are right more often, by more than chance."""
    wins, losses = _alone(ours.right, theirs.right)
    return wins > losses and chance(wins, losses) <= CONTEXT_ALPHA


def _alone(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> tuple[int, int]:
    """Count the rows that one side alone got right, and those the other did."""
    return int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
