"""What a model file may be: a small closed graph of arithmetic, nothing else.

The bytes may come from anywhere (a broken disk, another machine), so they are read as
data and compared with a list of what our exporter writes, before a runtime sees them.
There is no pickle, no code, no file that the graph could point to.
"""

from __future__ import annotations

import hashlib
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from app.errors import ArtefactError
from app.learning.card import INPUT, OUTPUT
from app.learning.space import PREFIX

MAX_BYTES = 256 * 1024 * 1024

_ARITHMETIC = ("Add", "Cast", "Clip", "Concat", "Div", "Exp", "Identity", "Log")
_PRODUCTS = ("MatMul", "Mul")
_REDUCTIONS = ("ReduceSum", "Reshape", "Sigmoid", "Softmax", "Sub", "Sum")
_TREES = ("ArrayFeatureExtractor", "TreeEnsembleClassifier", "TreeEnsembleRegressor")
_OPERATORS = {
    "": frozenset((*_ARITHMETIC, *_PRODUCTS, *_REDUCTIONS)),
    "ai.onnx.ml": frozenset(_TREES),
}


def digest(graph: bytes) -> str:
    """SHA-256 of a model file, hexadecimal."""
    return hashlib.sha256(graph).hexdigest()


def inspect(
    graph: bytes, *, sha256: str, n_features: int, n_classes: int
) -> onnx.GraphProto:
    """Refuse whatever our exporter cannot have written for this card.

    Returns
    -------
    GraphProto
        What the file holds.

    Raises
    ------
    ArtefactError
        With the reason.
    """
    if len(graph) > MAX_BYTES:
        raise ArtefactError(f"{len(graph)} bytes: a model has at most {MAX_BYTES}")
    found = digest(graph)
    if found != sha256:
        raise ArtefactError(f"the file's digest {found} is not the card's {sha256}")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(graph)
    except Exception as error:  # protobuf's DecodeError, whose module has no types
        raise ArtefactError(f"not an ONNX file: {error}") from error
    for opset in model.opset_import:
        if opset.domain not in _OPERATORS:
            raise ArtefactError(f"operators of domain {opset.domain!r} are not served")
    if model.functions or model.training_info:
        raise ArtefactError("functions and training graphs are not served")
    for node in model.graph.node:
        if node.op_type not in _OPERATORS.get(node.domain, ()):
            raise ArtefactError(f"operator {node.op_type!r} is not served")
        for attribute in node.attribute:
            if attribute.g.node or attribute.graphs:
                raise ArtefactError(f"operator {node.op_type!r} carries a graph")
            _require_inline(attribute.t)
    for constant in model.graph.initializer:
        _require_inline(constant)
    if model.graph.sparse_initializer:
        raise ArtefactError("sparse constants are not served")
    _require_shape(model.graph.input, INPUT, n_features)
    _require_shape(model.graph.output, OUTPUT, n_classes)
    return model.graph


def carried(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    """Return by name what travels beside a graph: the arrays of a `Space`, or none.

    Raises
    ------
    ArtefactError
        If an array is not readable.
    """
    try:
        return {
            constant.name: numpy_helper.to_array(constant)
            for constant in graph.initializer
            if constant.name.startswith(PREFIX)
        }
    except Exception as error:  # whatever is wrong with an array, it is not ours
        raise ArtefactError(f"an array of the file is not readable: {error}") from error


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """Make an inspected graph ready to run, on the thread that calls it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            graph, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime raises a dozen kinds, all of them final
        raise ArtefactError(f"the runtime refuses the graph: {error}") from error


def _require_inline(tensor: onnx.TensorProto) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ArtefactError(f"constant {tensor.name!r} lies outside the file")


def _require_shape(values: list[onnx.ValueInfoProto], name: str, width: int) -> None:
    if [v.name for v in values] != [name]:
        raise ArtefactError(f"{[v.name for v in values]} must be [{name!r}]")
    tensor = values[0].type.tensor_type
    sizes = [d.dim_value for d in tensor.shape.dim]
    if tensor.elem_type != onnx.TensorProto.FLOAT or sizes != [0, width]:
        raise ArtefactError(
            f"{name} has shape {sizes}, type {tensor.elem_type}: "
            f"must be float32 with {width} columns"
        )
