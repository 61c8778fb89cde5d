"""Lets feature maps stay in blocks from one convolution to the next.

Before::

    y = Relu(ReorderOutput(nchwc.Conv(x, w)))
    z = nchwc.Conv(ReorderInput(y), v)

After::

    blocks = nchwc.Conv(x, w, activation = Relu)
    y = ReorderOutput(blocks)
    z = nchwc.Conv(blocks, v)

The plain y stays where others read it: its own gradient, and that of the next kernels. So a `relu`
takes no pass over memory, and each further convolution of the same maps is spared one.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir
import onnx_ir.passes
from typing_extensions import override

from cnndsl.autodiff.rules import dims_of
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.nodes import typed
from cnndsl.training.passes.fusion import Fusion, made_for

__all__ = ["BlockedRelu", "UnblockedTwice"]


class BlockedRelu(Fusion):
    """Makes a convolution's own of the Relu behind it."""

    op_type = "Relu"

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        plain = made_for(node.inputs[0], "ReorderOutput", BLOCKED)
        conv = None if plain is None else made_for(plain.inputs[0], "Conv", BLOCKED)
        if plain is None or conv is None or "activation" in conv.attributes:
            return ()
        result = conv.outputs[0]
        attributes = {**conv.attributes, "activation": onnx_ir.AttrString("activation", "Relu")}
        again = onnx_ir.Node(BLOCKED, "Conv", conv.inputs, attributes.values())
        typed(again, result, dims_of(result))
        back = onnx_ir.Node(BLOCKED, "ReorderOutput", again.outputs, plain.attributes.values())
        return again, typed(back, result, dims_of(node.outputs[0]))


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
                onnx_ir.convenience.replace_all_uses_with(node.outputs[0], blocks)
                is_changed = True
        return onnx_ir.passes.PassResult(model, is_changed)
