"""Turns a graph with a scalar result into the gradients of that result: reverse mode.

The nodes are walked backwards once (Linnainmaa 1970). Each one's rule turns the gradient of its
output into those of its inputs; what a value receives from several uses is summed, and what
broadcasting had stretched is summed back, here and nowhere else. Only nodes between the wanted
values and the result are visited, so that nothing is computed for the input picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy
import onnx_ir

# Imported for their rules.
from cnndsl.autodiff import composites as _composites  # noqa: F401
from cnndsl.autodiff import convolution as _convolution  # noqa: F401
from cnndsl.autodiff import elementwise as _elementwise  # noqa: F401
from cnndsl.autodiff import gates as _gates  # noqa: F401
from cnndsl.autodiff import linear as _linear  # noqa: F401
from cnndsl.autodiff import movement as _movement  # noqa: F401
from cnndsl.autodiff import normalization as _normalization  # noqa: F401
from cnndsl.autodiff import pooling as _pooling  # noqa: F401
from cnndsl.autodiff import reduction as _reduction  # noqa: F401
from cnndsl.autodiff.rules import NOT_DIFFERENTIABLE, Target, VjpContext, dims_of, rule_of
from cnndsl.graph.builder import GraphBuilder, LoweringError

__all__ = ["differentiate"]


def differentiate(
    emit: GraphBuilder,
    result: onnx_ir.Value,
    wanted: Iterable[onnx_ir.Value],
    target: Target = "cpu",
) -> Mapping[onnx_ir.Value, onnx_ir.Value]:
    """Emit the gradients of a result, summed over its elements, with respect to some values.

    Every shape in the graph must be fixed. Values on which the result does not depend have no
    entry in what is returned.

    Raises:
        LoweringError: where an operator on the way has no gradient.
    """
    sought = set(wanted)
    nodes = list(emit.nodes)
    active = _depending_on(sought, nodes)
    parts: dict[onnx_ir.Value, list[onnx_ir.Value]] = {}
    found: dict[onnx_ir.Value, onnx_ir.Value] = {}
    if result in active:
        emit.enter("gradient")
        assert result.dtype is not None
        one = numpy.ones(dims_of(result), result.dtype.numpy())
        parts[result] = [emit.tensor(one)]
    for node in reversed(nodes):
        output, *further = node.outputs
        if any(value in parts for value in further):
            place, which = node.doc_string or node.name, f"the first output of `{node.op_type}`"
            raise LoweringError(f"{place}: only {which} has a gradient")
        if output not in parts:
            continue
        emit.enter(f"{node.name}/gradient", node.doc_string or "")
        gradient = _total(emit, parts.pop(output), target)
        if gradient.dtype is not output.dtype and node.op_type != "Cast":
            # A sum over low numbers is float32: what is made of it here has the value's own type.
            gradient = emit.op("Cast", gradient, to=_type(output))
        if output in sought:
            found[output] = gradient
        for value, part in _backward(emit, node, gradient, active, target):
            parts.setdefault(value, []).append(part)
    for value, received in parts.items():  # What is left has no producer: weights and inputs.
        emit.enter(f"{value.name}/gradient")
        found[value] = _total(emit, received, target)
    return {value: found[value] for value in sought if value in found}


def _depending_on(wanted: set[onnx_ir.Value], nodes: Sequence[onnx_ir.Node]) -> set[onnx_ir.Value]:
    """The values that change smoothly with the wanted ones: those that a gradient flows through."""
    active = set(wanted)
    for node in nodes:
        if node.op_type not in NOT_DIFFERENTIABLE and any(value in active for value in node.inputs):
            active.update(value for value in node.outputs if _is_float(value))
    return active


def _is_float(value: onnx_ir.Value) -> bool:
    return value.dtype is not None and value.dtype.is_floating_point()


def _type(value: onnx_ir.Value) -> int:
    assert value.dtype is not None
    return value.dtype.value


def _backward(
    emit: GraphBuilder,
    node: onnx_ir.Node,
    gradient: onnx_ir.Value,
    active: set[onnx_ir.Value],
    target: Target,
) -> Iterable[tuple[onnx_ir.Value, onnx_ir.Value]]:
    """What a node passes on: pairs of an input and a part of its gradient."""
    needs_grad = tuple(value in active for value in node.inputs if value is not None)
    if not any(needs_grad):  # A wanted value that does not depend on another.
        return
    rule = rule_of(node)
    if rule is None:
        what = f"`{node.op_type}` has no gradient, and no package adds one"
        raise LoweringError(f"{node.doc_string or node.name}: {what}")
    context = VjpContext(emit, node, gradient, needs_grad, target)
    for value, part, want in zip(context.inputs, rule(context), needs_grad, strict=True):
        if part is not None and want:
            yield value, _summed_back(emit, part, dims_of(value))


def _total(emit: GraphBuilder, parts: Sequence[onnx_ir.Value], target: Target) -> onnx_ir.Value:
    """On a CPU one by one: Sum, on one thread, takes twice the time (4x8x192x28x28: 1.5 ms)."""
    if target == "cuda" and len(parts) > 2:
        return emit.op("Sum", *parts)
    total = parts[0]
    for part in parts[1:]:
        total = emit.op("Add", total, part)
    return total


def _summed_back(
    emit: GraphBuilder, gradient: onnx_ir.Value, dims: tuple[int, ...]
) -> onnx_ir.Value:
    """The gradient of a value that was broadcast, in the value's own shape."""
    have = dims_of(gradient)
    lead = len(have) - len(dims)
    stretched = [
        axis
        for axis, size in enumerate(have)
        if size != 1 and (axis < lead or dims[axis - lead] == 1)
    ]
    if stretched:
        axes, keepdims = emit.constant(stretched), int(lead == 0)
        gradient = emit.op("ReduceSum", gradient, axes, keepdims=keepdims)
    if dims_of(gradient) == dims:
        return gradient
    return emit.op("Reshape", gradient, emit.constant(list(dims)))
