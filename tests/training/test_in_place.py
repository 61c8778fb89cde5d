"""States are written over only where all that read them run before."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import onnx_ir
import pytest
from training_runs import network

from cnndsl.graph.builder import GraphBuilder
from cnndsl.training.in_place import overwritable_states
from cnndsl.training.signature import Signature, TensorSpec
from cnndsl.training.step import build_step

Value = onnx_ir.Value
Update = Callable[[GraphBuilder, Value, Value], tuple[Value, Value]]
"""Makes of a state and a gradient the next state, and something else that the step gives."""


def decayed(emit: GraphBuilder, state: Value, gradient: Value) -> tuple[Value, Value]:
    new = emit.op("Add", emit.op("Mul", state, emit.constant(0.9)), gradient)
    return new, emit.op("Neg", new)


def in_a_product(emit: GraphBuilder, state: Value, gradient: Value) -> tuple[Value, Value]:
    new = emit.op("Gemm", gradient, gradient, state, beta=0.9)
    return new, emit.op("Neg", new)


def a_factor_of_a_product(emit: GraphBuilder, state: Value, gradient: Value) -> tuple[Value, Value]:
    new = emit.op("Gemm", state, gradient, state)
    return new, emit.op("Neg", new)


def read_later(emit: GraphBuilder, state: Value, gradient: Value) -> tuple[Value, Value]:
    new, _ = decayed(emit, state, gradient)
    return new, emit.op("Sub", state, gradient)


def turned_and_read_later(emit: GraphBuilder, state: Value, gradient: Value) -> tuple[Value, Value]:
    """The transpose runs before, but a product that takes its place would not."""
    turned = emit.op("Transpose", state, perm=[1, 0])
    new = emit.op("Add", emit.op("Relu", turned), gradient)
    return new, emit.op("MatMul", turned, gradient)


def summed(emit: GraphBuilder, state: Value, gradient: Value) -> tuple[Value, Value]:
    """No cell of a running sum is the last that is read where it is written."""
    new = emit.op("CumSum", state, emit.tensor(numpy.array(0, numpy.int64)))
    return new, emit.op("Neg", emit.op("Add", new, gradient))


def found(update: Update) -> frozenset[str]:
    emit = GraphBuilder()
    float32 = onnx_ir.DataType.FLOAT
    state, gradient = (emit.placeholder(name, (4, 4), float32) for name in ("v", "g"))
    new, other = update(emit, state, gradient)
    new.name, other.name = "v.next", "other"
    graph = onnx_ir.Graph([state, gradient], [new, other], nodes=emit.nodes, opset_imports={"": 18})
    kind = numpy.dtype(numpy.float32)
    ins = (TensorSpec("v", "state", kind, (4, 4)), TensorSpec("g", "gradient", kind, (4, 4)))
    outs = (TensorSpec("v.next", "next", kind, (4, 4), "v"),)
    return overwritable_states(onnx_ir.Model(graph, ir_version=8), Signature(1, ins, outs))


@pytest.mark.parametrize("update", [decayed, in_a_product])
def test_what_is_read_before_is_written_over(update: Update) -> None:
    assert found(update) == {"v"}


@pytest.mark.parametrize(
    "update", [a_factor_of_a_product, read_later, turned_and_read_later, summed]
)
def test_what_may_be_read_later_is_not(update: Update) -> None:
    assert not found(update)


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd lr 0.1 momentum 0.9",
        "sgd lr 0.1 momentum 0.9 nesterov yes",
        "adam",
        "adamw",
        "rmsprop",
        "adagrad",
        "adadelta",
    ],
)
def test_all_optimizers_write_over_their_states(optimizer: str) -> None:
    step = build_step(network(f"optimizer {optimizer}; batch 8; weight_decay 0.01"))
    assert overwritable_states(step.model, step.signature) == {*step.signature.state}
