"""Layers that move numbers and change none."""

from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.base import Emitter, Layer, Site

__all__ = ["Identity"]

V = TypeVar("V")


class Identity(Layer):
    """The stream itself: the shortcut of a residual block."""

    keyword = "identity"
    shares = "always"

    @override
    def lower(self, emit: Emitter[V], site: Site[V]) -> V:
        return site.inputs[0]
