"""Lets gradients of max pooling work on feature maps whose channels lie in blocks.

Before::

    dx = MaxPoolGradient(x, y, dy)

After::

    dx = ReorderOutput(… nchwc.Conv(…) …)

by the form of :mod:`cnndsl.training.host.pooling`. A gradient that keeps its standard form is a
composite still, and taken apart by a later pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir
from typing_extensions import override

from cnndsl.autodiff.pooling import MAX_POOL_GRADIENT
from cnndsl.autodiff.rules import dims_of
from cnndsl.autodiff.windows import pool_windows
from cnndsl.graph.builder import COMPOSITES
from cnndsl.training.host.kernels import Host
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.host.pooling import can_block_pool, max_pool_gradient
from cnndsl.training.passes.blocking import BlockedForms

__all__ = ["BlockedPools"]


class BlockedPools(BlockedForms):
    """Puts the blocked form in the place of all gradients that have one: it is no slower."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host

    @override
    def applies(self, node: onnx_ir.Node) -> bool:
        return (node.domain, node.op_type) == (COMPOSITES, MAX_POOL_GRADIENT)

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        source, result, gradient = (value for value in node.inputs if value is not None)
        windows, block = pool_windows(node, source, result), self.host.block
        channels = dims_of(source)[1]
        if source.dtype != onnx_ir.DataType.FLOAT or not can_block_pool(windows, channels, block):
            return ()
        emit = BlockedNodes()
        max_pool_gradient(emit, windows, block, source, result, gradient)
        return emit
