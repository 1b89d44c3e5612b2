"""What classifiers of our own have in common: weights of classes, scores made soft."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from app.domain import FloatArray


class Soft(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose probabilities are the softmax of scores.

    Parameters
    ----------
    weights : mapping of class to weight >= 0, optional
        What a row of a class counts.
    """

    classes_: NDArray[np.int64]

    def __init__(self, weights: dict[int, float] | None = None) -> None:
        self.weights = weights

    def weight_of(
        self, target: NDArray[np.int64], sample_weight: FloatArray | None
    ) -> FloatArray:
        """Return what each row counts, by its class and by itself, (n_rows,)."""
        weight = np.array([(self.weights or {}).get(int(t), 1.0) for t in target])
        return weight if sample_weight is None else weight * sample_weight

    @abstractmethod
    def predict_proba(self, table: FloatArray) -> FloatArray:
        """Return (n_rows, n_classes)."""

    def predict(self, table: FloatArray) -> NDArray[Any]:
        """Return the best class of every row, (n_rows,)."""
        chosen: NDArray[Any] = self.classes_[self.predict_proba(table).argmax(axis=1)]
        return chosen
