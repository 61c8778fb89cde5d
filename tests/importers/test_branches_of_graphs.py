"""An `If` that sizes decide is the branch that is taken, and equal weights are one layer's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy
import onnx
import pytest
from imported_models import assert_same, import_model
from onnx import TensorProto, helper, numpy_helper

from cnndsl.diagnostics.model import UserError

FLOAT = TensorProto.FLOAT


def port(name: str, *sizes: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, FLOAT, sizes or None)


def choice(
    condition: str, then: onnx.GraphProto, other: onnx.GraphProto, output: str = "chosen"
) -> onnx.NodeProto:
    return helper.make_node(
        "If", [condition], [output], name=output, then_branch=then, else_branch=other
    )


def branch(nodes: Sequence[onnx.NodeProto], output: str, **constants: object) -> onnx.GraphProto:
    weights = [numpy_helper.from_array(numpy.asarray(a), n) for n, a in constants.items()]
    return helper.make_graph(list(nodes), "branch", [], [port(output)], weights)


def model_of(nodes: Sequence[onnx.NodeProto], **constants: object) -> onnx.ModelProto:
    weights = [numpy_helper.from_array(numpy.asarray(a), n) for n, a in constants.items()]
    ports = [port("x", "N", 3, 1, 8)], [port("y")]
    graph = helper.make_graph(list(nodes), "whole", *ports, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def asked(size: int) -> list[onnx.NodeProto]:
    """Whether the third dimension has this size, as PyTorch writes `x.squeeze(2)`."""
    return [
        helper.make_node("Relu", ["x"], ["before"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "two"], ["size"]),
        helper.make_node("Equal", ["size", f"is{size}"], ["is"]),
    ]


@pytest.mark.parametrize("size", [1, 5])
def test_a_branch_that_sizes_decide_is_taken(size: int, tmp_path: Path) -> None:
    inner = choice(
        "is",
        branch([helper.make_node("Squeeze", ["before", "axes"], ["r"])], "r", axes=[2]),
        branch([helper.make_node("Flatten", ["before"], ["r"])], "r"),
    )
    nodes = [*asked(size), inner, helper.make_node("Tanh", ["chosen"], ["y"])]
    constants = {"two": numpy.int64(2), "is1": numpy.int64(1), "is5": numpy.int64(5)}
    model = model_of(nodes, **constants)
    found = import_model(model, tmp_path)
    assert ("reshape 3x8" in found.text) == (size == 1)
    assert ("flatten" in found.text) == (size == 5)
    assert_same(model, found, tmp_path)


def test_names_that_two_branches_have_are_the_own_ones_of_each(tmp_path: Path) -> None:
    ones = numpy.ones((3, 1, 1), numpy.float32)
    deeper = choice(
        "yes",
        branch([helper.make_node("Add", ["t", "w"], ["r"])], "r", w=ones),
        branch([helper.make_node("Identity", ["t"], ["r"])], "r"),
        "deep",
    )
    nodes = [
        helper.make_node("Relu", ["x"], ["before"]),
        choice(
            "yes",
            branch([helper.make_node("Sigmoid", ["before"], ["t"]), deeper], "deep"),
            branch([helper.make_node("Neg", ["before"], ["n"])], "n"),
            "first",
        ),
        choice(
            "no",
            branch([helper.make_node("Neg", ["first"], ["r"])], "r"),
            branch([helper.make_node("Mul", ["first", "w"], ["r"])], "r", w=2 * ones),
            "second",
        ),
        helper.make_node("Tanh", ["second"], ["y"]),
    ]
    model = model_of(nodes, yes=numpy.bool_(True), no=numpy.bool_(False))
    found = import_model(model, tmp_path)
    assert found.params == 6
    assert_same(model, found, tmp_path)


def test_a_branch_that_data_decides_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["before"]),
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "zero"], ["is"]),
        choice(
            "is",
            branch([helper.make_node("Neg", ["before"], ["n"])], "n"),
            branch([helper.make_node("Identity", ["before"], ["n"])], "n"),
        ),
        helper.make_node("Tanh", ["chosen"], ["y"]),
    ]
    with pytest.raises(UserError) as refused:
        import_model(model_of(nodes, zero=numpy.float32(0)), tmp_path)
    assert refused.value.code == "CNN669"
    assert any("what it does is decided by data" in note for note in refused.value.notes)


def test_a_weight_of_layers_of_two_kinds_is_told_of(tmp_path: Path) -> None:
    kernels = numpy.random.default_rng(0).standard_normal((5, 3, 1, 3)).astype(numpy.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("ConvTranspose", ["r", "w"], ["y"]),
    ]
    model = model_of(nodes, w=kernels)
    found = import_model(model, tmp_path)
    assert found.notes[0] == "`w` is a weight of `conv` and of `upconv`: each has its own copy"
    assert found.params == 90
    assert_same(model, found, tmp_path)


def test_copies_of_a_weight_are_one_and_equal_ones_are_not(tmp_path: Path) -> None:
    kernels = numpy.random.default_rng(0).standard_normal((3, 3, 1, 3)).astype(numpy.float32)
    ones = numpy.ones((3, 3, 1, 3), numpy.float32)
    for array, params in ((kernels, 27), (ones, 54)):
        nodes = [
            helper.make_node("Conv", ["x", "a"], ["c"], pads=[0, 1, 0, 1]),
            helper.make_node("Conv", ["c", "b"], ["y"], pads=[0, 1, 0, 1]),
        ]
        model = model_of(nodes, a=array, b=array)
        found = import_model(model, tmp_path)
        assert found.params == params
        assert_same(model, found, tmp_path)
