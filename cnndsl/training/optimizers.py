"""Turns gradients into new weights: clips them, updates weight by weight, holds units' norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe.optimizers import base
from cnndsl.recipe.optimizers.base import Optimizer, UpdateBuilder

__all__ = ["Parameter", "Updates", "emit_updates"]

Parameter: TypeAlias = base.Parameter[onnx_ir.Value]
"""A weight that learns, in a graph."""


@dataclass(frozen=True, eq=False)
class Updates:
    """What a step makes: each parameter's new value, and each state's old one with its new one.

    A state is an input of the graph that begins at zero; it has the shape of its parameter.
    """

    weights: Mapping[str, onnx_ir.Value]
    state: Mapping[str, tuple[onnx_ir.Value, onnx_ir.Value]]


def emit_updates(
    emit: GraphBuilder,
    optimizer: Optimizer,
    clip: float | None,
    parameters: Sequence[Parameter],
    lr: onnx_ir.Value,
    step: onnx_ir.Value,
) -> Updates:
    """Emit one step of an optimizer for all parameters.

    ``lr`` is the learning rate, a float32 scalar, and ``step`` the number of steps before this
    one, an int64 scalar. Gradients whose norm, all together, exceeds ``clip`` are scaled down
    to it, before weight decay is added.
    """
    scale = None
    if clip is not None and parameters:
        emit.enter("clip")
        scale = _clip_factor(emit, clip, parameters)
    builder = UpdateBuilder(emit, lr, step, scale)
    weights: dict[str, onnx_ir.Value] = {}
    state: dict[str, tuple[onnx_ir.Value, onnx_ir.Value]] = {}
    for parameter in parameters:
        emit.enter(f"{parameter.name}/update")
        dims = dims_of(parameter.value)
        old = {
            kind: emit.placeholder(f"{parameter.name}.{kind}", dims, onnx_ir.DataType.FLOAT)
            for kind in optimizer.states
        }
        found: object = optimizer.update(builder, parameter, old)
        value, new = _checked(optimizer, found)
        weights[parameter.name] = _held(emit, parameter, value)
        state |= {f"{parameter.name}.{kind}": (one, new[kind]) for kind, one in old.items()}
    return Updates(weights, state)


def _checked(
    optimizer: Optimizer, found: object
) -> tuple[onnx_ir.Value, Mapping[str, onnx_ir.Value]]:
    """An update, which must be what an optimizer, perhaps of another package, has to give.

    Raises:
        UserError: CNN208 where it is something else.
    """
    match found:
        case (onnx_ir.Value() as weight, Mapping() as states) if set(states) == {*optimizer.states}:
            return weight, states
    kept = ", ".join(f"`{name}`" for name in optimizer.states) or "no states"
    raise UserError(
        "CNN208",
        f"the optimizer `{optimizer.keyword}` gives no update of a weight and of {kept}",
        help="let its `update` give the new weight, and the new states by their names",
    )


def _held(emit: GraphBuilder, parameter: Parameter, value: onnx_ir.Value) -> onnx_ir.Value:
    """The new weight, in which no unit's norm exceeds the parameter's limit."""
    most = parameter.max_norm
    if most is None:
        return value
    emit.enter(f"{parameter.name}/max_norm")
    others = [axis for axis in range(len(dims_of(value))) if axis != parameter.unit_axis]
    norm = emit.op("ReduceL2", value, emit.constant(others), keepdims=1)
    # A norm of 0 is none above the limit: it divides nothing by zero.
    above = emit.op("Max", norm, emit.scalar(most, value))
    return emit.op("Mul", value, emit.op("Div", emit.scalar(most, value), above))


def _clip_factor(emit: GraphBuilder, clip: float, parameters: Sequence[Parameter]) -> onnx_ir.Value:
    """The factor clip / (norm + 1e-6), at most 1, as ``torch.nn.utils.clip_grad_norm_``."""
    # Sorted, as a sum of float32 depends on its order, and the step must not depend on theirs.
    gradients = [one.gradient for one in sorted(parameters, key=lambda one: one.name)]
    squares = [emit.op("ReduceSumSquare", gradient, keepdims=0) for gradient in gradients]
    norm = emit.op("Sqrt", emit.op("Sum", *squares) if len(squares) > 1 else squares[0])
    above = emit.op("Add", norm, emit.scalar(1e-6, norm))
    factor = emit.op("Div", emit.scalar(clip, norm), above)
    return emit.op("Min", factor, emit.scalar(1, norm))
