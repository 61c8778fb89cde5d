"""Transposed convolutions in float64: what ONNX Runtime computes, in more digits."""

from __future__ import annotations

import math
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from cnndsl import pipeline
from cnndsl.pipeline import selftest
from cnndsl.runtime.doubles import DoubleGraph

CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((5,), {}),
    ((3, 4), {"strides": [2, 3], "output_padding": [1, 2]}),
    ((3, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 2}),
    ((4, 3), {"dilations": [2, 1], "pads": [0, 1, 2, 0], "group": 4}),
    ((2, 3, 2), {"strides": [1, 2, 1], "pads": [1, 0, 0, 0, 1, 1]}),
]


@pytest.mark.parametrize(("size", "given"), CASES)
def test_a_transposed_convolution_is_that_of_onnx_runtime(
    size: tuple[int, ...], given: dict[str, Any]
) -> None:
    random = numpy.random.default_rng(3)
    groups = given.get("group", 1)
    shapes = {"x": (2, 4, *size), "w": (4, 6 // groups if groups < 4 else 1, *[3] * len(size))}
    shapes["b"] = (shapes["w"][1] * groups,)
    feeds = {name: random.standard_normal(shape, numpy.float32) for name, shape in shapes.items()}
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    nodes = [
        helper.make_node("ConvTranspose", [*shapes], ["y"], **given),
        helper.make_node("Sin", ["y"], ["s"]),  # so that no two cells can be exchanged unseen
        helper.make_node("Mul", ["s", "y"], ["p"]),
        helper.make_node("ReduceSum", ["p"], ["total"], keepdims=0),
    ]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("total", "y")]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (expected,) = session.run(["total"], feeds)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    assert DoubleGraph(copy, "total")(feeds) == pytest.approx(float(expected), rel=1e-4)


def test_gradients_of_a_network_with_transposed_layers_pass_the_selftest() -> None:
    spec = (
        "input 1x6x6\nconv 4@3 stride 2 padding same -> tanh\n"
        "upconv 4@3 stride 2 padding same groups 2 -> tanh\nflatten -> dense 3 -> softmax\n"
    )
    network = pipeline.typed(pipeline.check_text(spec))
    assert next(selftest(network, device="cpu", threads=1)).verdict == "passed"


@pytest.mark.parametrize(
    "given",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 2], "strides": [1, 2], "pads": [1, 0, 1, 1]},
        {"kernel_shape": [2, 2], "dilations": [2, 1], "pads": [1, 1, 0, 0]},
    ],
)
def test_the_places_of_maxima_are_those_of_onnx_runtime(given: dict[str, Any]) -> None:
    x = numpy.random.default_rng(4).standard_normal((2, 3, 6, 5), numpy.float32)
    nodes = [
        helper.make_node("MaxPool", ["x"], ["y", "places"], **given),
        helper.make_node("Cast", ["places"], ["p"], to=TensorProto.FLOAT),
        helper.make_node("Sin", ["p"], ["s"]),
        helper.make_node("Mul", ["s", "y"], ["m"]),
        helper.make_node("ReduceSum", ["m"], ["total"], keepdims=0),
    ]
    outputs = [helper.make_tensor_value_info("total", TensorProto.FLOAT, None)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    assert DoubleGraph(model, "total")({"x": x}) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize(
    ("operator", "size", "expected"),
    [
        ("GlobalMaxPool", (2, 3, 4), [3.0, 7.0, 11.0, 15.0, 19.0, 23.0]),
        ("GlobalMaxPool", (2, 3, 4, 1), [3.0, 7.0, 11.0, 15.0, 19.0, 23.0]),
        ("GlobalMaxPool", (3, 1, 2, 2, 2), [7.0, 15.0, 23.0]),
        ("LogSoftmax", (1, 2), [-1000.0, 0.0]),
        ("Erf", (1, 1), [0.8427007929497149]),
    ],
)
def test_what_the_reference_computes_wrongly_is_right(
    operator: str, size: tuple[int, ...], expected: list[float]
) -> None:
    values = {"LogSoftmax": [0, 1000], "Erf": [1]}.get(operator, range(math.prod(size)))
    weights = numpy.arange(1.0, 1 + len(expected))  # no two results can be exchanged unseen
    nodes = [
        helper.make_node(operator, ["x"], ["y"]),
        helper.make_node("Reshape", ["y", "flat"], ["line"]),
        helper.make_node("MatMul", ["line", "w"], ["total"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, size)]
    constants = [
        helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
        helper.make_tensor("w", TensorProto.DOUBLE, weights.shape, weights),
    ]
    outputs = [helper.make_tensor_value_info("total", TensorProto.FLOAT, None)]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, constants))
    source = numpy.array(values, numpy.float32).reshape(size)
    found = DoubleGraph(model, "total")({"x": source})
    assert found == pytest.approx(float(weights @ expected), rel=1e-14)
