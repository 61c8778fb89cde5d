"""Layers that move numbers and change none."""

from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import Builder, LoweringContext

__all__ = ["Identity"]

V = TypeVar("V")


class Identity(Layer):
    """The stream itself: the shortcut of a residual block."""

    keyword = "identity"
    family = "shape"
    per_channel = True
    shares = "always"

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return context.inputs[0]
