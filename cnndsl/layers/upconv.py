"""Transposed convolution: ``upconv``, in one, two or three dimensions."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field
from typing_extensions import override

from cnndsl.layers.base import (
    MAX_SIZE,
    Count,
    ShapeFault,
    Sizes,
    Weight,
    as_tuple,
)
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.filters import (
    BiasInit,
    Dilation,
    Groups,
    KernelInit,
    convolved,
    filters_symbol,
    group_faults,
    kernels_and_biases,
    seen_terms,
)
from cnndsl.layers.formula import Term, product
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.padding import Padding, margins
from cnndsl.layers.terms import kernel_terms, stream_terms
from cnndsl.layers.transposed_window import TransposedWindow
from cnndsl.layers.window import Window
from cnndsl.layers.windowed import KernelSize, Windowed, along, fit, size_fault
from cnndsl.types import TensorType

__all__ = ["UpConv"]

V = TypeVar("V")

Extra: TypeAlias = Annotated[
    tuple[Annotated[int, Field(ge=0, le=MAX_SIZE)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
]
"""Sizes that may be 0."""


class UpConv(Windowed):
    """Transposed convolution: spreads each cell over a window of the output, and adds up.

    It is the gradient of ``conv`` with the same kernel, stride, padding, dilation and groups, as a
    function of its own (Zeiler et al. 2010, "Deconvolutional networks"; Dumoulin & Visin 2016,
    "A guide to convolution arithmetic for deep learning", chapter 4).
    """

    keyword = "upconv"
    family = "convolution"
    positional = ("filters", "kernel")
    saves = ("inputs",)

    filters: Count = Field(description="how many filters: the output's channels", examples=["16"])
    kernel: KernelSize
    stride: Sizes = Field(
        default=(1,), description="how far apart neighbours of the input lie in the output"
    )
    padding: Padding = Field(
        default=(0,),
        description=(
            "cells cropped off the output's borders, those that `conv` would pad: `valid` (none),"
            " `same` (makes W*S), `full` (all but one cell of the kernel), sizes, or the list of"
            " all begins, then all ends: `[top, left, bottom, right]`"
        ),
        examples=["same"],
    )
    output_padding: Extra = Field(
        default=(0,),
        description="cells added at the output's ends, fewer than the stride",
        examples=["1"],
    )
    dilation: Dilation = (1,)
    groups: Groups = 1
    bias: bool = Field(default=True, description="whether each filter has a bias")
    init: KernelInit = None
    bias_init: BiasInit = None

    @override
    def per_dimension(self) -> dict[str, tuple[int, ...]]:
        return {
            "kernel": self.kernel,
            "stride": self.stride,
            "dilation": self.dilation,
            "output_padding": self.output_padding,
        }

    @override
    def channels(self, source: TensorType) -> int:
        return self.filters

    @override
    def channel_term(self, source: TensorType) -> Term:
        return filters_symbol(self.filters)

    @override
    def param_term(self, *inputs: TensorType) -> Term:
        filters = self.channel_term(inputs[0])
        kernels = self._kernel_term(inputs[0])
        return kernels + filters if self.bias else kernels

    @override
    def mac_term(self, *inputs: TensorType) -> Term:
        return product((self._kernel_term(inputs[0]), *stream_terms(inputs[0])[1:]))

    def _kernel_term(self, source: TensorType) -> Term:
        """How many numbers all kernels have: one for each pair of channels of a group."""
        sizes = kernel_terms([window.kernel for window in self.windows(source)])
        return product((self.channel_term(source), *seen_terms(source, self.groups), *sizes))

    @override
    def windows(self, *inputs: TensorType) -> tuple[TransposedWindow, ...]:
        """The window along each spatial dimension, transposed.

        ``same`` makes W*S, as ONNX's ``SAME_UPPER`` and TensorFlow do: what the kernel covers
        beyond its stride is cropped, the odd cell at the end; where it covers less, the rest of
        the stride is added.
        """
        sizes, written = inputs[0].spatial, self.per_dimension()
        rank = len(sizes)
        kernels, strides, dilations, added = (fit(values, rank) for values in written.values())
        extents = tuple(d * (k - 1) + 1 for k, d in zip(kernels, dilations, strict=True))
        if self.padding == "same":
            over = [extent - stride for extent, stride in zip(extents, strides, strict=True)]
            borders = tuple((max(0, cells) // 2, (max(0, cells) + 1) // 2) for cells in over)
            added = tuple(max(0, -cells) for cells in over)
        else:
            borders = margins(self.padding_of(rank), sizes, extents, strides)
        return tuple(
            TransposedWindow(size, kernel, stride, before, after, dilation, extra)
            for size, kernel, stride, (before, after), dilation, extra in zip(
                sizes, kernels, strides, borders, dilations, added, strict=True
            )
        )

    @override
    def channel_faults(self, source: TensorType) -> Iterator[ShapeFault]:
        yield from group_faults(source.channels, self.filters, self.groups)

    @override
    def size_faults(self, windows: tuple[Window, ...]) -> Iterator[ShapeFault]:
        if self.padding == "same" and any(self.output_padding):
            yield self._settled(windows)
        elif not all(window.fits for window in windows):
            yield _cropped(windows)
        elif not all(window.works for window in windows):
            yield self._overlong(windows)

    def _settled(self, windows: tuple[Window, ...]) -> ShapeFault:
        written = "x".join(map(str, self.output_padding))
        made = ", ".join(dict.fromkeys(f"{w.size}*{w.stride} = {w.output}" for w in windows))
        return ShapeFault(
            FaultKind.SETTLED_SIZE,
            f"`padding same` settles the output's size, {made}: nothing can be added to it",
            blame=("output_padding",),
            help=f"take `output_padding {written}` out, or write the padding as sizes",
            spatial=True,
        )

    def _overlong(self, windows: tuple[Window, ...]) -> ShapeFault:
        added = fit(self.output_padding, len(windows))
        wrong = [at for at, window in enumerate(windows) if not window.works]
        numbers = [f"{added[at]} >= {windows[at].stride}" for at in wrong]
        where, comparison = along(len(windows), wrong, numbers)
        message = f"the output padding is not below the stride{where}: {comparison}"
        return size_fault(FaultKind.OUTPUT_PADDING, message, ("output_padding", "stride"), windows)

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """Kernels of shape (in, out/groups, k…), as in ONNX and PyTorch: those of the ``conv``.

        An output cell sums over as many places of the kernel as meet it, on average over the cells
        that any meets: K/S of them along a dimension where the kernel covers its stride. (PyTorch
        and Keras take the shape for a convolution's, and get the fans the wrong way around.)
        """
        windows = self.windows(*inputs)
        given, made = inputs[0].channels // self.groups, self.filters // self.groups
        met = math.prod(_places_that_meet(window) for window in windows)
        reached = math.prod(window.kernel for window in windows)
        shape = (inputs[0].channels, max(1, made), *(window.kernel for window in windows))
        fans = max(1, given) * met, max(1, made) * reached
        # Behind the channels of one group; those of the others are further rows.
        axis = 1 if self.groups == 1 else None
        kernels = Weight("weight", shape, self.init, fans=fans, unit_axis=axis)
        return kernels_and_biases(kernels, self.filters, bias=self.bias, bias_init=self.bias_init)

    @override
    def macs(self, *inputs: TensorType) -> int:
        """Each cell of the input meets each place of the kernel, also where that is cropped."""
        return self.weights(*inputs)[0].elements * math.prod(inputs[0].spatial)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """ConvTranspose, with equal padding on both sides, and Slice where they differ.

        CUDA has no kernel for other padding, and would leave the node to the CPU.
        """
        windows = self.windows(*context.types)
        both = [min(window.before, window.after) for window in windows]
        result = convolved(
            "ConvTranspose",
            emit,
            context,
            windows,
            context.weights["weight"],
            pads=[*both, *both],
            output_padding=[window.output_padding for window in windows],
            group=self.groups,
        )
        if all(window.before == window.after for window in windows):
            return result
        starts = [window.before - pad for window, pad in zip(windows, both, strict=True)]
        ends = [start + window.output for window, start in zip(windows, starts, strict=True)]
        axes = [*range(2, 2 + len(windows))]
        return emit.op("Slice", result, *map(emit.constant, (starts, ends, axes)))


def _places_that_meet(window: TransposedWindow) -> float:
    """How many places of the kernel meet a cell of the output, on average over those it meets."""
    phases = window.stride // math.gcd(window.stride, window.dilation)
    return window.kernel / min(window.kernel, phases)


def _cropped(windows: Sequence[Window]) -> ShapeFault:
    wrong = [at for at, window in enumerate(windows) if not window.fits]
    where, arithmetic = along(len(windows), wrong, [windows[at].formula for at in wrong])
    message = f"the padding crops all of the output{where}: {arithmetic}"
    blame = ("padding", "kernel", "stride", "dilation")
    return size_fault(FaultKind.NOTHING_LEFT, message, blame, tuple(windows))
