"""What models say of rows that they had not learnt: the folds, and the answers."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import FloatArray
from app.learning.dataset import Dataset

FEW_ROWS = 300
"""With no more rows than these, cross-validation trains on more of them."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """What models said of rows that they had not learnt.

    Parameters
    ----------
    events : tuple, one of each row
    right : bool array (n_rows,)
    said : list of float arrays (n_classes,), one for each row that was told
        Probabilities, that of the true class first.
    told : list of int
        Which rows these are.
    """

    events: tuple[UUID, ...]
    right: NDArray[np.bool_]
    said: list[FloatArray]
    told: list[int]

    @property
    def by_event(self) -> dict[UUID, bool]:
        """Whether a model was right, by event."""
        return dict(zip(self.events, self.right.tolist(), strict=True))
