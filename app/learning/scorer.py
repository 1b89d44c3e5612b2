"""Fitting what tells ticks within events from those without: linear models and trees.

Every event weighs the same, and so does every stretch between two, however long: else
the longest would decide.  All members are trained on the same ticks; a mixture of them
becomes one `Scorer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from app.detection.scores import LEAF, Scorer
from app.domain import Float32Array, FloatArray

STRENGTHS = (0.003, 0.01, 0.03)
"""Inverse regularisation of the linear members."""
TREES = 2
"""Boosted members, of different seeds."""
MEMBERS = len(STRENGTHS) + TREES
PLAIN = "linear 0.01"
MIXED = "linear 0.003 and trees"
LEANING = "linear 0.003 and more of trees"
MIXTURES: Mapping[str, tuple[float, ...]] = {
    "linear 0.003": (1.0, 0.0, 0.0, 0.0, 0.0),
    PLAIN: (0.0, 1.0, 0.0, 0.0, 0.0),
    "linear 0.03": (0.0, 0.0, 1.0, 0.0, 0.0),
    "trees": (0.0, 0.0, 0.0, 0.5, 0.5),
    "linear 0.01 and trees": (0.0, 0.5, 0.0, 0.25, 0.25),
    MIXED: (0.5, 0.0, 0.0, 0.25, 0.25),
    LEANING: (0.25, 0.0, 0.0, 0.375, 0.375),
}
"""Shares of the members."""
BINS = 64
"""Of a feature, that trees tell apart."""
LEAST_SCALE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Models of the same ticks.

    Parameters
    ----------
    centre, scale : (n_features,)
    edges : for each feature, where the bins of the trees end
    linear : of the scaled features
    boosted : of the features' bins
    """

    centre: FloatArray
    scale: FloatArray
    edges: Sequence[Float32Array]
    linear: Sequence[Any]
    boosted: Sequence[Any]

    def log_odds(self, features: Float32Array) -> FloatArray:
        """Ask every member, (n_ticks, MEMBERS)."""
        scaled = (features - self.centre) / self.scale
        said = [model.decision_function(scaled) for model in self.linear]
        if self.boosted:
            bins = _binned(features, self.edges)
            said += [model.decision_function(bins) for model in self.boosted]
        return np.stack(said, axis=1)

    def mixed(self, shares: Sequence[float], n_channels: int) -> Scorer:
        """Make one scorer of a mixture."""
        weights = np.zeros(len(self.centre))
        intercept = 0.0
        for share, model in zip(shares, self.linear, strict=False):
            own = share * model.coef_[0] / self.scale
            weights += own
            intercept += share * model.intercept_[0] - own @ self.centre
        nodes: list[tuple[int, float, int]] = []
        roots: list[int] = []
        for share, model in zip(shares[len(self.linear) :], self.boosted, strict=False):
            if share:
                intercept += share * float(np.ravel(model._baseline_prediction)[0])
                for (tree,) in model._predictors:
                    roots.append(len(nodes))
                    _plant(tree.nodes, share, self.edges, nodes)
        feature, threshold, left = zip(*nodes, strict=True) if nodes else ((), (), ())
        return Scorer(
            n_channels,
            float(intercept),
            weights.astype(np.float32),
            np.array(feature, np.int16),
            np.array(threshold, np.float32),
            np.array(left, np.int32),
            np.array(roots, np.int32),
        )


def learn(
    features: Float32Array,
    inside: NDArray[np.bool_],
    weights: FloatArray,
    seed: int,
    *,
    trees: bool = True,
) -> Members:
    """Train every member.

    Parameters
    ----------
    features : (n_ticks, n_features)
    inside : (n_ticks,) whether the tick is within an event
    weights : (n_ticks,)
    trees : bool
        Without, trees are left out of every mixture.
    """
    centre = features.mean(axis=0, dtype=np.float64)
    scale = np.maximum(features.std(axis=0, dtype=np.float64), LEAST_SCALE)
    scaled = (features - centre) / scale
    weights = weights / weights.mean()
    linear = [
        LogisticRegression(C=c, max_iter=300).fit(scaled, inside, sample_weight=weights)
        for c in STRENGTHS
    ]
    edges = _edges(features) if trees else ()
    bins = _binned(features, edges)
    boosted = [
        HistGradientBoostingClassifier(
            max_iter=80,
            max_leaf_nodes=6,
            learning_rate=0.06,
            l2_regularization=1.0,
            min_samples_leaf=40,
            max_features=0.3,
            early_stopping=False,
            random_state=(seed + i) % 2**32,
        ).fit(bins, inside, sample_weight=weights)
        for i in range(TREES if trees else 0)
    ]
    return Members(centre, scale, edges, linear, boosted)


def _edges(features: Float32Array) -> list[Float32Array]:
    """Cut every feature into bins that hold as many ticks each.

    scikit-learn does it itself, but takes a hundred times as long with weights.
    """
    shares = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
    cuts = np.quantile(features, shares, axis=0, method="lower")
    return [np.unique(column).astype(np.float32) for column in cuts.T]


def _binned(features: Float32Array, edges: Sequence[Float32Array]) -> Float32Array:
    """Say which bin each value is in; a value at an edge is where that bin ends."""
    bins = np.empty((len(features), len(edges)), np.float32)
    for k, cuts in enumerate(edges):
        bins[:, k] = np.searchsorted(cuts, features[:, k], side="left")
    return bins


def _plant(
    tree: NDArray[Any],
    share: float,
    edges: Sequence[Float32Array],
    nodes: list[tuple[int, float, int]],
) -> None:
    """Append a tree of scikit-learn: children side by side, behind their parent."""
    first = len(nodes)
    order = [0]
    for old in order:
        node = tree[old]
        if node["is_leaf"]:
            nodes.append((LEAF, share * float(node["value"]), 0))
            continue
        feature = int(node["feature_idx"])
        cut = edges[feature][int(node["num_threshold"])]
        nodes.append((feature, float(cut), first + len(order)))
        order += [int(node["left"]), int(node["right"])]
