"""scikit-learn's extra trees, to the last bit, in a fraction of the time on few rows.

scikit-learn looks at parameters, labels and weights anew for each tree.  With hundreds
of rows that takes ten times as long as growing it, and a training grows thousands: one
forest for each fold, each challenger and each device.  Here it is done once a forest.
The private names are those of scikit-learn 1.9.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.tree import ExtraTreeClassifier
from sklearn.tree._classes import CRITERIA_CLF, DENSE_SPLITTERS
from sklearn.tree._tree import BestFirstTreeBuilder, Tree
from sklearn.utils.class_weight import compute_sample_weight

from app.domain import FloatArray

MOST = np.iinfo(np.int32).max


class ExtraTrees(ExtraTreesClassifier):  # type: ignore[misc]
    """An `ExtraTreesClassifier` of one output over finite numbers.

    Only these of its parameters are looked at: `n_estimators`, `max_leaf_nodes` (which
    must be given), `class_weight` (a dict, or None), `random_state` (a number).
    """

    def fit(self, table: Any, y: Any, sample_weight: Any = None) -> ExtraTrees:
        """Grow the trees on rows (n_rows, n_features) and their classes (n_rows,).

        Raises
        ------
        ValueError
            If a number is not finite.
        """
        table = np.ascontiguousarray(table, dtype=np.float32)
        if not np.isfinite(table).all():
            raise ValueError("features must be finite numbers")
        self.classes_, target = np.unique(np.asarray(y), return_inverse=True)
        self.n_classes_, self.n_outputs_ = len(self.classes_), 1
        self.n_features_in_ = table.shape[1]
        self._n_samples, self._n_samples_bootstrap = len(table), None
        weights = None
        if self.class_weight is not None:
            weights = compute_sample_weight(self.class_weight, y)
        if sample_weight is not None:
            given = np.asarray(sample_weight, dtype=np.float64)
            weights = given if weights is None else given * weights
        self._sample_weight = weights
        self.estimator_ = self.estimator
        column = np.ascontiguousarray(target, dtype=np.float64)[:, None]
        seeds = np.random.RandomState(self.random_state)
        self.estimators_ = [
            self._grow(table, column, weights, int(seeds.randint(MOST)))
            for _ in range(self.n_estimators)
        ]
        return self

    def _grow(
        self, table: Any, target: FloatArray, weights: FloatArray | None, seed: int
    ) -> ExtraTreeClassifier:
        member = ExtraTreeClassifier(
            max_leaf_nodes=self.max_leaf_nodes, random_state=seed
        )
        n_classes = np.array([self.n_classes_], dtype=np.intp)
        member.n_features_in_, member.n_outputs_ = self.n_features_in_, 1
        member.classes_, member.n_classes_ = self.classes_, self.n_classes_
        member.max_features_ = max(1, int(np.sqrt(self.n_features_in_)))
        random = np.random.RandomState(seed)
        gini = CRITERIA_CLF["gini"](1, n_classes)
        splitter = DENSE_SPLITTERS["random"](
            gini, member.max_features_, 1, 0.0, random, None
        )
        builder = BestFirstTreeBuilder(
            splitter, 2, 1, 0.0, MOST, self.max_leaf_nodes, 0.0
        )
        member.tree_ = Tree(self.n_features_in_, n_classes, 1)
        builder.build(member.tree_, table, target, weights, None)
        return member

    def predict_proba(self, table: Any) -> FloatArray:
        """Return the mean of what the trees say, (n_rows, n_classes)."""
        table = np.ascontiguousarray(table, dtype=np.float32)
        said = np.zeros((len(table), self.n_classes_))
        for member in self.estimators_:
            said += member.tree_.predict(table)[:, : self.n_classes_]
        said /= len(self.estimators_)
        return said
