"""Lets convolutions and their gradients work on feature maps whose channels lie in blocks.

Before::

    y = Conv(x, w)
    dx = ConvInputGradient(dy, w)
    dw = ConvKernelGradient(x, dy)

After::

    y = ReorderOutput(nchwc.Conv(ReorderInput(x), …))

and both gradients likewise, by the forms of :mod:`cnndsl.training.host.blocked`. A gradient that
keeps its standard form is a composite still, and taken apart by a later pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import onnx_ir
import onnx_ir.passes
from typing_extensions import override

from cnndsl.autodiff.convolution import INPUT_GRADIENT, KERNEL_GRADIENT, geometry_of
from cnndsl.autodiff.geometry import Geometry
from cnndsl.graph.builder import COMPOSITES
from cnndsl.training.host.dimensions import (
    forward,
    in_two,
    input_gradient,
    kernel_gradient,
)
from cnndsl.training.host.kernels import BLOCKED, Host, Part
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.host.rule import (
    can_block,
    can_block_input_gradient,
    can_block_kernel_gradient,
    is_faster,
    is_faster_input_gradient,
    is_faster_kernel_gradient,
    is_near,
)
from cnndsl.training.passes.fusion import Fusion

__all__ = ["BlockedConvolutions", "BlockedForms"]

_Says: TypeAlias = Callable[[Geometry, int], bool]

_RULES: Mapping[Part, tuple[_Says, _Says]] = {
    "forward": (can_block, is_faster),
    "input gradient": (can_block_input_gradient, is_faster_input_gradient),
    "kernel gradient": (can_block_kernel_gradient, is_faster_kernel_gradient),
}
"""For each part, whether there is a blocked form of it, and whether that is faster."""

_OPERATORS = {("", "Conv"), (COMPOSITES, INPUT_GRADIENT), (COMPOSITES, KERNEL_GRADIENT)}


class BlockedForms(Fusion):
    """Puts nodes on blocked feature maps in the place of others."""

    @override
    def call(self, model: onnx_ir.Model) -> onnx_ir.passes.PassResult:
        result = super().call(model)
        if result.modified:
            model.graph.opset_imports[BLOCKED] = 1
        return result


class BlockedConvolutions(BlockedForms):
    """Puts blocked forms in the place of convolutions and gradients that they are faster for."""

    def __init__(self, host: Host, *, every: bool = False) -> None:
        """With ``every``, all that have such a form, faster or not."""
        super().__init__()
        self.host = host
        self.every = every

    @override
    def applies(self, node: onnx_ir.Node) -> bool:
        return (node.domain, node.op_type) in _OPERATORS

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        first, second, *rest = (value for value in node.inputs if value is not None)
        result, block = node.outputs[0], self.host.block
        if result.dtype != onnx_ir.DataType.FLOAT:
            return ()
        emit = BlockedNodes()
        if node.op_type == INPUT_GRADIENT:
            g = geometry_of(node, result, second, first)
            if self._is_wanted("input gradient", g):
                input_gradient(emit, g, block, first, second)
        elif node.op_type == KERNEL_GRADIENT:
            g = geometry_of(node, first, result, second)
            if self._is_wanted("kernel gradient", g):
                kernel_gradient(emit, g, block, first, second)
        else:
            g = geometry_of(node, first, second, result)
            if self._is_wanted("forward", g):
                forward(emit, g, block, first, second, *rest)
        return emit

    def _is_wanted(self, part: Part, g: Geometry) -> bool:
        block, judge = self.host.block, self.host.judge
        can, is_faster = _RULES[part]
        flat = in_two(part, g)
        if flat is None or not can(flat, block):
            return False
        if self.every:
            return True
        # Of other dimensions' kernels neither form is faster: standard 25.0 ms and 23.4 in blocks
        # for 32x64x1000 with 9 places, 65 and 71 for 2x64x16x32x32 (Xeon, AVX-512, 2 threads).
        by_rule = is_faster(flat, block) and (g.rank == 2 or part != "kernel gradient")
        return judge(part, g, by_rule) if judge and is_near(flat, block) else by_rule
