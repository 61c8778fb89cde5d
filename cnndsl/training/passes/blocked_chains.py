"""Lets a convolution on blocked feature maps take in what follows it.

Before::

    y = Relu(Add(nchwc.Conv(x, w, b), z))
    u = ReorderInput(ReorderOutput(y))

After::

    y = nchwc.Conv(x, w, b, z, activation = Relu)
    u = y

So neither the addition nor the relu takes a pass over memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir
import onnx_ir.passes
from typing_extensions import override

from cnndsl.autodiff.rules import constant_of, dims_of
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.nodes import typed
from cnndsl.training.passes.fusion import Fusion, made_for
from cnndsl.training.passes.rewiring import replace_uses

__all__ = ["BlockedAddition", "BlockedClip", "BlockedRelu", "UnblockedTwice"]


def _convolution(value: onnx_ir.Value | None) -> onnx_ir.Node | None:
    """The convolution on blocks that makes a value for one reader, with or without a Reshape."""
    shaped = made_for(value, "Reshape")
    conv = made_for(value if shaped is None else shaped.inputs[0], "Conv", BLOCKED)
    return None if conv is None or "activation" in conv.attributes else conv


def _again(
    conv: onnx_ir.Node,
    inputs: Sequence[onnx_ir.Value | None],
    dims: Sequence[int],
    emit: BlockedNodes,
    *more: onnx_ir.Attr,
) -> BlockedNodes:
    """The convolution with other inputs and more attributes, its result in some shape."""
    result = conv.outputs[0]
    node = onnx_ir.Node(BLOCKED, "Conv", inputs, [*conv.attributes.values(), *more])
    emit.append(typed(node, result, dims_of(result)))
    emit.shaped(node.outputs[0], *dims)
    return emit


class BlockedRelu(Fusion):
    """Makes a convolution's own of the Relu behind it."""

    op_type = "Relu"

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        conv, more = _convolution(node.inputs[0]), self.attributes(node)
        if conv is None or not more:
            return ()
        return _again(conv, conv.inputs, dims_of(node.outputs[0]), BlockedNodes(), *more)

    def attributes(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Attr]:
        """What says so of the convolution; nothing where it can't be said."""
        return (onnx_ir.AttrString("activation", node.op_type),)


class BlockedClip(BlockedRelu):
    """The same of a Clip between two numbers."""

    op_type = "Clip"

    @override
    def attributes(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Attr]:
        bounds = [constant_of(value) for value in node.inputs[1:]]
        numbers = [float(one.item()) for one in bounds if one is not None]
        if len(numbers) != 2:
            return ()
        return *super().attributes(node), onnx_ir.AttrFloat32s("activation_params", numbers)


class BlockedAddition(Fusion):
    """Makes a convolution's own of the addition behind it.

    What is added is copied first, where others read it too.
    """

    op_type = "Add"

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        dims = dims_of(node.outputs[0])
        if any(value is None or dims_of(value) != dims for value in node.inputs):
            return ()
        for value, other in (node.inputs, node.inputs[::-1]):
            conv = _convolution(value)
            if conv is None or other is None or len(conv.inputs) > 3:
                continue
            emit = BlockedNodes()
            addend = emit.shaped(other, *dims_of(conv.outputs[0]))
            inputs = [*conv.inputs, *[None] * (3 - len(conv.inputs)), addend]
            return _again(conv, inputs, dims, emit)
        return ()


class UnblockedTwice(onnx_ir.passes.InPlacePass):
    """Takes blocks as they are where they were unblocked and are blocked again."""

    @override
    def call(self, model: onnx_ir.Model) -> onnx_ir.passes.PassResult:
        is_changed = False
        for node in tuple(model.graph):
            if (node.domain, node.op_type) != (BLOCKED, "ReorderInput"):
                continue
            value = node.inputs[0]
            plain = None if value is None else value.producer()
            if plain is None or (plain.domain, plain.op_type) != (BLOCKED, "ReorderOutput"):
                continue
            blocks = plain.inputs[0]
            assert blocks is not None
            if dims_of(blocks) == dims_of(node.outputs[0]):
                replace_uses(node.outputs[0], blocks)
                is_changed = True
        return onnx_ir.passes.PassResult(model, is_changed)
