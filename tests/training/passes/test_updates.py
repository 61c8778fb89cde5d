"""The updates of optimizers after all passes, where the gradient is a matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import onnx
import onnx_ir
import pytest
from oracle import relative_error
from small_graphs import checked, graph_of, runner

from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe.optimizers.sgd import Sgd
from cnndsl.training.optimizers import Parameter, Updates, emit_updates
from cnndsl.training.passes import simplify

FLOAT, INT64 = onnx_ir.DataType.FLOAT, onnx_ir.DataType.INT64


def simplified(
    emit: GraphBuilder, inputs: Sequence[onnx_ir.Value], updates: Updates
) -> onnx.ModelProto:
    outputs = {f"{name}.next": value for name, value in updates.weights.items()}
    outputs |= {f"{name}.next": new for name, (_, new) in updates.state.items()}
    model = graph_of(emit, [*inputs, *(old for old, _ in updates.state.values())], outputs)
    simplify(model)
    return checked(model)


def test_a_product_that_something_else_needs_is_left_as_it_is() -> None:
    emit = GraphBuilder()
    lr, step = emit.placeholder("lr", (), FLOAT), emit.placeholder("step", (), INT64)
    left, right, value = (emit.placeholder(name, (4, 4), FLOAT) for name in "abw")
    gradient = emit.op("Gemm", left, right)
    other = emit.op("Relu", gradient)
    updates = emit_updates(emit, Sgd(), None, [Parameter("w", value, gradient)], lr, step)
    both = Updates({**updates.weights, "other": other}, updates.state)
    proto = simplified(emit, [lr, step, left, right, value], both)
    assert [node.op_type for node in proto.graph.node] == ["Gemm", "Relu", "Mul", "Sub"]


@pytest.mark.parametrize("sizes", [(9, 2), (2, 9)])
def test_of_a_products_factors_the_smaller_one_is_scaled(sizes: tuple[int, int]) -> None:
    emit = GraphBuilder()
    lr, step = emit.placeholder("lr", (), FLOAT), emit.placeholder("step", (), INT64)
    factors = [emit.placeholder(f"f{size}", (3, size), FLOAT) for size in sizes]
    value = emit.placeholder("w", sizes, FLOAT)
    parameter = Parameter("w", value, emit.op("Gemm", *factors, transA=1))
    updates = emit_updates(emit, Sgd(), None, [parameter], lr, step)
    proto = simplified(emit, [lr, step, value, *factors], updates)
    [scaling] = [node for node in proto.graph.node if node.op_type == "Mul"]
    assert [*scaling.input] == ["f2", "lr"]


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("turns", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_any_matrix_product_keeps_its_meaning(
    momentum: float, turns: tuple[int, int], alpha: float
) -> None:
    emit = GraphBuilder()
    lr, step = emit.placeholder("lr", (), FLOAT), emit.placeholder("step", (), INT64)
    left = emit.placeholder("a", (3, 7) if turns[0] else (7, 3), FLOAT)
    right = emit.placeholder("b", (2, 3) if turns[1] else (3, 2), FLOAT)
    value = emit.placeholder("w", (7, 2), FLOAT)
    gradient = emit.op("Gemm", left, right, transA=turns[0], transB=turns[1], alpha=alpha)
    updates = emit_updates(
        emit, Sgd(momentum=momentum), None, [Parameter("w", value, gradient)], lr, step
    )
    state = [old for old, _ in updates.state.values()]
    inputs = [left, right, value, lr, *state]
    chance = numpy.random.default_rng(1)
    feeds = {str(one.name): chance.standard_normal(dims_of(one)).astype("f") for one in inputs}
    proto = simplified(emit, [left, right, value, lr, step], updates)
    found = runner(proto)(feeds | {"step": numpy.array(0)})["w.next"]
    a, b = (
        array.T if turn else array
        for turn, array in zip(turns, (feeds["a"], feeds["b"]), strict=True)
    )
    velocity = momentum * feeds["w.velocity"] if state else 0.0
    expected = feeds["w"] - feeds["lr"] * (velocity + alpha * (a @ b))
    assert relative_error(found, expected) < 1e-6
