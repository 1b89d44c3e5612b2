"""Linear discriminant analysis with a covariance half way to a sphere.

What scikit-learn's `LinearDiscriminantAnalysis` finds with such a covariance, but from
one product of all rows: it asks for the covariance of every class apart, and modes of
many devices are a hundred.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from app.domain import FloatArray
from app.learning.soft import Soft

SHRINKAGE = 0.5


class SoftDiscriminant(Soft):
    """Means of classes and one covariance, and the softmax of what follows from them.

    A class is as probable beforehand as its rows are many.

    Attributes
    ----------
    classes_ : int array (n_classes,), n_classes >= 2
    coef_ : float64 array (n_classes, n_features)
    intercept_ : float64 array (n_classes,)
    """

    def fit(
        self,
        table: FloatArray,
        target: NDArray[np.int64],
        sample_weight: FloatArray | None = None,
    ) -> SoftDiscriminant:
        """Fit to rows (n, n_features) and classes (n,)."""
        self.classes_, number = np.unique(target, return_inverse=True)
        weight = self.weight_of(target, sample_weight)
        total = weight.sum()
        counts = np.bincount(number, weight)
        of = np.eye(len(self.classes_))[number] * weight[:, None]
        means = (of.T @ table) / counts[:, None]
        centred = table - means[number]
        within = (centred * weight[:, None]).T @ centred / total
        ball = np.trace(within) / len(within)
        sphere = (ball or 1.0) * np.eye(len(within))  # of rows without any spread
        spread = (1.0 - SHRINKAGE) * within + SHRINKAGE * sphere
        self.coef_ = np.linalg.solve(spread, means.T).T
        self.intercept_ = np.log(counts / total) - 0.5 * (means * self.coef_).sum(
            axis=1
        )
        return self

    def predict_proba(self, table: FloatArray) -> FloatArray:
        """Return (n_rows, n_classes)."""
        said: FloatArray = softmax(table @ self.coef_.T + self.intercept_, axis=1)
        return said
