"""Pooling: a window that keeps the largest, the mean or the sum of the cells it sees."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import WHOLE, Bounds, Footprint, Layer, ShapeFault, Sizes
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Number, Term
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.sliding import Sliding, pads
from cnndsl.layers.terms import stream_terms
from cnndsl.layers.window import Window
from cnndsl.layers.windowed import KernelSize, dimension_names, vector_fault
from cnndsl.types import TensorType

__all__ = [
    "AvgPool",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GlobalPooling",
    "MaxPool",
    "Pooling",
    "SumPool",
    "named_pad",
    "padded",
    "window_means",
    "window_sums",
]

V = TypeVar("V")

_LOWEST = -3.4028234663852886e38
"""The lowest float32: what pads the input of a maximum."""


# --- windows ----------------------------------------------------------------------------------


class Pooling(Sliding):
    """What the pooling layers with a window share."""

    family = "pooling"

    positional = ("kernel",)
    per_channel = True

    kernel: KernelSize

    @override
    def per_dimension(self) -> dict[str, tuple[int, ...]]:
        stride = self.kernel if self.stride is None else self.stride
        return {"kernel": self.kernel, "stride": stride, "dilation": (1,)}

    @override
    def channels(self, source: TensorType) -> int:
        return source.channels

    @override
    def accepts(self, window: Window) -> bool:
        """A window must work, and not stand where it sees nothing but padding."""
        return window.works and max(window.before, window.after) < window.extent

    @override
    def size_faults(self, windows: tuple[Window, ...]) -> Iterator[ShapeFault]:
        blind = [at for at, window in enumerate(windows) if _is_blind(window)]
        if blind:
            yield _blindness(windows, blind)
        else:
            yield from super().size_faults(windows)


class MaxPool(Pooling):
    """Keeps the largest cell of each window."""

    keyword = "maxpool"
    saves = ("inputs", "output")

    dilation: Sizes = Field(
        default=(1,),
        description="the distance between the window's cells: it covers D(K - 1) + 1 cells",
    )

    @override
    def per_dimension(self) -> dict[str, tuple[int, ...]]:
        return {**super().per_dimension(), "dilation": self.dilation}

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """MaxPool, without its ceil mode: padding at the end reaches as far as the last window."""
        source, settings = self._prepared(emit, context.inputs[0], context.types[0])
        return emit.op("MaxPool", source, **settings)

    def places(self, emit: Builder[V], source: V, type: TensorType) -> tuple[V, V, tuple[int, ...]]:
        """Where each maximum stands, counted through a whole batch; in what, and its sizes.

        That is the input, or the input within its padding, which :meth:`cut` takes off.
        """
        source, settings = self._prepared(emit, source, type)
        _, places = emit.several("MaxPool", 2, source, **settings)
        dims = type.dims
        if self._needs_room(type):
            borders = pads(self.windows(type))
            rank = len(borders) // 2
            sides = zip(type.spatial, borders[:rank], borders[rank:], strict=True)
            dims = (type.channels, *map(sum, sides))
        return places, source, dims

    def cut(self, emit: Builder[V], source: V, type: TensorType) -> V:
        """The feature maps without the padding that :meth:`places` put around them."""
        borders = pads(self.windows(type))
        if not self._needs_room(type):
            return source
        return padded(emit, source, tuple(-border for border in borders), 0.0)

    def _needs_room(self, type: TensorType) -> bool:
        """Whether padding is made part of the input.

        ONNX Runtime refuses padding as large as the kernel even where dilation spreads it.
        """
        windows = self.windows(type)
        kernels = [window.kernel for window in windows]
        pairs = zip(pads(windows), kernels * 2, strict=True)
        return any(border >= kernel for border, kernel in pairs)

    def _prepared(
        self, emit: Builder[V], source: V, type: TensorType
    ) -> tuple[V, dict[str, list[int]]]:
        """What ONNX's MaxPool reads, and its settings."""
        windows = self.windows(type)
        borders = pads(windows)
        if self._needs_room(type):
            source, borders = padded(emit, source, borders, _LOWEST), (0,) * len(borders)
        settings = {
            "kernel_shape": [window.kernel for window in windows],
            "strides": [window.stride for window in windows],
            "dilations": [window.dilation for window in windows],
            "pads": list(borders),
        }
        return source, settings


class AvgPool(Pooling):
    """Takes the mean of the cells of each window."""

    keyword = "avgpool"

    count_padding: bool = Field(
        default=False,
        description=(
            "whether cells of the padding count in the mean, as in Caffe; what `rounding ceil`"
            " reaches beyond the padding never counts"
        ),
    )

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        """Those of its input, and of the padding where that counts."""
        least, most = inputs[0]
        return (min(least, 0.0), max(most, 0.0)) if self.count_padding else (least, most)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """AveragePool, without its ceil mode, which older runtimes get wrong where padding counts.

        Padding at the end reaches as far as the last window does. Where padding counts but the
        overhang must not, the padding is made part of the input.
        """
        windows = self.windows(context.types[0])
        source, borders, counts = context.inputs[0], pads(windows), self.count_padding
        if counts and any(window.overhang for window in windows):
            margins = (*(w.before for w in windows), *(w.after for w in windows))
            source = padded(emit, source, margins, 0.0) if any(margins) else source
            borders = (*(0 for _ in windows), *(window.overhang for window in windows))
            counts = False
        return window_means(emit, source, windows, borders, counts=counts)


class SumPool(Pooling):
    """Adds up the cells of each window, as LeNet-5's subsampling did."""

    keyword = "sumpool"

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The mean with all padding counted, times the cells of the kernel.

        LpPool with p = 1 would add up absolute values, and has no kernel on CUDA.
        """
        return window_sums(emit, context.inputs[0], self.windows(context.types[0]))


def window_sums(emit: Builder[V], source: V, windows: Sequence[Window]) -> V:
    """The sum of the cells of each window."""
    mean = window_means(emit, source, windows, pads(windows), counts=True)
    cells = math.prod(window.kernel for window in windows)
    return emit.op("Mul", mean, emit.constant(float(cells))) if cells > 1 else mean


def window_means(
    emit: Builder[V],
    source: V,
    windows: Sequence[Window],
    borders: tuple[int, ...],
    *,
    counts: bool,
) -> V:
    """The mean of the cells of each window; ``counts`` says whether padding is among them."""
    return emit.op(
        "AveragePool",
        source,
        kernel_shape=[window.kernel for window in windows],
        strides=[window.stride for window in windows],
        pads=list(borders),
        count_include_pad=int(counts),
    )


def padded(emit: Builder[V], source: V, borders: tuple[int, ...], value: float) -> V:
    """The feature maps with explicit padding; ``borders`` as in ONNX, spatial dimensions only."""
    rank = len(borders) // 2
    amounts = [0, 0, *borders[:rank], 0, 0, *borders[rank:]]
    return named_pad(emit, source, amounts, emit.constant(value))


def named_pad(
    emit: Builder[V], source: V, amounts: list[int], value: V | None, mode: str = "constant"
) -> V:
    """A Pad of all axes, the batch's too, that names them all.

    Named, although they are all: a Pad without names is made part of the pool behind it by ONNX
    Runtime's Pad_Fusion, which then leaves the padding out of a maximum, and refuses it where it
    is as large as the kernel. All, although some get nothing: ONNX Runtime moves a Transpose
    through a Pad by its amounts alone, as if they were those of all axes.
    """
    axes = emit.constant(list(range(len(amounts) // 2)))
    return emit.op("Pad", source, emit.constant(amounts), value, axes, mode=mode)


def _is_blind(window: Window) -> bool:
    """Whether the window stands, at the border, where it sees nothing but padding.

    The second case is a dilated kernel that bestrides an input smaller than its gaps.
    """
    if max(window.before, window.after) >= window.extent:
        return True
    return bool(window.before) and window.dilation > window.size


def _blindness(windows: tuple[Window, ...], blind: list[int]) -> ShapeFault:
    at = blind[0]
    window = windows[at]
    where = "" if len(blind) == len(windows) else f" along the {dimension_names(len(windows))[at]}"
    margin = max(window.before, window.after)
    if margin >= window.extent:
        message = (
            f"padding {margin} is as large as the kernel, {window.extent}{where}:"
            " some windows would see nothing but padding"
        )
        help = f"write a padding of at most {window.extent - 1}"
    else:
        message = (
            f"dilation {window.dilation} is larger than the input, {window.size}{where}:"
            " some windows would see nothing but padding"
        )
        help = f"write a dilation of at most {window.size}"
    return ShapeFault(
        FaultKind.BLIND, message, blame=("padding", "kernel"), help=help, spatial=True
    )


# --- whole feature maps -----------------------------------------------------------------------


class GlobalPooling(Layer):
    """What the global pools share: each feature map becomes one number."""

    family = "pooling"

    per_channel = True

    keep: bool = Field(
        default=False,
        description="whether the output keeps sizes of 1, `Cx1x1`, instead of being a vector",
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if not inputs[0].spatial:
            yield vector_fault(self, inputs[0])

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        sizes = inputs[0].spatial if self.keep else ()
        return TensorType((inputs[0].channels, *(1 for _ in sizes)))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        sizes = inputs[0].spatial if self.keep else ()
        return (stream_terms(inputs[0])[0], *(Number(1) for _ in sizes))

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return WHOLE

    @abstractmethod
    def pooled(self, emit: Builder[V], source: V, rank: int) -> V:
        """The feature maps with each of their ``rank`` spatial sizes 1."""

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        pooled = self.pooled(emit, context.inputs[0], len(context.types[0].spatial))
        return pooled if self.keep else emit.op("Flatten", pooled, axis=1)


class GlobalAvgPool(GlobalPooling):
    """Takes the mean of each feature map: a vector with one number for each channel."""

    keyword = "globalavgpool"

    @override
    def pooled(self, emit: Builder[V], source: V, rank: int) -> V:
        return emit.op("GlobalAveragePool", source)


class GlobalMaxPool(GlobalPooling):
    """Keeps the largest cell of each feature map: a vector with one number for each channel."""

    keyword = "globalmaxpool"
    saves = ("inputs", "output")

    @override
    def pooled(self, emit: Builder[V], source: V, rank: int) -> V:
        return emit.op("GlobalMaxPool", source)
