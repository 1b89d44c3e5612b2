"""Graph -> the arrays of `onerow`, if it is one that `graph` wrote.

Somebody else's graph may look like one of ours: whatever could lead a loop out of its
arrays, or round in circles, is left to the runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from app.domain import Float32Array
from app.learning.onerow import Forest, Linear, OneRow

_LINEAR = ("Cast", "Sub", "Div", "Clip", "MatMul", "Add", "Softmax", "MatMul")
_FOREST = ("TreeEnsembleRegressor", "Cast")
_SHARE, _TOTAL = ("Mul",), ("Sum",)
_SHARPEN = ("Add", "Log", "Mul", "Softmax")
_END = ("Cast",)
_TREE_ATTRIBUTES = {
    *("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values"),
    *("nodes_truenodeids", "nodes_falsenodeids", "nodes_modes"),
    *("target_treeids", "target_nodeids", "target_ids", "target_weights"),
    *("n_targets", "aggregate_function", "post_transform"),
}
_PLAIN = (b"SUM", b"NONE")
_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


def read(graph: onnx.GraphProto, n_features: int, n_classes: int) -> OneRow | None:
    """Read a graph that was inspected; None where it is none of ours."""
    try:
        return _read(graph, n_features, n_classes)
    except (KeyError, IndexError, ValueError, TypeError):  # it is not as we write it
        return None


def _read(graph: onnx.GraphProto, n_features: int, n_classes: int) -> OneRow | None:
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    nodes = list(graph.node)
    members: list[Linear | Forest] = []
    heads: list[str] = []
    at = 0

    def next_are(kinds: Sequence[str]) -> list[onnx.NodeProto]:
        """Return the next nodes if they are of these kinds and follow one another."""
        nonlocal at
        some = nodes[at : at + len(kinds)]
        if [node.op_type for node in some] != list(kinds) or not _is_chain(some):
            return []
        at += len(kinds)
        return some

    while True:
        part: Linear | Forest
        if some := next_are(_LINEAR):
            part = _linear_of(some, constants, n_features, n_classes)
        elif some := next_are(_FOREST):
            part = _forest_of(some[0], n_features, n_classes)
        else:
            break
        _require(some[0].input[0] == graph.input[0].name)
        head = some[-1].output[0]
        if some := next_are(_SHARE):
            _require(some[0].input[0] == head)
            part = replace(part, share=constants[some[0].input[1]].item())
            head = some[0].output[0]
        members.append(part)
        heads.append(head)
    sharpness, least = 1.0, 0.0
    if some := next_are(_TOTAL):
        _require(list(some[0].input) == heads)
        head = some[0].output[0]
    else:
        [head] = heads
    if some := next_are(_SHARPEN):
        _require(some[0].input[0] == head)
        least, sharpness = (constants[some[k].input[1]].item() for k in (0, 2))
        head = some[-1].output[0]
    some = next_are(_END)
    _require(bool(some) and at == len(nodes) and some[0].input[0] == head)
    _require(some[0].output[0] == graph.output[0].name)
    return OneRow(tuple(members), n_classes, sharpness, least)


def _require(ours: bool) -> None:
    if not ours:
        raise ValueError("none of our graphs")


def _is_chain(nodes: Sequence[onnx.NodeProto]) -> bool:
    pairs = pairwise(nodes)
    return all(after.input[0] == node.output[0] for node, after in pairs)


def _linear_of(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, NDArray[Any]],
    n_features: int,
    n_classes: int,
) -> Linear:
    mean, scale, low, high, weights, intercept, classes = (
        constants[nodes[k].input[i]]
        for k, i in ((1, 1), (2, 1), (3, 1), (3, 2), (4, 1), (5, 1), (7, 1))
    )
    n_modes = len(intercept)
    _require(mean.shape == scale.shape == (n_features,))
    _require(weights.shape == (n_features, n_modes) and intercept.shape == (n_modes,))
    _require(classes.shape == (n_modes, n_classes))
    _require(bool((np.sort(classes, axis=1)[:, :-1] == 0.0).all()))
    _require(bool((classes.max(axis=1) == 1.0).all()))
    arrays = (mean, scale, weights, intercept)
    _require(all(one.dtype == np.float64 for one in arrays))
    return Linear(
        mean,
        scale,
        low.item(),
        high.item(),
        np.ascontiguousarray(weights),
        intercept,
        classes.argmax(axis=1).astype(np.int64),
    )


def _forest_of(node: onnx.NodeProto, n_features: int, n_classes: int) -> Forest:
    """Turn the attributes of a tree ensemble into arrays."""
    said = {one.name: one for one in node.attribute}
    _require(set(said) == _TREE_ATTRIBUTES and said["n_targets"].i == n_classes)
    _require((said["aggregate_function"].s, said["post_transform"].s) == _PLAIN)

    def ints(name: str) -> NDArray[np.int64]:
        return np.array(said[name].ints, dtype=np.int64)

    def floats(name: str) -> Float32Array:
        return np.array(said[name].floats, dtype=np.float32)

    modes = np.array(said["nodes_modes"].strings)
    leaf = modes == b"LEAF"
    _require(bool((leaf | (modes == b"BRANCH_LEQ")).all()))
    # nodes lie tree by tree, numbered from 0: a number within becomes one of all
    tree, place = ints("nodes_treeids"), np.arange(len(modes))
    roots = np.flatnonzero(np.diff(tree, prepend=-1))
    _require((tree[roots] == np.arange(len(roots))).all() and len(tree) == len(place))
    first = roots[tree]
    _require(bool((first + ints("nodes_nodeids") == place).all()))
    yes = np.where(leaf, place + 1, first + ints("nodes_truenodeids"))
    no = np.where(leaf, place + 1, first + ints("nodes_falsenodeids"))
    _require(bool((np.minimum(yes, no) > place).all()))
    _require(bool((np.maximum(yes, no)[~leaf] < len(place)).all()))
    feature = ints("nodes_featureids")
    _require(bool(((feature >= 0) & (feature < n_features)).all()))
    of = roots[ints("target_treeids")] + ints("target_nodeids")
    order = np.argsort(of, kind="stable")
    target = ints("target_ids")
    _require(bool(((target >= 0) & (target < n_classes)).all()))
    threshold, weight = floats("nodes_values"), floats("target_weights")
    _require(len(threshold) == len(place) and len(weight) == len(target) == len(of))
    begin, end = (np.searchsorted(of[order], place, side) for side in _SIDES)
    return Forest(
        roots.astype(np.int64),
        np.where(leaf, -1, feature).astype(np.int32),
        threshold,
        np.where(leaf, begin, yes).astype(np.int32),
        np.where(leaf, end, no).astype(np.int32),
        target[order].astype(np.int32),
        weight[order],
    )
