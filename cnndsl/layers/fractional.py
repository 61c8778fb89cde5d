"""Fractional max pooling: maps that shrink by less than 2, along a path that is drawn.

The windows of an axis of ``W`` cells begin, for ``O`` of them of length ``K``, where Graham's
pseudo-random sequence says: with ``a = (W - K)/(O - 1)`` and ``u`` from [0, 1), window ``i`` begins
at ``floor((i + u)*a) - floor(u*a)``, and the last one at ``W - K``.
"""

import math
from collections.abc import Iterator
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.adaptive import axis_by_axis, bin_maxima
from cnndsl.layers.base import WHOLE, Bounds, Footprint, Layer, ShapeFault, Sizes
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.floats import single
from cnndsl.layers.formula import Term
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.layers.terms import size_terms, stream_terms
from cnndsl.layers.windowed import dimension_names, fit, miscount, unusable
from cnndsl.types import TensorType

__all__ = ["FractionalMaxPool"]

V = TypeVar("V")

_INFERENCE_U = 0.5
"""Where the sequence stands in inference, which is to give one answer."""


class FractionalMaxPool(Layer):
    """Keeps the largest cell of windows at varying distances, which give any smaller size."""

    keyword = "fractionalmaxpool"
    family = "pooling"
    positional = ("size",)
    draws = True
    per_channel = True
    saves = ("inputs", "output")

    size: Sizes = Field(
        description="the output's size: `18`, `18x12`, or a list `[k, 1]` of expressions",
        examples=["18"],
    )
    kernel: Sizes = Field(
        default=(2,), description="the windows' size: 2 hardly overlaps, 3 does", examples=["3"]
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank = len(inputs[0].spatial)
        if rank not in (1, 2, 3):
            yield unusable(self, inputs[0])
            return
        wrong = [
            miscount(name, sizes, rank)
            for name, sizes in (("size", self.size), ("kernel", self.kernel))
            if len(sizes) not in (1, rank)
        ]
        yield from wrong or self._crowded(inputs[0])

    def _crowded(self, source: TensorType) -> Iterator[ShapeFault]:
        """The fault of an axis with fewer cells than its windows have beginnings."""
        rank = len(source.spatial)
        columns = zip(source.spatial, fit(self.size, rank), fit(self.kernel, rank), strict=True)
        for name, (side, count, kernel) in zip(dimension_names(rank), columns, strict=True):
            if count + kernel - 1 > side:
                most = side - kernel + 1
                help = f"write a size of at most {most}"
                if most < 1:
                    help = f"write a kernel of at most {side}"
                yield ShapeFault(
                    FaultKind.CROWDED,
                    f"{count} windows of {kernel} need {count} + {kernel} - 1 ="
                    f" {count + kernel - 1} cells, and the input's {name} has {side}",
                    blame=("size", "kernel"),
                    help=help,
                    spatial=True,
                )
                return

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((inputs[0].channels, *fit(self.size, len(inputs[0].spatial))))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        return stream_terms(inputs[0])[0], *size_terms(self.size, inputs[0])

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """Windows that are drawn may lie anywhere."""
        return WHOLE

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """By Gather of the cells of each window, whose beginnings are known."""
        starts: list[V] = []
        for side, count, kernel in self._axes(context):
            step = _step(side, count, kernel)
            first = math.floor(single(_INFERENCE_U * step))
            begins = [
                math.floor(single(single(at + _INFERENCE_U) * step)) - first
                for at in range(count - 1)
            ]
            starts.append(emit.constant([*begins, side - kernel]))
        return self._pooled(emit, context, starts)

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The same, from one number u for each axis, drawn anew at every step."""
        axes = self._axes(context)
        drawn = emit.uniform((len(axes),), by_sample=False)
        starts: list[V] = []
        for axis, (side, count, kernel) in enumerate(axes):
            last = emit.constant([side - kernel])
            if count == 1:
                starts.append(last)
                continue
            step = emit.constant(_step(side, count, kernel))
            u = emit.op("Gather", drawn, emit.constant([axis]))
            places = emit.op("Add", emit.constant([float(at) for at in range(count - 1)]), u)
            at, first = (emit.op("Floor", emit.op("Mul", value, step)) for value in (places, u))
            begins = emit.op("Cast", emit.op("Sub", at, first), to=7)
            starts.append(emit.op("Concat", begins, last, axis=0))
        return self._pooled(emit, context, starts)

    def _axes(self, context: LoweringContext[V]) -> list[tuple[int, int, int]]:
        """The cells of each axis, its windows, and their size."""
        sides = context.types[0].spatial
        kernels = fit(self.kernel, len(sides))
        return list(zip(sides, context.output.spatial, kernels, strict=True))

    def _pooled(self, emit: Builder[V], context: LoweringContext[V], starts: list[V]) -> V:
        """The largest cells of the windows that begin at these places of each axis."""
        kernels, counts = fit(self.kernel, len(starts)), context.output.spatial

        def pool(axis: int, source: V, before: tuple[int, ...]) -> V:
            column = emit.op("Unsqueeze", starts[axis], emit.constant([1]))
            cells = emit.op("Add", column, emit.constant([*range(kernels[axis])]))
            places = emit.op("Reshape", cells, emit.constant([-1]))
            seen = emit.op("Gather", source, places, axis=len(counts) + 1)
            return bin_maxima(emit, seen, (*before, counts[axis], kernels[axis]))

        return axis_by_axis(emit, context.inputs[0], context.types[0], counts, pool)


def _step(side: int, count: int, kernel: int) -> float:
    """The mean distance of neighbouring windows, in float32 as PyTorch has it."""
    return single((side - kernel) / (count - 1)) if count > 1 else 0.0
