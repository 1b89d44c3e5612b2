"""A support vector machine as a classifier that gives probabilities.

One machine a class tells it from all others (Rifkin & Klautau 2004, In defense of
one-vs-all classification); they share their support vectors, so that a prediction is
one product of matrices.  The softmax of their decisions only ranks: what it is worth as
a probability the calibration of the trainer says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.svm import SVC

from app.domain import FloatArray
from app.learning.soft import Soft

PENALTY, WIDTH = 5.0, 0.5
"""C, and gamma times the number of features: flat around them on all sets."""
SHARPNESS = 2.0


class SoftSvm(Soft):
    """Decisions of all classes over a radial kernel, and their softmax.

    Parameters
    ----------
    weights : mapping of class to weight >= 0, optional
        What a row of a class counts.

    Attributes
    ----------
    classes_ : int array (n_classes,), n_classes >= 2
    vectors_ : float64 array (n_vectors, n_features)
    coef_ : float64 array (n_vectors, n_classes), scaled for the softmax
    intercept_ : float64 array (n_classes,)
    gamma_ : float > 0
    """

    def fit(
        self,
        table: FloatArray,
        target: NDArray[np.int64],
        sample_weight: FloatArray | None = None,
    ) -> SoftSvm:
        """Fit to rows (n, n_features) and classes (n,)."""
        self.classes_ = np.unique(target)
        self.gamma_ = WIDTH / table.shape[1]
        weight = self.weight_of(target, sample_weight)
        coef = np.zeros((len(table), len(self.classes_)))
        self.intercept_ = np.zeros(len(self.classes_))
        for k, one in enumerate(self.classes_):
            mine = target == one
            # one against all the others: both sides weigh the same
            balance = np.where(
                mine, (weight * ~mine).sum() / (weight * mine).sum(), 1.0
            )
            machine = SVC(C=PENALTY, gamma=self.gamma_)
            machine.fit(table, mine, sample_weight=weight * balance)
            coef[machine.support_, k] = SHARPNESS * machine.dual_coef_[0]
            self.intercept_[k] = SHARPNESS * machine.intercept_[0]
        used = np.flatnonzero(coef.any(axis=1))
        self.vectors_, self.coef_ = table[used], coef[used]
        return self

    def predict_proba(self, table: FloatArray) -> FloatArray:
        """Return (n_rows, n_classes)."""
        apart = (
            (table**2).sum(axis=1, keepdims=True)
            + (self.vectors_**2).sum(axis=1)
            - 2.0 * table @ self.vectors_.T
        )
        near = np.exp(-self.gamma_ * apart)
        said: FloatArray = softmax(near @ self.coef_ + self.intercept_, axis=1)
        return said
