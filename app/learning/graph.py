"""Fitted scikit-learn estimators as ONNX nodes.

Written by hand for the estimators of the portfolio, because it is short and exact:
linear models stay in double from the scaler to the probabilities, and forests keep
scikit-learn's decisions bit for bit (`_at_most`), with the modes of a class summed
in the leaves, which makes the file several times smaller.  Anything else goes through
skl2onnx, and the parity check of `export` decides whether it may be served.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from app.domain import FloatArray
from app.errors import ArtefactError
from app.learning.calibration import LEAST
from app.learning.columns import Columns
from app.learning.discriminant import SoftDiscriminant
from app.learning.estimators import CLIP, Average, Modes
from app.learning.ridge import SoftRidge
from app.learning.svm import SoftSvm

INPUT, OUTPUT = "features", "probabilities"
OPSET, ML_OPSET, IR_VERSION = 18, 3, 9


class Graph:
    """Nodes and constants of one ONNX graph, named in the order they are added."""

    def __init__(self, modes: Modes) -> None:
        self.modes = modes
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(
                kind, list(inputs), [name], name=name, domain=domain, **attributes
            )
        )
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def attach(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Let arrays travel in the file that no node of the graph reads."""
        for name, values in arrays.items():
            self.constants.append(numpy_helper.from_array(values, name))

    def finish(self, said: str, n_features: int) -> bytes:
        """Return the whole model as bytes; `said` becomes the output, as float32."""
        self.nodes.append(
            helper.make_node("Cast", [said], [OUTPUT], name="out", to=TensorProto.FLOAT)
        )
        row = helper.make_tensor_value_info(
            INPUT, TensorProto.FLOAT, [None, n_features]
        )
        n_classes = len(self.modes.classes)
        out = helper.make_tensor_value_info(
            OUTPUT, TensorProto.FLOAT, [None, n_classes]
        )
        graph = helper.make_graph(self.nodes, "onset", [row], [out], self.constants)
        model = helper.make_model(
            graph,
            producer_name="onset",
            ir_version=IR_VERSION,
            opset_imports=[
                helper.make_opsetid("", OPSET),
                helper.make_opsetid("ai.onnx.ml", ML_OPSET),
            ],
        )
        return bytes(model.SerializeToString(deterministic=True))


def append(graph: Graph, fitted: Any, x: str = INPUT) -> str:
    """Add an estimator of rows `x`; name its class probabilities, in double."""
    if isinstance(fitted, Columns):
        chosen = graph.constant(fitted.columns.astype(np.int64))
        x = graph.node("ArrayFeatureExtractor", x, chosen, domain="ai.onnx.ml")
        return append(graph, fitted.fitted, x)
    if isinstance(fitted, Average):
        return graph.node(
            "Sum",
            *(
                graph.node("Mul", append(graph, member, x), graph.constant(share))
                for member, share in zip(
                    fitted.estimators_, np.array(fitted.shares), strict=True
                )
            ),
        )
    if isinstance(fitted, Pipeline):
        return _append_linear(graph, fitted, x)
    if isinstance(fitted, ExtraTreesClassifier):
        return _append_forest(graph, fitted, x)
    return _append_converted(graph, fitted, x)


def sharpen(graph: Graph, said: str, sharpness: float) -> str:
    """Raise probabilities to a power and normalise them: `calibration.sharpened`."""
    if sharpness == 1.0:
        return said
    x = graph.node("Add", said, graph.constant(np.array(LEAST)))
    x = graph.node("Mul", graph.node("Log", x), graph.constant(np.array(sharpness)))
    return graph.node("Softmax", x, axis=1)


def _append_linear(graph: Graph, fitted: Pipeline, x: str) -> str:
    scale, linear = fitted.named_steps["scale"], fitted.named_steps["linear"]
    if isinstance(linear, SoftSvm):
        return _append_svm(graph, _standardised(graph, scale, x), linear)
    kinds = (LogisticRegression, SGDClassifier, SoftDiscriminant, SoftRidge)
    if not isinstance(linear, kinds):
        raise ArtefactError(f"{type(linear).__name__} cannot be exported")
    coef, intercept = linear.coef_, linear.intercept_
    squash = isinstance(linear, SGDClassifier)  # one against all the others
    if len(coef) == 1:  # one row of weights speaks for the second class
        zero = -1.0 if squash else 0.0
        coef = np.concatenate((zero * coef, coef))
        intercept = np.concatenate((zero * intercept, intercept))
    x = _standardised(graph, scale, x)
    x = graph.node("MatMul", x, graph.constant(np.ascontiguousarray(coef.T)))
    x = graph.node("Add", x, graph.constant(intercept))
    if squash:
        # the smallest addend keeps a row that every class denies from being 0 / 0
        x = graph.node("Sigmoid", x)
        x = graph.node("Add", x, graph.constant(np.array(1e-300)))
        x = graph.node(
            "Div", x, graph.node("ReduceSum", x, graph.constant(np.array([1])))
        )
    else:
        x = graph.node("Softmax", x, axis=1)
    classes = graph.modes.matrix()[linear.classes_.astype(int)]
    return graph.node("MatMul", x, graph.constant(classes))


def _standardised(graph: Graph, scale: StandardScaler, x: str) -> str:
    x = graph.node("Cast", x, to=TensorProto.DOUBLE)
    x = graph.node("Sub", x, graph.constant(scale.mean_))
    x = graph.node("Div", x, graph.constant(scale.scale_))
    limits = [graph.constant(np.array(v)) for v in (-CLIP, CLIP)]
    return graph.node("Clip", x, *limits)


def _append_svm(graph: Graph, x: str, fitted: SoftSvm) -> str:
    """Add the exponent of -gamma (x - v)^2, taken apart, and what it decides."""
    vectors = fitted.vectors_
    twice = graph.constant(np.ascontiguousarray(2.0 * fitted.gamma_ * vectors.T))
    sizes = graph.constant(-fitted.gamma_ * (vectors**2).sum(axis=1))
    power = graph.node(
        "ReduceSum", graph.node("Mul", x, x), graph.constant(np.array([1]))
    )
    power = graph.node("Mul", power, graph.constant(np.array(-fitted.gamma_)))
    apart = graph.node("Add", graph.node("MatMul", x, twice), sizes)
    near = graph.node("Exp", graph.node("Add", apart, power))
    said = graph.node("MatMul", near, graph.constant(fitted.coef_))
    said = graph.node("Add", said, graph.constant(fitted.intercept_))
    classes = graph.modes.matrix()[fitted.classes_.astype(int)]
    said = graph.node("Softmax", said, axis=1)
    return graph.node("MatMul", said, graph.constant(classes))


def _append_forest(graph: Graph, fitted: ExtraTreesClassifier, x: str) -> str:
    classes = graph.modes.matrix()[fitted.classes_.astype(int)]
    columns: dict[str, list[NDArray[Any]]] = {}

    def put(name: str, values: NDArray[Any]) -> None:
        columns.setdefault(name, []).append(values)

    for number, member in enumerate(fitted.estimators_):
        tree = member.tree_
        leaf = tree.children_left < 0
        ids = np.arange(tree.node_count)
        put("nodes_treeids", np.full(tree.node_count, number))
        put("nodes_nodeids", ids)
        put("nodes_featureids", np.where(leaf, 0, tree.feature))
        put("nodes_values", np.where(leaf, 0.0, _at_most(tree.threshold)))
        put("nodes_truenodeids", np.where(leaf, 0, tree.children_left))
        put("nodes_falsenodeids", np.where(leaf, 0, tree.children_right))
        put("nodes_modes", np.where(leaf, b"LEAF", b"BRANCH_LEQ"))
        share = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
        weights = (share @ classes) * leaf[:, None]
        at, label = np.nonzero(weights)
        put("target_treeids", np.full(len(at), number))
        put("target_nodeids", at)
        put("target_ids", label)
        put("target_weights", weights[at, label] / len(fitted.estimators_))
    said = graph.node(
        "TreeEnsembleRegressor",
        x,
        domain="ai.onnx.ml",
        n_targets=len(graph.modes.classes),
        aggregate_function="SUM",
        post_transform="NONE",
        **{name: np.concatenate(parts).tolist() for name, parts in columns.items()},
    )
    return graph.node("Cast", said, to=TensorProto.DOUBLE)


def _at_most(threshold: FloatArray) -> NDArray[np.float32]:
    """Largest float32 at or below a threshold: x <= t is the same for float32 x."""
    rounded = threshold.astype(np.float32)
    above = rounded.astype(np.float64) > threshold
    lower = np.nextafter(rounded, np.float32(-np.inf), dtype=np.float32)
    return np.where(above, lower, rounded).astype(np.float32)


def _append_converted(graph: Graph, fitted: Any, x: str) -> str:
    """Take over what skl2onnx makes of an estimator over float32 rows."""
    sample = np.zeros((1, fitted.n_features_in_), dtype=np.float32)
    try:
        with warnings.catch_warnings():
            # skl2onnx 1.20 writes numpy scalars into protobuf, which deprecates them;
            # remove when it writes Python's
            warnings.simplefilter("ignore", DeprecationWarning)
            model = to_onnx(
                fitted,
                sample,
                options={id(fitted): {"zipmap": False}},
                target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
            )
    except Exception as error:
        name = type(fitted).__name__
        raise ArtefactError(f"{name} cannot be exported to ONNX: {error}") from error
    inside = f"part{len(graph.nodes)}_"
    names = {model.graph.input[0].name: x, "": ""}
    for constant in model.graph.initializer:
        names[constant.name] = inside + constant.name
        constant.name = names[constant.name]
        graph.constants.append(constant)
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names[name]
        for i, name in enumerate(node.output):
            names[name] = inside + name
            node.output[i] = names[name]
        node.name = inside + node.name
        graph.nodes.append(node)
    x = graph.node("Cast", names[model.graph.output[1].name], to=TensorProto.DOUBLE)
    classes = graph.modes.matrix()[fitted.classes_.astype(int)]
    return graph.node("MatMul", x, graph.constant(classes))
