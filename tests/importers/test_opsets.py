"""Older and newer operators, by attributes or by inputs, are read as ONNX Runtime computes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from imported_models import assert_same, import_model
from onnx import TensorProto, helper, numpy_helper

FLOAT, WHOLE = numpy.float32, numpy.int64


def node(op: str, inputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node of one result; `-` stands for an input that is left out."""
    return helper.make_node(
        op, [one.replace("-", "") for one in inputs.split()], ["y"], **attributes
    )


def whole(*numbers: int) -> numpy.ndarray[Any, Any]:
    return numpy.array(numbers, WHOLE)


def model_of(
    nodes: Sequence[onnx.NodeProto], opset: int, constants: dict[str, Any], sizes: Sequence[int]
) -> onnx.ModelProto:
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *sizes]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    weights = [
        numpy_helper.from_array(numpy.asarray(array), name) for name, array in constants.items()
    ]
    graph = helper.make_graph(list(nodes), "one", ports[:1], ports[1:], weights)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4 if opset < 15 else 8
    )


RANDOM = numpy.random.default_rng(0)
NORM = {
    "s": RANDOM.uniform(0.5, 1.5, 4).astype(FLOAT),
    "b": RANDOM.standard_normal(4).astype(FLOAT),
    "m": RANDOM.standard_normal(4).astype(FLOAT),
    "v": RANDOM.uniform(0.5, 1.5, 4).astype(FLOAT),
}
KERNELS = {"w": RANDOM.standard_normal((6, 4, 3, 3)).astype(FLOAT)}
MATRIX = {"w": RANDOM.standard_normal((3, 256)).astype(FLOAT), "c": numpy.ones(3, FLOAT)}
TWICE = numpy.array([1, 1, 2, 2], FLOAT)
HALVES = {"f": numpy.array([1, 1, 1.5, 1.5], FLOAT)}

CASES: dict[str, tuple[range, onnx.NodeProto, dict[str, Any]]] = {
    "Dropout by attribute": (range(7, 12), node("Dropout", "x", ratio=0.3), {}),
    "Dropout by input": (range(12, 22), node("Dropout", "x r"), {"r": FLOAT(0.3)}),
    "Clip by attributes": (range(7, 11), node("Clip", "x", min=-0.5, max=1.5), {}),
    "Clip by inputs": (
        range(11, 22), node("Clip", "x a b"), {"a": FLOAT(-0.5), "b": FLOAT(1.5)}
    ),
    "Clip from below": (range(11, 22), node("Clip", "x a"), {"a": FLOAT(0)}),
    "Clip from above": (range(11, 22), node("Clip", "x - b"), {"b": FLOAT(3.4028235e38)}),
    "Unsqueeze by attribute": (range(7, 13), node("Unsqueeze", "x", axes=[1]), {}),
    "Unsqueeze by input": (range(13, 22), node("Unsqueeze", "x a"), {"a": whole(-1)}),
    "Flatten": (range(11, 22), node("Flatten", "x", axis=-3), {}),
    "Reshape": (range(7, 22), node("Reshape", "x s"), {"s": whole(0, -1, 8)}),
    "Pad by attributes": (
        range(7, 11), node("Pad", "x", pads=[0, 0, 1, 2, 0, 0, 0, 1], value=0.5), {}
    ),
    "Pad by inputs": (
        range(11, 22), node("Pad", "x p v"), {"p": whole(0, 0, 1, 2, 0, 0, 0, 1), "v": FLOAT(0.5)}
    ),
    "Pad by axes": (range(18, 22), node("Pad", "x p - a"), {"p": whole(1, 2), "a": whole(-1)}),
    "Pad that reflects": (
        range(7, 11), node("Pad", "x", pads=[0, 0, 1, 2, 0, 0, 0, 1], mode="reflect"), {}
    ),
    "Slice by attributes": (
        range(7, 10), node("Slice", "x", starts=[1, 0], ends=[3, 7], axes=[1, 3]), {}
    ),
    "Slice by inputs": (
        range(10, 22),
        node("Slice", "x a b c d"),
        {"a": whole(1, 0), "b": whole(3, 2**60), "c": whole(1, -1), "d": whole(1, 2)},
    ),
    "ReduceMean by attribute": (range(7, 18), node("ReduceMean", "x", axes=[2, 3]), {}),
    "ReduceMean by input": (
        range(18, 22), node("ReduceMean", "x a", keepdims=0), {"a": whole(-1, -2)}
    ),
    "ReduceSum by attribute": (range(7, 13), node("ReduceSum", "x", axes=[1], keepdims=0), {}),
    "ReduceSum by input": (range(13, 22), node("ReduceSum", "x a"), {"a": whole(3)}),
    "Upsample by attribute": (
        range(7, 9), node("Upsample", "x", scales=[1.0, 1.0, 2.0, 3.0], mode="nearest"), {}
    ),
    "Upsample by input": (range(9, 10), node("Upsample", "x f"), {"f": TWICE}),
    "Resize of opset 10": (range(10, 11), node("Resize", "x f"), {"f": TWICE}),
    "Resize by factors": (
        range(13, 22), node("Resize", "x - f", coordinate_transformation_mode="asymmetric",
                            nearest_mode="floor"), {"f": TWICE},
    ),
    "Resize with boxes": (
        range(11, 22), node("Resize", "x r f", mode="linear"),
        {"r": numpy.zeros(0, FLOAT), "f": TWICE},
    ),
    "Resize to sizes": (
        range(13, 22), node("Resize", "x - - s", mode="linear",
                            coordinate_transformation_mode="align_corners"),
        {"s": whole(2, 4, 11, 5)},
    ),
    "Resize by axes": (
        range(18, 22), node("Resize", "x - f", mode="linear", axes=[2, 3]),
        {"f": numpy.array([2, 2], FLOAT)},
    ),
    "Resize by halves": (range(13, 22), node("Resize", "x - f", mode="linear"), HALVES),
    "BatchNormalization": (range(9, 22), node("BatchNormalization", "x s b m v"), NORM),
    "BatchNormalization of places": (
        range(7, 9), node("BatchNormalization", "x s b m v", spatial=1), NORM
    ),
    "Softmax of the rest": (range(7, 13), node("Softmax", "x", axis=1), {}),
    "Softmax of channels": (range(13, 22), node("Softmax", "x", axis=1), {}),
    "Softmax of the last": (range(11, 22), node("Softmax", "x", axis=-1), {}),
    "PRelu": (range(7, 22), node("PRelu", "x s"), {"s": NORM["s"].reshape(4, 1, 1)}),
    "Conv": (range(7, 22), node("Conv", "x w", auto_pad="SAME_LOWER", strides=[2, 2]), KERNELS),
    "Conv that is padded twice": (
        range(7, 22), node("Conv", "x w", auto_pad="VALID", dilations=[2, 2]), KERNELS
    ),
    "MaxPool": (range(7, 22), node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 1]), {}),
    "MaxPool that rounds up": (
        range(10, 22), node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), {}
    ),
    "AveragePool": (
        range(7, 22), node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 0, 0],
                           count_include_pad=1), {},
    ),
    "AveragePool that rounds up": (
        range(10, 22), node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2],
                            ceil_mode=1), {},
    ),
    "Add": (range(7, 22), node("Add", "x b"), {"b": NORM["b"].reshape(4, 1, 1)}),
    "Sum": (range(8, 22), node("Sum", "x x x"), {}),
    "Max": (range(8, 22), node("Max", "x z"), {"z": FLOAT(0)}),
    "Gelu": (range(20, 22), node("Gelu", "x", approximate="tanh"), {}),
    "GroupNormalization of groups": (
        range(18, 21), node("GroupNormalization", "x s b", num_groups=2),
        {"s": NORM["s"][:2], "b": NORM["b"][:2]},
    ),
    "GroupNormalization": (
        range(21, 22), node("GroupNormalization", "x s b", num_groups=2),
        {"s": NORM["s"], "b": NORM["b"]},
    ),
    "Cast": (range(7, 22), node("Cast", "x", to=TensorProto.FLOAT), {}),
    "DepthToSpace": (
        range(11, 22), node("DepthToSpace", "x", blocksize=2, mode="CRD"), {}
    ),
    "LRN": (range(7, 22), node("LRN", "x", size=3, alpha=0.1, beta=0.7, bias=1.5), {}),
    "Elu": (range(7, 22), node("Elu", "x", alpha=0.7), {}),
    "Concat": (range(11, 22), node("Concat", "x x", axis=-1), {}),
    "Transpose": (range(7, 22), node("Transpose", "x", perm=[0, 3, 1, 2]), {}),
    "Gather": (range(11, 22), node("Gather", "x i", axis=-2), {"i": whole(0, 2, 4)}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_opset_is_read_as_it_is_computed(name: str, tmp_path: Path) -> None:
    opsets, one, constants = CASES[name]
    for opset in {opsets[0], opsets[len(opsets) // 2], opsets[-1]}:
        end = helper.make_node("Tanh", ["y"], ["end"])
        model = model_of([one, end], opset, constants, (4, 8, 8))
        model.graph.output[0].name = "end"
        found = import_model(model, tmp_path)
        assert found.refused == ()
        assert_same(model, found, tmp_path)


@pytest.mark.parametrize("opset", [7, 9, 10, 12, 13, 17, 21])
def test_the_ends_of_classifiers(opset: int, tmp_path: Path) -> None:
    """Shapes that are computed, a `Gemm`, a `Softmax`: as exporters have written them."""
    taken = (
        [helper.make_node("Slice", ["n"], ["m"], starts=[0], ends=[1], axes=[0])]
        if opset < 10
        else [helper.make_node("Slice", ["n", "zero", "one", "zero"], ["m"])]
    )
    nodes = [
        helper.make_node("Shape", ["x"], ["n"]),
        *taken,
        helper.make_node("Concat", ["m", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "c"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["y"], axis=1),
    ]
    constants = {**MATRIX, "rest": whole(-1), "zero": whole(0), "one": whole(1)}
    model = model_of(nodes, opset, constants, (4, 8, 8))
    found = import_model(model, tmp_path)
    assert "flatten -> dense classes -> softmax" in found.text
    assert_same(model, found, tmp_path)
