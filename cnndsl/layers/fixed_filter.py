"""Fixed filters: kernels that the spec gives, applied to every channel by itself."""

import math
from collections.abc import Iterator
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.diagnostics.words import count
from cnndsl.layers.base import Bounds, ShapeFault, Sizes
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Symbol, Term, product
from cnndsl.layers.lists import Kernels, shape_of
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.sliding import Sliding, pads
from cnndsl.layers.terms import kernel_terms, made_terms, stream_terms
from cnndsl.types import TensorType

__all__ = ["Filter"]

V = TypeVar("V")


class Filter(Sliding):
    """Slides kernels over each channel whose numbers stand in the spec, and never learn."""

    keyword = "filter"
    family = "convolution"
    positional = ("kernels",)
    per_channel = True

    kernels: Kernels = Field(
        description=(
            "one kernel, a matrix for pictures and a list for signals; or a list of several"
        ),
        examples=["[[1, 0, -1], [1, 0, -1], [1, 0, -1]]"],
    )
    stride: Sizes = Field(default=(1,), description="how far the window moves at each step")

    @override
    def per_dimension(self) -> dict[str, tuple[int, ...]]:
        return {"stride": self.stride, "dilation": (1,)}

    @property
    def _shape(self) -> tuple[int, ...]:
        return shape_of(self.kernels)  # type: ignore[arg-type]  # numbers in lists, by its check

    @override
    def kernel_sizes(self, rank: int) -> tuple[int, ...]:
        sizes = self._shape[-rank:]
        return sizes + (1,) * (rank - len(sizes))

    def _count(self, rank: int) -> int:
        """How many kernels there are for so many dimensions."""
        return self._shape[0] if len(self._shape) > rank else 1

    @override
    def channels(self, source: TensorType) -> int:
        return source.channels * self._count(len(source.spatial))

    @override
    def channel_term(self, source: TensorType) -> Term:
        count = self._count(len(source.spatial))
        channels = stream_terms(source)[0]
        return channels if count == 1 else channels * Symbol("N", count, "kernels", "kernels")

    @override
    def mac_term(self, *inputs: TensorType) -> Term:
        sizes = kernel_terms(self.kernel_sizes(len(inputs[0].spatial)), "kernels")
        places = made_terms(self.output(*inputs))[1:]
        return product((self.channel_term(inputs[0]), *sizes, *places))

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        """The kernels must have as many dimensions as the input; several, one more."""
        rank, depth = len(inputs[0].spatial), len(self._shape)
        if rank not in _LISTS or depth in (rank, rank + 1):
            yield from super().faults(*inputs)
            return
        yield ShapeFault(
            FaultKind.MATRIX,
            f"`filter` has {_LISTS.get(depth, 'lists of lists of matrices')}, and the input"
            f" {inputs[0]} has {count(rank, 'spatial dimension')}",
            blame=("kernels",),
            help=f"give {_LISTS[rank]} for one kernel, or a list of such for several",
            fatal=True,
        )

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        """The sums of what each number can give at most; padding gives 0."""
        low, high = inputs[0]
        if self.padding not in ("valid", (0,)):
            low, high = min(low, 0.0), max(high, 0.0)
        numbers = [*_flat(self.kernels)]
        if not (math.isfinite(low) and math.isfinite(high)):
            return (-math.inf, math.inf)
        # Of several kernels, the bounds are those of all numbers together: wider than need be.
        least = sum(min(number * low, number * high, 0.0) for number in numbers)
        most = sum(max(number * low, number * high, 0.0) for number in numbers)
        return least, most

    @override
    def macs(self, *inputs: TensorType) -> int:
        cells = math.prod(self.kernel_sizes(len(inputs[0].spatial)))
        return cells * math.prod(self.output(*inputs).dims)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Conv with a group for each channel; the kernels are constants, no weights."""
        (source,) = context.types
        windows = self.windows(source)
        own, sizes = self._count(len(windows)), [window.kernel for window in windows]
        numbers = emit.constant([*_flat(self.kernels)])
        kernels = emit.op("Reshape", numbers, emit.constant([own, 1, *sizes]))
        if source.channels > 1:
            times = emit.constant([source.channels, *[1] * (len(sizes) + 1)])
            kernels = emit.op("Tile", kernels, times)
        return emit.op(
            "Conv",
            context.inputs[0],
            kernels,
            kernel_shape=sizes,
            strides=[window.stride for window in windows],
            pads=list(pads(windows)),
            group=source.channels,
        )


_LISTS = {1: "a list of numbers", 2: "a matrix", 3: "a list of matrices"}


def _flat(numbers: object) -> Iterator[float]:
    """All numbers of lists in lists, in order."""
    if isinstance(numbers, tuple):
        for item in numbers:
            yield from _flat(item)
    elif isinstance(numbers, int | float):
        yield float(numbers)
