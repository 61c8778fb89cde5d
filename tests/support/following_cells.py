"""Windows of any margins, and an oracle that follows single cells down to the input's."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st
from typing_extensions import override

from cnndsl.elaborate.network import InputNode, TypedNetwork
from cnndsl.layers.axis_footprint import AxisFootprint
from cnndsl.layers.base import Footprint, Layer
from cnndsl.layers.transposed_window import TransposedWindow
from cnndsl.layers.window import ForwardWindow, Rounding, Window
from cnndsl.types import TensorType

__all__ = ["Oracle", "Slide", "Spread", "sliding"]


class Slide(Layer):
    """A window along one dimension, with any margins."""

    keyword = "slide"

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    def window(self, source: TensorType) -> ForwardWindow:
        return ForwardWindow(
            source.spatial[0],
            self.kernel,
            self.stride,
            self.before,
            self.after,
            self.dilation,
            Rounding.FLOOR,
        )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((1, self.window(inputs[0]).output))

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return (self.window(inputs[0]),)


class Spread(Layer):
    """A transposed window along one dimension, with any margins."""

    keyword = "spread"

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    added: int = 0

    def window(self, source: TensorType) -> TransposedWindow:
        sizes = self.kernel, self.stride, self.before, self.after, self.dilation, self.added
        return TransposedWindow(source.spatial[0], *sizes)

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((1, self.window(inputs[0]).output))

    @override
    def windows(self, *inputs: TensorType) -> tuple[Window, ...]:
        return (self.window(inputs[0]),)


class Oracle:
    """Follows one cell of a one-dimensional network down to all the cells that it depends on."""

    def __init__(self, typed: TypedNetwork) -> None:
        self.typed = typed
        self.cells = cache(self._cells)

    def size(self, node: int) -> int:
        """The way from the first to the last input cell that a cell sees, the largest of all."""
        fields = [self.cells(node, at) for at in range(self.typed.types[node].spatial[0])]
        return max((max(field) - min(field) + 1 if field else 0) for field in fields)

    def _cells(self, position: int, cell: int) -> frozenset[int]:
        node = self.typed.network.nodes[position]
        if isinstance(node, InputNode):
            return frozenset({cell})
        match node.layer.footprint(*self.typed.input_types(node)):
            case "point":
                below = [(source, cell) for source in node.inputs]
            case "whole":
                raise AssertionError("not part of this game")
            case (TransposedWindow() as window,):
                # All cells that could be the one: padding counts as if the input went on.
                far = window.dilation * window.kernel // window.stride + 2
                near = range(
                    cell // window.stride - far, cell // window.stride + far + window.before
                )
                below = [
                    (node.inputs[0], tap)
                    for tap in near
                    for place in range(window.kernel)
                    if tap * window.stride + place * window.dilation == cell + window.before
                ]
            case (AxisFootprint() as other,) if not isinstance(other, Window):
                below = [(node.inputs[0], tap) for tap in other.cells(cell)]
            case (ForwardWindow() as window,):
                start = cell * window.stride - window.before
                taps = range(start, start + window.extent, window.dilation)
                below = [(node.inputs[0], tap) for tap in taps]
        return frozenset().union(*(self.cells(source, tap) for source, tap in below))


@st.composite
def sliding(draw: st.DrawFn, stride: int) -> Slide:
    """A layer that divides the size by its stride, with margins where they happen to fall."""
    kernel, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    extent = dilation * (kernel - 1) + 1
    margin = max(0, extent - stride)
    before = draw(st.integers(0, margin))
    return Slide(
        kernel=kernel, stride=stride, before=before, after=margin - before, dilation=dilation
    )
