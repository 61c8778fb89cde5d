"""How a training graph is called: what its signature says, feeds and reads."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy
import pytest

import cnndsl
from cnndsl import pipeline
from cnndsl.training.metrics import Metric
from cnndsl.training.signature import Signature, TensorSpec
from cnndsl.training.step import build_step

FLOAT, INT = numpy.dtype(numpy.float32), numpy.dtype(numpy.int64)

TWO_LOSSES = Signature(
    4,
    inputs=(
        TensorSpec("input", "sample", FLOAT, (4, 2)),
        TensorSpec("kind.labels", "labels", INT, (4,), "kind"),
        TensorSpec("size.labels", "labels", FLOAT, (4, 1), "size"),
        TensorSpec("d.weight", "weight", FLOAT, (3, 2)),
        TensorSpec("lr", "rate", FLOAT, ()),
    ),
    outputs=(
        TensorSpec("loss", "loss", FLOAT, ()),
        TensorSpec("kind.loss", "loss", FLOAT, (), "kind"),
        TensorSpec("size.loss", "loss", FLOAT, (), "size"),
        TensorSpec("d.weight.next", "next", FLOAT, (3, 2), "d.weight"),
    ),
    metrics={
        "kind": Metric("kind.correct", "accuracy", 4),
        "size": Metric("size.absolute_error", "mae", 1),
    },
)


def small() -> Signature:
    text = "input 4\nd: dense 3 -> batchnorm -> softmax\ntrain { optimizer adam\n freeze d }\n"
    return build_step(pipeline.typed(pipeline.check_text(text)), batch=2).signature


def test_inputs_and_outputs_are_those_of_the_model_in_its_order() -> None:
    text = "input 4\ndense 3 -> softmax\n"
    step = build_step(pipeline.typed(pipeline.check_text(text)), probed=True)
    graph = step.to_proto().graph
    for specs, values in (
        (step.signature.inputs, graph.input),
        (step.signature.outputs, graph.output),
    ):
        assert [spec.name for spec in specs] == [value.name for value in values]
        for spec, value in zip(specs, values, strict=True):
            tensor = value.type.tensor_type
            assert spec.dims == tuple(dim.dim_value for dim in tensor.shape.dim)
            assert spec.dtype == {1: FLOAT, 7: INT}[tensor.elem_type]


def test_frozen_weights_have_no_next_value() -> None:
    signature = small()
    assert [*signature.weights] == [
        *("d.weight", "d.bias", "batchnorm1.scale", "batchnorm1.bias"),
        *("batchnorm1.mean", "batchnorm1.var"),
    ]
    assert signature.updated == tuple(signature.weights)[2:]
    assert [*signature.state] == [
        f"batchnorm1.{weight}.moment{number}" for weight in ("scale", "bias") for number in (1, 2)
    ]
    assert signature.next_names["batchnorm1.scale.moment2"] == "batchnorm1.scale.moment2.next"
    assert [*signature.next_names] == [*signature.updated, *signature.state]


def test_feeds_are_what_the_graph_takes_beside_weights_and_state() -> None:
    signature = small()
    samples, labels = numpy.ones((2, 4), numpy.float32), numpy.array([0, 2])
    feeds = signature.feeds({"input": samples}, labels, lr=0.5, step=3, seed=9)
    assert {*feeds, *signature.weights, *signature.state} == {
        spec.name for spec in signature.inputs
    }
    assert feeds["input"] is samples
    assert feeds["labels"] is labels
    scalars = {name: (feeds[name].item(), feeds[name].dtype) for name in ("lr", "step", "seed")}
    assert scalars == {"lr": (0.5, FLOAT), "step": (3, INT), "seed": (9, INT)}


def test_labels_of_several_outputs_are_fed_by_the_outputs_names() -> None:
    kinds, sizes = numpy.arange(4), numpy.ones((4, 1), numpy.float32)
    samples = {"input": numpy.zeros((4, 2), numpy.float32)}
    feeds = TWO_LOSSES.feeds(samples, {"size": sizes, "kind": kinds})
    assert feeds["kind.labels"] is kinds
    assert feeds["size.labels"] is sizes
    with pytest.raises(KeyError, match="size"):
        TWO_LOSSES.feeds(samples, {"kind": kinds})
    with pytest.raises(ValueError, match="too many values"):
        TWO_LOSSES.feeds(samples, kinds)


def test_the_state_begins_at_zero() -> None:
    state = small().initial_state()
    assert {name: array.shape for name, array in state.items()} == small().state
    assert not any(array.any() for array in state.values())


def test_next_values_are_read_by_the_names_of_the_old_ones() -> None:
    new = numpy.ones((3, 2), numpy.float32)
    assert TWO_LOSSES.next_values({"d.weight.next": new, "loss": numpy.zeros(())}) == {
        "d.weight": new
    }


def test_the_description_of_one_loss_names_its_labels_and_its_metric() -> None:
    assert json.loads(json.dumps(small().description())) == {
        "batch": 2,
        "inputs": {"input": [2, 4]},
        "labels": ["labels", "int64", [2]],
        "weights": {name: list(dims) for name, dims in small().weights.items()},
        "updated": list(small().updated),
        "state": {name: list(dims) for name, dims in small().state.items()},
        "metric": ["correct", "accuracy", 2],
    }


def test_the_description_of_several_losses_has_them_by_output() -> None:
    assert TWO_LOSSES.loss == "loss"
    described = json.loads(json.dumps(TWO_LOSSES.description()))
    assert described["labels"] == ["kind.labels", "int64", [4]]
    assert described["losses"] == {
        "kind": {
            "labels": ["kind.labels", "int64", [4]],
            "loss": "kind.loss",
            "metric": ["kind.correct", "accuracy", 4],
        },
        "size": {
            "labels": ["size.labels", "float32", [4, 1]],
            "loss": "size.loss",
            "metric": ["size.absolute_error", "mae", 1],
        },
    }


def test_the_endings_of_names_stand_once() -> None:
    source = Path(cnndsl.__file__).parent
    found = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.endswith((".next", ".gradient"))
    }
    assert found == {"training/signature.py"}
