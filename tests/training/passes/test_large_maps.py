"""The passes over large feature maps: that they keep the numbers, and where they keep away."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import onnx_ir
import pytest
from oracle import relative_error
from small_graphs import checked, runner
from step_graphs import Graph, normalized

from cnndsl.training.passes.affine import AffineIntoRelu
from cnndsl.training.passes.channel_products import MeansOfProducts, SumsOfProducts


def run(kind: type[onnx_ir.passes.InPlacePass], make: Callable[[Graph], None]) -> bool:
    """Whether a pass changes a graph."""
    graph = Graph()
    make(graph)
    return kind()(graph.model()).modified


def sums_of(*dims: int, axes: list[int], other: tuple[int, ...] = ()) -> Callable[[Graph], None]:
    def make(graph: Graph) -> None:
        product = graph.op("Mul", graph.given("x", *dims), graph.given("y", *(other or dims)))
        places = graph.emit.constant(axes)
        graph.outputs["sums"] = graph.op("ReduceSum", product, places, keepdims=0)

    return make


def all_summed(graph: Graph) -> None:
    x = graph.given("x", 2, 3, 512)
    graph.outputs["sum"] = graph.op("ReduceSum", graph.op("Mul", x, x), keepdims=0)


def products_used_twice(graph: Graph) -> None:
    x = graph.given("x", 2, 3, 512)
    product, axes = graph.op("Mul", x, x), graph.emit.constant([0, 2])
    graph.outputs["sums"] = graph.op("ReduceSum", product, axes, keepdims=0)
    graph.outputs["square"] = product


def products_of_doubles(graph: Graph) -> None:
    x = graph.emit.placeholder("x", (2, 3, 512), onnx_ir.DataType.DOUBLE)
    graph.inputs.append(x)
    axes = graph.emit.constant([0, 2])
    graph.outputs["sums"] = graph.op("ReduceSum", graph.op("Mul", x, x), axes, keepdims=0)


@pytest.mark.parametrize(
    "make",
    [
        sums_of(2, 3, 511, axes=[0, 2]),  # small maps
        sums_of(2, 3, 16, 32, axes=[0, 2]),  # rows only
        sums_of(2, 3, 16, 32, axes=[0, 1, 2, 3]),
        sums_of(2, 600, axes=[0]),  # no places
        sums_of(2, 3, 512, axes=[0, 2], other=(1, 3, 512)),  # stretched
        all_summed,
        products_used_twice,
        products_of_doubles,
    ],
)
def test_other_products_are_written(make: Callable[[Graph], None]) -> None:
    assert not run(SumsOfProducts, make)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[0, 2, 3], [2, 3]])
@pytest.mark.parametrize("kind", [SumsOfProducts, MeansOfProducts])
def test_sums_of_products_have_the_standard_forms_numbers_and_sizes(
    kind: type[SumsOfProducts], axes: list[int], keepdims: int, batch: int
) -> None:
    graph = Graph()
    x, y = (graph.given(name, batch, 2, 24, 24) for name in "xy")
    places = graph.emit.constant(axes)
    product = graph.op("Mul", x, y)
    graph.outputs["z"] = graph.op(kind.op_type, product, places, keepdims=keepdims)
    model = graph.model()
    chance = numpy.random.default_rng(5)
    feeds = {name: 3 + chance.standard_normal((batch, 2, 24, 24)).astype("f") for name in "xy"}
    wide = {name: array.astype(float) for name, array in feeds.items()}
    exact = getattr(numpy, {"ReduceSum": "sum", "ReduceMean": "mean"}[kind.op_type])(
        wide["x"] * wide["y"], axis=tuple(axes), keepdims=bool(keepdims)
    )
    assert kind()(model).modified
    found = runner(checked(model))(feeds)["z"]
    assert found.shape == exact.shape
    assert relative_error(found, exact) < 1e-6


def small_relu(graph: Graph) -> None:
    graph.outputs["y"] = graph.op("Relu", normalized(graph, 2, 3, 32, 31))


def deep_relu(graph: Graph) -> None:
    graph.outputs["y"] = graph.op("Relu", normalized(graph, 2, 3, 4, 16, 16))


def normalized_used_twice(graph: Graph) -> None:
    normal = normalized(graph, 2, 3, 1024)
    graph.outputs |= {"y": graph.op("Relu", normal), "z": graph.op("Abs", normal)}


@pytest.mark.parametrize("make", [small_relu, deep_relu, normalized_used_twice])
def test_other_normalisations_stay_apart_from_the_relu(make: Callable[[Graph], None]) -> None:
    assert not run(AffineIntoRelu, make)
