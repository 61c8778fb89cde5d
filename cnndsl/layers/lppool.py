"""Pooling by norms: the p-norm of the cells of a window, or of a whole feature map."""

import math
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import LARGEST, Bounds
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.pool import GlobalPooling, Pooling, window_sums

__all__ = ["GlobalLpPool", "LpPool"]

V = TypeVar("V")

_P = "the norm's exponent: 1 adds up absolute values, 2 is the root of the sum of squares"


class LpPool(Pooling):
    """Takes the p-norm of the cells of each window: (sum |x|^p)^(1/p)."""

    keyword = "lppool"
    arithmetic = "float32"
    saves = ("inputs", "output")

    p: float = Field(default=2.0, ge=1, le=LARGEST, allow_inf_nan=False, description=_P)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return 0.0, math.inf

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """By powers, sums and a root: LpPool has no kernel on CUDA."""
        windows = self.windows(context.types[0])
        powers = _powers(emit, context.inputs[0], self.p)
        return _root(emit, window_sums(emit, powers, windows), self.p)


class GlobalLpPool(GlobalPooling):
    """Takes the p-norm of each feature map: a vector with one number for each channel."""

    keyword = "globallppool"
    arithmetic = "float32"
    saves = ("inputs", "output")

    p: float = Field(default=2.0, ge=1, le=LARGEST, allow_inf_nan=False, description=_P)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return 0.0, math.inf

    @override
    def pooled(self, emit: Builder[V], source: V, rank: int) -> V:
        """A reduction: GlobalLpPool has no kernel on CUDA."""
        axes = emit.constant([*range(2, 2 + rank)])
        sums = emit.op("ReduceSum", _powers(emit, source, self.p), axes, keepdims=1)
        return _root(emit, sums, self.p)


def _powers(emit: Builder[V], source: V, p: float) -> V:
    """|x|^p, number by number."""
    if p == 2:
        return emit.op("Mul", source, source)
    size = emit.op("Abs", source)
    return size if p == 1 else emit.op("Pow", size, emit.constant(float(p)))


def _root(emit: Builder[V], sums: V, p: float) -> V:
    """The p-th root. At 0, where it has no slope, a subgradient of the norm is 0: so is ours."""
    if p == 1:
        return sums
    zero, one = emit.constant(0.0), emit.constant(1.0)
    positive = emit.op("Greater", sums, zero)
    inside = emit.op("Where", positive, sums, one)
    if p == 2:
        root = emit.op("Sqrt", inside)
    else:
        root = emit.op("Pow", inside, emit.constant(1 / float(p)))
    return emit.op("Where", positive, root, zero)
