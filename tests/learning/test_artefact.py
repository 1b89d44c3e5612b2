"""Hostile files whose digest the card vouches for all the same."""

import pickle
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.errors import ArtefactError
from app.learning import Model
from app.learning.artefact import digest
from app.learning.export import export
from app.learning.train import train_full


@pytest.fixture(scope="module")
def artefact(dataset, profile, quiet):
    fitted = train_full(dataset, "logistic", seed=1, progress=quiet)
    return export(fitted, profile, dataset)


def load(graph: bytes, card):
    return Model.load(graph, replace(card, graph_sha256=digest(graph)))


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    "graph", [b"", b"\x00" * 100, b"not a model", pickle.dumps(Bomb())]
)
def test_bytes_that_are_no_graph_are_refused_and_not_executed(graph, artefact):
    with pytest.raises(ArtefactError):
        load(graph, artefact[1])


def test_truncated_and_flipped_graphs_never_load_with_other_answers(artefact):
    graph, card = artefact
    random = np.random.default_rng(0)
    for at in random.integers(0, len(graph), 60):
        flipped = bytearray(graph)
        flipped[at] ^= 1 << int(random.integers(8))
        for damaged in (bytes(flipped), graph[:at]):
            try:
                model = load(damaged, card)
            except ArtefactError:
                continue
            rows = zip(card.selftest.rows, card.selftest.probabilities, strict=True)
            for row, expected in rows:
                said = model.predict(np.array(row, np.float32)).probabilities
                assert said == pytest.approx(expected, abs=1e-4)


def edited(graph: bytes, edit) -> bytes:
    model = onnx.load_model_from_string(graph)
    edit(model)
    return model.SerializeToString()


def outside(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="../secret")


def loop(model):
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["a"], ["b"], body=body))


def constant_outside(model):
    value = numpy_helper.from_array(np.zeros(2, np.float32))
    value.data_location = TensorProto.EXTERNAL
    model.graph.node.append(helper.make_node("Identity", ["a"], ["b"], value=value))


def foreign(model):
    model.opset_import.append(helper.make_opsetid("com.evil", 1))


def second_input(model):
    model.graph.input.append(
        helper.make_tensor_value_info("more", TensorProto.FLOAT, [None, 1])
    )


def not_finite(model):
    for tensor in model.graph.initializer:
        if "space" not in tensor.name:
            spoil(tensor)


def nowhere(model):
    (weights,) = (c for c in model.graph.initializer if c.name == "space.weights")
    spoil(weights)


def astray(model):
    (chosen,) = (c for c in model.graph.initializer if c.name == "space.chosen")
    values = numpy_helper.to_array(chosen) + 1_000_000
    chosen.CopyFrom(numpy_helper.from_array(values, chosen.name))


def spaceless(model):
    constants = [c for c in model.graph.initializer if "space" not in c.name]
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)


def half_a_space(model):
    constants = [c for c in model.graph.initializer if c.name != "space.low"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)


def spoil(tensor):
    values = numpy_helper.to_array(tensor)
    if values.dtype.kind == "f":
        tensor.CopyFrom(numpy_helper.from_array(values * np.nan, tensor.name))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (outside, "outside the file"),
        (constant_outside, "outside the file"),
        (loop, "'Loop' is not served"),
        (foreign, "domain 'com.evil'"),
        (second_input, "must be"),
        (not_finite, "no probabilities"),
        (nowhere, "weights is not finite"),
        (astray, "chosen must be within"),
        (spaceless, "the file no space"),
        (half_a_space, "not those of a space"),
    ],
)
def test_graphs_that_our_exporter_cannot_have_written_are_refused(
    edit, reason, artefact
):
    graph, card = artefact
    with pytest.raises(ArtefactError, match=reason):
        load(edited(graph, edit), card)
