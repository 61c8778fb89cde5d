"""Each fusion before and after, that it keeps the numbers, and where it keeps away.

``CNNDSL_REWRITE=1`` writes the graphs in ``tests/golden/passes/`` anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy
import onnx_ir
import onnx_ir.passes
import pytest
from onnx_ir.passes import common
from oracle import relative_error
from packaging.version import Version
from small_graphs import Array, checked, interpreter, runner
from step_graphs import Graph, normalized

from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.export import graph_text
from cnndsl.training.passes import CPU_PASSES, simplify
from cnndsl.training.passes.affine import AffineIntoClip, AffineIntoRelu
from cnndsl.training.passes.channel_products import MeansOfProducts, SumsOfProducts
from cnndsl.training.passes.decay import LARGE, DecayAsProduct
from cnndsl.training.passes.descent import DescentIntoProduct
from cnndsl.training.passes.fusion import Fusion
from cnndsl.training.passes.momentum import MomentumIntoProduct

GOLDEN = Path(__file__).parents[2] / "golden" / "passes"

FLOAT = onnx_ir.DataType.FLOAT

Value = onnx_ir.Value


def momentum(graph: Graph) -> None:
    scaled = graph.op("Mul", graph.given("velocity", 6, 5), graph.emit.constant(0.9))
    graph.outputs["velocity.next"] = graph.op("Add", scaled, graph.gradient())


def descent(graph: Graph) -> None:
    step = graph.op("Mul", graph.gradient(), graph.given("lr"))
    graph.outputs["w.next"] = graph.op("Sub", graph.given("w", 6, 5), step)


def decay(graph: Graph) -> None:
    weight, gradient = graph.given("w", 1024, LARGE // 1024), graph.given("g", 1024, LARGE // 1024)
    total = graph.op("Add", gradient, graph.op("Mul", weight, graph.emit.constant(0.125)))
    graph.outputs["square"] = graph.op("Mul", total, total)


def sums(graph: Graph) -> None:
    product = graph.op("Mul", graph.given("x", 2, 3, 16, 32), graph.given("y", 2, 3, 16, 32))
    axes = graph.emit.constant([0, 2, 3])
    graph.outputs["sums"] = graph.op("ReduceSum", product, axes, keepdims=0)


def means(graph: Graph) -> None:
    x = graph.given("x", 2, 3, 512)
    axes = graph.emit.constant([2])
    graph.outputs["means"] = graph.op("ReduceMean", graph.op("Mul", x, x), axes, keepdims=1)


def relu(graph: Graph) -> None:
    graph.outputs["y"] = graph.op("Relu", normalized(graph, 2, 3, 32, 32))


def clip(graph: Graph) -> None:
    ends = graph.emit.constant(0.0), graph.emit.constant(6.0)
    graph.outputs["y"] = graph.op("Clip", normalized(graph, 1, 3, 1024), *ends)


FUSIONS: Mapping[Callable[[Graph], None], type[Fusion]] = {
    momentum: MomentumIntoProduct,
    descent: DescentIntoProduct,
    decay: DecayAsProduct,
    sums: SumsOfProducts,
    means: MeansOfProducts,
    relu: AffineIntoRelu,
    clip: AffineIntoClip,
}

each_fusion = pytest.mark.parametrize("make", FUSIONS, ids=lambda make: make.__name__)


def run(kind: type[onnx_ir.passes.InPlacePass], make: Callable[[Graph], None]) -> bool:
    """Whether a pass changes a graph."""
    graph = Graph()
    make(graph)
    return kind()(graph.model()).modified


# --- what they do -----------------------------------------------------------------------------


@each_fusion
def test_the_graphs_before_and_after_are_the_recorded_ones(make: Callable[[Graph], None]) -> None:
    if Version(version("onnx")) < Version("1.23"):
        pytest.skip("the printer of older versions of onnx writes numbers with fewer digits")
    graph = Graph()
    make(graph)
    model = graph.model()
    compare(f"{make.__name__}.before.onnxtxt", graph_text(model))
    assert FUSIONS[make]()(model).modified
    common.RemoveUnusedNodesPass()(model)
    compare(f"{make.__name__}.after.onnxtxt", graph_text(model))


def compare(name: str, text: str) -> None:
    recorded = GOLDEN / name
    if os.environ.get("CNNDSL_REWRITE"):
        recorded.write_text(text, encoding="utf-8")
    assert text == recorded.read_text(encoding="utf-8")


@each_fusion
def test_the_numbers_stay(make: Callable[[Graph], None]) -> None:
    graph = Graph()
    make(graph)
    model = graph.model()
    chance = numpy.random.default_rng(3)
    feeds: dict[str, Array] = {
        str(one.name): chance.standard_normal(dims_of(one)).astype("f") for one in graph.inputs
    }
    expected = interpreter(checked(model))(feeds)
    assert FUSIONS[make]()(model).modified
    found = runner(checked(model))(feeds)
    assert [*found] == [*expected]
    for name, array in expected.items():
        assert relative_error(found[name], array) < 1e-6


@each_fusion
def test_a_second_run_finds_nothing_more(make: Callable[[Graph], None]) -> None:
    graph = Graph()
    make(graph)
    model = graph.model()
    simplify(model)
    assert not FUSIONS[make]()(model).modified


@each_fusion
def test_new_nodes_keep_their_line_of_the_spec_and_have_names_of_their_own(
    make: Callable[[Graph], None],
) -> None:
    graph = Graph()
    make(graph)
    model = graph.model()
    FUSIONS[make]()(model)
    names = [node.name for node in model.graph]
    assert len({*names}) == len(names)
    assert {node.doc_string for node in model.graph} == {"spec.cnn:1: w: dense 6"}


@pytest.mark.parametrize("kind", FUSIONS.values(), ids=lambda kind: kind.__name__)
def test_what_may_change_and_has_no_known_sizes_is_refused(kind: type[Fusion]) -> None:
    graph = Graph()
    x, axes = graph.emit.placeholder("x", ("N", 2), FLOAT), graph.emit.constant([1])
    further = {"Add": [x], "Sub": [x], "ReduceMean": [axes], "ReduceSum": [axes]}
    graph.outputs["out"] = graph.op(kind.op_type, x, *further.get(kind.op_type, []))
    with pytest.raises(onnx_ir.passes.PreconditionError, match="`out` has no fixed type"):
        kind()(graph.model())


def test_two_fusions_may_meet_in_one_update() -> None:
    """A large dense layer's decay goes into one product, and that with momentum into the next."""

    def both(graph: Graph) -> None:
        velocity, weight = (graph.given(name, 1024, LARGE // 1024) for name in ("v", "w"))
        rest = graph.op("Mul", weight, graph.emit.constant(0.25))
        rest = graph.op("Mul", graph.op("Add", velocity, rest), graph.emit.constant(0.5))
        left, right = graph.given("a", 2, 1024), graph.given("b", 2, LARGE // 1024)
        gradient = graph.op("Gemm", left, right, transA=1)
        graph.outputs["v.next"] = graph.op("Add", rest, gradient)

    graph = Graph()
    both(graph)
    model = graph.model()
    simplify(model)
    operators = [node.op_type for node in model.graph if node.op_type != "Constant"]
    assert operators == [*["Reshape"] * 2, "Gemm", "Reshape", "Gemm"]


# --- where they keep away ---------------------------------------------------------------------


def product_used_twice(graph: Graph) -> None:
    scaled = graph.op("Mul", graph.given("velocity", 6, 5), graph.emit.constant(0.9))
    gradient = graph.gradient()
    graph.outputs["velocity.next"] = graph.op("Add", scaled, gradient)
    graph.outputs["norm"] = graph.op("ReduceSumSquare", gradient, keepdims=0)


def taken_by(result: Value, position: int) -> Value:
    """An input of the node that gives a value."""
    node = result.producer()
    assert node is not None
    value = node.inputs[position]
    assert value is not None
    return value


def product_is_an_output(graph: Graph) -> None:
    momentum(graph)
    graph.outputs["gradient"] = taken_by(graph.outputs["velocity.next"], 1)


def scaled_is_an_output(graph: Graph) -> None:
    momentum(graph)
    graph.outputs["kept"] = taken_by(graph.outputs["velocity.next"], 0)


def result_is_no_output(graph: Graph) -> None:
    momentum(graph)
    graph.outputs = {"after": graph.op("Relu", graph.outputs["velocity.next"])}


def product_with_an_addend(graph: Graph) -> None:
    scaled = graph.op("Mul", graph.given("velocity", 6, 5), graph.emit.constant(0.9))
    left, right, more = graph.given("a", 3, 6), graph.given("b", 3, 5), graph.given("c", 5)
    gradient = graph.op("Gemm", left, right, more, transA=1)
    graph.outputs["velocity.next"] = graph.op("Add", scaled, gradient)


def factor_unknown(graph: Graph) -> None:
    scaled = graph.op("Mul", graph.given("velocity", 6, 5), graph.given("mu"))
    graph.outputs["velocity.next"] = graph.op("Add", scaled, graph.gradient())


def factor_for_each_column(graph: Graph) -> None:
    factor = graph.emit.constant([0.1, 0.2, 0.3, 0.4, 0.5])
    scaled = graph.op("Mul", graph.given("velocity", 6, 5), factor)
    graph.outputs["velocity.next"] = graph.op("Add", scaled, graph.gradient())


def velocity_of_a_row(graph: Graph) -> None:
    scaled = graph.op("Mul", graph.given("velocity", 5), graph.emit.constant(0.9))
    graph.outputs["velocity.next"] = graph.op("Add", scaled, graph.gradient())


def velocities_in_groups(graph: Graph) -> None:
    """The product is stretched: what is left has more numbers than it."""
    scaled = graph.op("Mul", graph.given("velocity", 2, 6, 5), graph.emit.constant(0.9))
    graph.outputs["velocity.next"] = graph.op("Add", scaled, graph.gradient())


def another_operator(graph: Graph) -> None:
    scaled = graph.op("Mul", graph.given("velocity", 6, 5), graph.emit.constant(0.9))
    gradient = graph.op("MatMul", graph.given("a", 6, 3), graph.given("b", 3, 5))
    graph.outputs["velocity.next"] = graph.op("Add", scaled, gradient)


@pytest.mark.parametrize(
    "make",
    [
        product_used_twice,
        product_is_an_output,
        scaled_is_an_output,
        result_is_no_output,
        product_with_an_addend,
        factor_unknown,
        factor_for_each_column,
        velocity_of_a_row,
        velocities_in_groups,
        another_operator,
    ],
)
def test_momentum_stays_apart(make: Callable[[Graph], None]) -> None:
    assert not run(MomentumIntoProduct, make)


def step_used_twice(graph: Graph) -> None:
    descent(graph)
    graph.outputs["size"] = graph.op("Abs", taken_by(graph.outputs["w.next"], 1))


def descending_product_used_twice(graph: Graph) -> None:
    gradient = graph.gradient()
    step = graph.op("Mul", gradient, graph.given("lr"))
    graph.outputs["w.next"] = graph.op("Sub", graph.given("w", 6, 5), step)
    graph.outputs["norm"] = graph.op("ReduceSumSquare", gradient, keepdims=0)


def rate_for_each_column(graph: Graph) -> None:
    step = graph.op("Mul", graph.gradient(), graph.given("lr", 5))
    graph.outputs["w.next"] = graph.op("Sub", graph.given("w", 6, 5), step)


def weight_of_a_row(graph: Graph) -> None:
    step = graph.op("Mul", graph.gradient(), graph.given("lr"))
    graph.outputs["w.next"] = graph.op("Sub", graph.given("w", 5), step)


def weights_in_groups(graph: Graph) -> None:
    step = graph.op("Mul", graph.gradient(), graph.given("lr"))
    graph.outputs["w.next"] = graph.op("Sub", graph.given("w", 2, 6, 5), step)


def descent_is_no_output(graph: Graph) -> None:
    descent(graph)
    graph.outputs = {"after": graph.op("Relu", graph.outputs["w.next"])}


def descending_product_is_an_output(graph: Graph) -> None:
    gradient = graph.gradient()
    step = graph.op("Mul", gradient, graph.given("lr"))
    graph.outputs["w.next"] = graph.op("Sub", graph.given("w", 6, 5), step)
    graph.outputs["w.gradient"] = gradient


@pytest.mark.parametrize(
    "make",
    [
        step_used_twice,
        descending_product_used_twice,
        descending_product_is_an_output,
        rate_for_each_column,
        weight_of_a_row,
        weights_in_groups,
        descent_is_no_output,
    ],
)
def test_the_descent_stays_apart(make: Callable[[Graph], None]) -> None:
    assert not run(DescentIntoProduct, make)


def weight_is_small(graph: Graph) -> None:
    weight, gradient = graph.given("w", LARGE - 1), graph.given("g", LARGE - 1)
    total = graph.op("Add", gradient, graph.op("Mul", weight, graph.emit.constant(0.125)))
    graph.outputs["square"] = graph.op("Mul", total, total)


def sum_is_an_output(graph: Graph) -> None:
    weight, gradient = graph.given("w", LARGE), graph.given("g", LARGE)
    decayed = graph.op("Mul", weight, graph.emit.constant(0.125))
    graph.outputs["total"] = graph.op("Add", gradient, decayed)


def decayed_is_no_input(graph: Graph) -> None:
    weight, gradient = graph.op("Abs", graph.given("w", LARGE)), graph.given("g", LARGE)
    total = graph.op("Add", gradient, graph.op("Mul", weight, graph.emit.constant(0.125)))
    graph.outputs["square"] = graph.op("Mul", total, total)


def decayed_used_twice(graph: Graph) -> None:
    decayed = graph.op("Mul", graph.given("w", LARGE), graph.emit.constant(0.125))
    total = graph.op("Add", graph.given("g", LARGE), decayed)
    graph.outputs["product"] = graph.op("Mul", total, decayed)


def decay_unknown(graph: Graph) -> None:
    decayed = graph.op("Mul", graph.given("w", LARGE), graph.given("decay"))
    total = graph.op("Add", graph.given("g", LARGE), decayed)
    graph.outputs["square"] = graph.op("Mul", total, total)


def gradient_of_one_number(graph: Graph) -> None:
    decayed = graph.op("Mul", graph.given("w", LARGE), graph.emit.constant(0.125))
    total = graph.op("Add", graph.given("g", 1), decayed)
    graph.outputs["square"] = graph.op("Mul", total, total)


@pytest.mark.parametrize(
    "make",
    [
        weight_is_small,
        sum_is_an_output,
        decayed_is_no_input,
        decayed_used_twice,
        decay_unknown,
        gradient_of_one_number,
    ],
)
def test_decay_stays_a_sum(make: Callable[[Graph], None]) -> None:
    assert not run(DecayAsProduct, make)


def test_a_gpu_gets_none_of_what_is_fast_on_a_cpu_only() -> None:
    for make, kind in FUSIONS.items():
        graph = Graph()
        make(graph)
        model = graph.model()
        simplify(model, target="cuda")
        assert kind()(model).modified is (kind in CPU_PASSES), kind
