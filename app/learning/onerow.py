"""The answer of a graph to one row, without the runtime around it.

A runtime spends more on its way through a dozen small nodes than they cost.  So the
graphs that `graph` writes most often, linear models, forests, the mean of several and
sharper or softer probabilities, are read from the model file into plain arrays
(`unpack`) and answered by compiled loops.  Linear models are computed in double and
forests add up in single precision, tree after tree, as in the runtime.  Any other graph
is left to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Standardised, clipped, weighed, and the softmax of modes summed to classes.

    Parameters
    ----------
    mean, scale : float64 arrays (n_features,)
    low, high : float
    weights : float64 array (n_features, n_modes)
    intercept : float64 array (n_modes,)
    class_of : int64 array (n_modes,)
    share : float
        What it counts.
    """

    mean: FloatArray
    scale: FloatArray
    low: float
    high: float
    weights: FloatArray
    intercept: FloatArray
    class_of: NDArray[np.int64]
    share: float = 1.0

    def add(self, row: Float32Array, said: FloatArray) -> None:
        """Add its share of the probabilities of classes to `said` (n_classes,)."""
        _linear(
            row,
            self.mean,
            self.scale,
            self.low,
            self.high,
            self.weights,
            self.intercept,
            self.class_of,
            self.share,
            said,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Trees, one after the other.

    Parameters
    ----------
    roots : int64 array (n_trees,)
    feature : int32 array (n_nodes,)
        -1 of a leaf.
    threshold : float32 array (n_nodes,)
        At or below it one goes to `yes`, else to `no`.
    yes, no : int32 arrays (n_nodes,)
        Of a leaf: where its weights begin and end.
    target : int32 array (n_weights,)
    weight : float32 array (n_weights,)
    share : float
        What it counts.
    """

    roots: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: Float32Array
    yes: NDArray[np.int32]
    no: NDArray[np.int32]
    target: NDArray[np.int32]
    weight: Float32Array
    share: float = 1.0

    def add(self, row: Float32Array, said: FloatArray) -> None:
        """Add its share of the probabilities of classes to `said` (n_classes,)."""
        _forest(
            row,
            self.roots,
            self.feature,
            self.threshold,
            self.yes,
            self.no,
            self.target,
            self.weight,
            self.share,
            said,
        )


@dataclass(frozen=True, slots=True, eq=False)
class OneRow:
    """A graph as arrays.

    Parameters
    ----------
    members : tuple of Linear and Forest
        Whose sum are the probabilities.
    n_classes : int
    sharpness, least : float
        Probabilities plus `least` are raised to `sharpness`; 1 leaves them.
    """

    members: tuple[Linear | Forest, ...]
    n_classes: int
    sharpness: float = 1.0
    least: float = 0.0

    def probabilities(self, row: Float32Array) -> Float32Array:
        """Answer one feature vector (n_features,), contiguous; (n_classes,)."""
        said = np.zeros(self.n_classes)
        for member in self.members:
            member.add(row, said)
        return _finish(said, self.sharpness, self.least)


def warm() -> None:
    """Compile, or load, what models are answered by."""
    one = np.zeros(1)
    none = np.zeros(1, np.int64)
    row = one.astype(np.float32)
    node = none.astype(np.int32)
    linear = Linear(one, one + 1.0, 0.0, 0.0, one[None], one, none)
    forest = Forest(none, node - 1, row, node, node + 1, node, row)
    OneRow((linear, forest), 1).probabilities(row)


@compiled
def _linear(
    row: Float32Array,
    mean: FloatArray,
    scale: FloatArray,
    low: float,
    high: float,
    weights: FloatArray,
    intercept: FloatArray,
    class_of: NDArray[np.int64],
    share: float,
    said: FloatArray,
) -> None:
    n_modes = len(intercept)
    scores = np.zeros(n_modes)
    for i in range(len(row)):
        value = min(max((float(row[i]) - mean[i]) / scale[i], low), high)
        weight = weights[i]
        for k in range(n_modes):
            scores[k] += value * weight[k]
    largest = -np.inf
    for k in range(n_modes):
        scores[k] += intercept[k]
        largest = max(largest, scores[k])
    total = 0.0
    for k in range(n_modes):
        scores[k] = math.exp(scores[k] - largest)
        total += scores[k]
    own = np.zeros(len(said))
    for k in range(n_modes):
        own[class_of[k]] += scores[k] / total
    for c in range(len(said)):
        said[c] += own[c] * share


@compiled
def _forest(
    row: Float32Array,
    roots: NDArray[np.int64],
    feature: NDArray[np.int32],
    threshold: Float32Array,
    yes: NDArray[np.int32],
    no: NDArray[np.int32],
    target: NDArray[np.int32],
    weight: Float32Array,
    share: float,
    said: FloatArray,
) -> None:
    sums = np.zeros(len(said), dtype=np.float32)
    for root in roots:
        at = root
        while feature[at] >= 0:
            at = yes[at] if row[feature[at]] <= threshold[at] else no[at]
        for k in range(yes[at], no[at]):
            sums[target[k]] += weight[k]
    for c in range(len(said)):
        said[c] += float(sums[c]) * share


@compiled
def _finish(said: FloatArray, sharpness: float, least: float) -> Float32Array:
    out = np.empty(len(said), dtype=np.float32)
    if sharpness == 1.0:
        for c in range(len(said)):
            out[c] = said[c]
        return out
    largest = -np.inf
    for c in range(len(said)):
        said[c] = math.log(said[c] + least) * sharpness
        largest = max(largest, said[c])
    total = 0.0
    for c in range(len(said)):
        said[c] = math.exp(said[c] - largest)
        total += said[c]
    for c in range(len(said)):
        out[c] = said[c] / total
    return out
