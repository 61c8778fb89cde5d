"""Gradients of whole transposed layers, as they are lowered, and in every way that they crop."""

from __future__ import annotations

from typing import Any

import numpy
import onnx_ir
import pytest
from gradients import check_gradients

from cnndsl.graph.builder import GraphBuilder
from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import LoweringContext
from cnndsl.types import TensorType

CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "same, odd cell at the end": ((2, 4, 3), {"kernel": 3, "stride": 2, "padding": "same"}),
    "same, kernel below the stride": ((2, 3), {"kernel": 2, "stride": 3, "padding": "same"}),
    "full": ((2, 6), {"kernel": 3, "padding": "full"}),
    "output padding": ((2, 3, 4), {"kernel": 3, "stride": (3, 2), "output_padding": (2, 1)}),
    "output padding beyond what is cropped": (
        (2, 4),
        {"kernel": 2, "stride": 4, "padding": 1, "output_padding": 3},
    ),
    "more at the front": ((2, 4), {"kernel": 4, "stride": 2, "padding": (3, 1)}),
    "padding wider than the kernel": ((2, 5, 4), {"kernel": 2, "stride": 2, "padding": 2}),
    "padding much wider than the kernel": ((2, 9), {"kernel": 1, "stride": 2, "padding": 5}),
    "groups": ((4, 3, 3), {"kernel": 2, "stride": 2, "groups": 2}),
    "groups of one": ((3, 3, 3), {"kernel": 4, "stride": 2, "padding": 1, "groups": 3}),
    "dilation and stride": ((2, 4, 3), {"kernel": (3, 2), "stride": 2, "dilation": (2, 3)}),
    "three dimensions": (
        (2, 2, 3, 2),
        {"kernel": (2, 3, 2), "stride": (2, 1, 2), "padding": (0, 1, 0, 1, 0, 0)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_transposed_layer_has_gradients(name: str) -> None:
    dims, given = CASES[name]
    schema: Any = find("upconv")
    layer: Layer = schema(filters=2 * given.get("groups", 1), **given)
    source = TensorType(dims)
    assert [*layer.faults(source)] == []
    weight, bias = layer.weights(source)
    random = numpy.random.default_rng(7)

    def build(emit: GraphBuilder, /, *values: onnx_ir.Value) -> onnx_ir.Value:
        weights = {"weight": values[1], "bias": values[2]}
        context = LoweringContext(values[:1], (source,), layer.output(source), weights)
        return layer.lower(emit, context)

    shapes = (2, *dims), weight.shape, bias.shape
    check_gradients(build, *(random.standard_normal(shape) for shape in shapes), samples=8)
