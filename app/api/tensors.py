"""What the Open Inference Protocol sends to and fro; `inference` has its routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from app.api.classify import MAX_ROWS, Roll
from app.api.fields import MAX_INT, Answer, Body, Text64
from app.api.fields import example as shown
from app.domain import Prediction
from app.errors import InvalidInput

OUTPUTS = ("label", "probability", "probabilities", "unknown", "classes")


class ErrorAnswer(Answer):
    """What is wrong."""

    error: str


class ServerAnswer(Answer):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class LiveAnswer(Answer):
    """Whether the process turns."""

    live: bool


class ReadyAnswer(Answer):
    """Whether it may be asked."""

    ready: bool


class ModelReadyAnswer(ReadyAnswer):
    """Whether a model may be asked."""

    name: str


class TensorShape(Answer):
    """A tensor's name, type and shape; -1 stands for any length."""

    name: str
    datatype: str
    shape: list[int]


class MetadataAnswer(Answer):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorShape]
    outputs: list[TensorShape]


class WindowTensor(Body):
    """The input: windows of one length, row by row, flat or nested."""

    name: Literal["window"]
    shape: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_INT)]],
        Field(min_length=2, max_length=3),
    ]
    datatype: Literal["FP32", "FP64"]
    parameters: dict[str, Any] = Field(default_factory=dict)
    data: list[float] | list[list[float]] | list[list[list[float]]]


class WantedOutput(Body):
    """An output that is wanted."""

    name: Text64
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferParameters(Body):
    """How many readings of each window lie before and after the event."""

    pre_roll: Roll | None = None
    post_roll: Roll | None = None


class InferBody(Body):
    """Windows to classify."""

    id: Text64 | None = None
    parameters: InferParameters = InferParameters()
    inputs: Annotated[list[WindowTensor], Field(min_length=1, max_length=1)]
    outputs: Annotated[list[WantedOutput], Field(max_length=len(OUTPUTS))] | None = None

    model_config = shown(
        {
            "inputs": [
                {
                    "name": "window",
                    "shape": [1, 2, 2],
                    "datatype": "FP32",
                    "data": [0.1, 0.2, 0.3, 0.1],
                }
            ]
        }
    )


class OutputTensor(TensorShape):
    """An output, flat and row-major."""

    data: list[Any]


class InferAnswer(Answer):
    """What a model version says of each window."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


def windows(tensor: WindowTensor) -> list[list[list[float]]]:
    """Cut a tensor into windows; what its shape does not say is refused."""
    shape = tensor.shape if len(tensor.shape) == 3 else [1, *tensor.shape]
    try:
        flat = np.asarray(tensor.data, dtype=np.float64)
    except ValueError:
        raise InvalidInput("data: the rows must have one length") from None
    if flat.ndim > 1 and list(flat.shape) != tensor.shape:
        raise InvalidInput(f"data has shape {list(flat.shape)}, not that of `shape`")
    wanted = int(np.prod(shape, dtype=np.float64))
    if flat.size != wanted:
        raise InvalidInput(f"data has {flat.size} numbers; the shape wants {wanted}")
    if shape[0] > MAX_ROWS:
        raise InvalidInput(f"{shape[0]} windows; at most {MAX_ROWS}")
    cut: list[list[list[float]]] = flat.reshape(shape).tolist()
    return cut


def outputs(said: list[Prediction]) -> dict[str, OutputTensor]:
    """Make the outputs, by name, of at least one prediction."""
    n, classes = len(said), list(said[0].classes)
    rows: dict[str, tuple[str, list[int], list[Any]]] = {
        "label": ("BYTES", [n], [one.label for one in said]),
        "probability": ("FP64", [n], [one.probability for one in said]),
        "probabilities": (
            "FP64",
            [n, len(classes)],
            [p for one in said for p in one.probabilities],
        ),
        "unknown": ("BOOL", [n], [one.unknown for one in said]),
        "classes": ("BYTES", [len(classes)], classes),
    }
    return {
        name: OutputTensor(name=name, datatype=kind, shape=shape, data=data)
        for name, (kind, shape, data) in rows.items()
    }
