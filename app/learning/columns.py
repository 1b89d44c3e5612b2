"""Events that are one reading each: a model of the values, not of their repetitions.

Everything that `features` says of a single reading follows from its values: mean, least
and greatest are the same number, and trees that draw columns by chance draw a channel
a dozen times as often as a difference between two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app import features
from app.domain import Float32Array, FloatArray
from app.features.kernels import COLUMNS
from app.learning.dataset import Dataset

MEAN, COUNT = COLUMNS.index("mean"), COLUMNS.index("count")


class Columns:
    """A fitted classifier that looks at some of the columns.

    Parameters
    ----------
    columns : int64 array (n_chosen,)
    fitted : scikit-learn classifier, or `Average`, of those columns
    """

    def __init__(self, columns: NDArray[np.int64], fitted: Any) -> None:
        self.columns = columns
        self.fitted = fitted
        self.classes_ = fitted.classes_

    def predict_proba(self, table: Float32Array) -> FloatArray:
        """Return the probability of every mode, (n_rows, n_modes)."""
        said: FloatArray = self.fitted.predict_proba(table[:, self.columns])
        return said


def single_readings(rows: Dataset) -> NDArray[np.int64] | None:
    """Return the columns that hold the values of rows of one reading; else None.

    And those of what was known beside them, where the rows have any.
    """
    if not len(rows) or (rows.features[:, COUNT] != 1.0).any():
        return None
    values = np.arange(rows.n_channels, dtype=np.int64) * len(COLUMNS) + MEAN
    first, n = features.width(rows.n_channels), rows.features.shape[1]
    beside = rows.has(features.with_context(features.PLAIN))
    more = np.arange(first, n if beside else first, dtype=np.int64)
    return np.concatenate((values, more))
