"""Graphs that are answered without the runtime."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from app.learning import Model
from app.learning.export import export
from app.learning.train import train_full
from app.learning.unpack import read


@pytest.fixture(scope="module")
def artefacts(dataset, profile, quiet):
    """Of each kind that is read; `blend` has all of it."""
    names = ("blend", "lda", "extra_trees")
    fitted = [train_full(dataset, name, seed=1, progress=quiet) for name in names]
    return [export(one, profile, dataset) for one in fitted]


def test_answers_are_those_of_the_runtime(artefacts, dataset):
    wild = np.random.default_rng(0).normal(0, 1e9, (20, dataset.features.shape[1]))
    table = np.concatenate((dataset.features, wild.astype(np.float32)))
    for artefact in artefacts:
        model = Model.load(*artefact)
        assert model.quick is not None
        ours = np.array([model.quick.probabilities(row) for row in table])
        theirs = [
            model.session.run(None, {"features": row[None]})[0][0] for row in table
        ]
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nodes_truenodeids", 0),  # round in circles
        ("nodes_falsenodeids", 10**6),
        ("nodes_nodeids", 7),
        ("nodes_featureids", -1),
        ("nodes_featureids", 10**6),
        ("target_ids", 99),
        ("target_treeids", 10**6),
        ("nodes_treeids", 3),
    ],
)
def test_trees_that_lead_astray_are_left_to_the_runtime(artefacts, name, value):
    graph = onnx.load_from_string(artefacts[0][0]).graph
    n_features = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    assert read(graph, n_features, 3) is not None
    [forest] = [n for n in graph.node if n.op_type == "TreeEnsembleRegressor"]
    [numbers] = [one for one in forest.attribute if one.name == name]
    numbers.ints[0] = value
    assert read(graph, n_features, 3) is None


def test_linear_models_of_another_shape_are_left_to_the_runtime(artefacts):
    whole = onnx.load_from_string(artefacts[1][0]).graph
    n_features = whole.input[0].type.tensor_type.shape.dim[1].dim_value
    assert read(whole, n_features, 3) is not None
    assert read(whole, n_features + 1, 3) is None
    assert read(whole, n_features, 2) is None
    for kind in ("Sub", "MatMul", "Add"):
        graph = onnx.load_from_string(artefacts[1][0]).graph
        name = next(node.input[1] for node in graph.node if node.op_type == kind)
        constant = next(one for one in graph.initializer if one.name == name)
        short = numpy_helper.to_array(constant)[:-1]
        constant.CopyFrom(numpy_helper.from_array(short, name))
        assert read(graph, n_features, 3) is None
    graph = onnx.load_from_string(artefacts[1][0]).graph
    graph.node.insert(0, helper.make_node("Identity", ["features"], ["unused"]))
    assert read(graph, n_features, 3) is None
