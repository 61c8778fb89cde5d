"""How a pooling's windows move along the axes of its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir

from cnndsl.autodiff.rules import dims_of

__all__ = ["PoolWindow", "pool_windows"]


@dataclass(frozen=True)
class PoolWindow:
    """How a pooling's window moves along one axis of its input."""

    axis: int
    size: int
    output: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def plain(self) -> bool:
        """Whether windows lie side by side, without padding."""
        return self.kernel == self.stride and self.dilation == 1 and not self.before + self.after

    @property
    def places(self) -> tuple[int, ...]:
        """The places of the window at which it ever stands on a cell of the input."""
        return tuple(place for place in range(self.kernel) if self.standing(place))

    def standing(self, place: int) -> range:
        """The windows that have a cell of the input, not of the padding, at a place."""
        offset = self.offset(place)
        first = max(0, -(offset // self.stride))
        return range(first, min(self.output, (self.size - 1 - offset) // self.stride + 1))

    def offset(self, place: int) -> int:
        """Where the first window has a place: the cell's number."""
        return place * self.dilation - self.before


def pool_windows(
    node: onnx_ir.Node, source: onnx_ir.Value, result: onnx_ir.Value
) -> tuple[PoolWindow, ...]:
    """Those of a pooling of a source, as a node's attributes give them, along each spatial axis."""
    kernel = _integers(node, "kernel_shape", ())
    ones = (1,) * len(kernel)
    pads = _integers(node, "pads", (0, 0) * len(kernel))
    columns = zip(
        range(2, 2 + len(kernel)),
        dims_of(source)[2:],
        dims_of(result)[2:],
        kernel,
        _integers(node, "strides", ones),
        _integers(node, "dilations", ones),
        pads[: len(kernel)],
        pads[len(kernel) :],
        strict=True,
    )
    return tuple(PoolWindow(*column) for column in columns)


def _integers(node: onnx_ir.Node, name: str, default: Sequence[int]) -> tuple[int, ...]:
    attribute = node.attributes.get(name)
    return tuple(default) if attribute is None else tuple(attribute.as_ints())
