"""The factors of channels that go from a convolution's gradients to its kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy
import onnx_ir
import pytest
from oracle import relative_error
from small_graphs import runner
from step_graphs import Graph

from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import dims_of
from cnndsl.training.passes import simplify
from cnndsl.training.passes.scaled_gradients import ScaledGradients


def scaled(
    x: tuple[int, ...],
    w: tuple[int, ...],
    *,
    column: tuple[int, ...] = (),
    bias: bool = False,
    **attributes: Any,
) -> onnx_ir.Model:
    """Both gradients of a convolution whose channels are multiplied by numbers that are given."""
    graph = Graph()
    given = [graph.given("x", *x), graph.given("w", *w)]
    if bias:
        given.append(graph.given("b", w[0]))
    y = graph.op("Conv", *given, **attributes)
    slope = graph.given("slope", *(column or (w[0], *[1] * (len(x) - 2))))
    z = graph.op("Mul", y, slope)
    score = graph.op("ReduceSum", graph.op("Mul", z, graph.given("g", *dims_of(z))), keepdims=0)
    found = differentiate(graph.emit, score, given, "host")
    graph.outputs |= {f"d{one.name}": found[one] for one in given}
    return graph.model()


@pytest.mark.parametrize(
    ("x", "w", "attributes"),
    [
        ((3, 4, 9, 8), (6, 4, 3, 3), {}),
        ((1, 4, 9, 8), (6, 2, 3, 2), {"group": 2, "strides": [2, 1], "pads": [1, 0, 1, 0]}),
        ((2, 4, 7, 7), (4, 1, 3, 3), {"group": 4, "pads": [1, 1, 1, 1]}),
        ((4, 4, 5, 5), (6, 4, 1, 1), {}),
        ((2, 3, 20), (5, 3, 3), {"dilations": [2]}),
        ((2, 3, 5, 5, 5), (2, 3, 2, 2, 2), {}),
    ],
)
def test_kernels_are_scaled_and_the_numbers_stay(
    x: tuple[int, ...], w: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    standard, model = scaled(x, w, **attributes), scaled(x, w, **attributes)
    dims = {str(one.name): dims_of(one) for one in model.graph.inputs}
    random = numpy.random.default_rng(2)
    feeds = {name: random.standard_normal(size, numpy.float32) for name, size in dims.items()}
    feeds["slope"][0] = 0  # that nothing is divided by
    assert ScaledGradients()(model).modified
    products = [
        node.outputs[0]
        for node in model.graph
        if node.op_type == "Mul"
        and node.inputs[1] is not None
        and "slope" in str(node.inputs[1].name)
    ]
    found, expected = (
        runner(onnx_ir.serde.serialize_model(_simplified(one)))(feeds) for one in (model, standard)
    )
    assert all(math.prod(dims_of(one)) == math.prod(w) for one in products if one.uses())
    for name, array in expected.items():
        assert relative_error(found[name], array) < 1e-5


def _simplified(model: onnx_ir.Model) -> onnx_ir.Model:
    simplify(model)
    return model


@pytest.mark.parametrize(
    "model",
    [
        scaled((3, 4, 9, 8), (6, 4, 3, 3), bias=True),  # whose gradient reads the product too
        scaled((3, 4, 6, 6), (6, 4, 5, 5)),  # kernels are larger than maps
        scaled((3, 4, 9, 8), (6, 4, 3, 3), column=(6, 7, 6)),  # no columns
    ],
)
def test_other_gradients_are_scaled_themselves(model: onnx_ir.Model) -> None:
    assert not ScaledGradients()(model).modified
