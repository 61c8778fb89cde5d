"""Convolutions: ``conv`` and ``depthwise``, in one, two or three dimensions."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Count, ShapeFault, Sizes, Weight
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
from cnndsl.layers.formula import Symbol, Term, product
from cnndsl.layers.lists import Table
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.sliding import Sliding, pads
from cnndsl.layers.terms import kernel_terms, made_terms, stream_terms
from cnndsl.layers.windowed import KernelSize
from cnndsl.types import TensorType

__all__ = ["Conv", "Convolution", "Depthwise"]

V = TypeVar("V")


class Convolution(Sliding):
    """What the convolutions share."""

    family = "convolution"

    saves = ("inputs",)

    kernel: KernelSize
    stride: Sizes = Field(default=(1,), description="how far the window moves at each step")
    dilation: Dilation = (1,)
    bias: bool = Field(default=True, description="whether each filter has a bias")
    init: KernelInit = None
    bias_init: BiasInit = None

    @override
    def per_dimension(self) -> dict[str, tuple[int, ...]]:
        return {"kernel": self.kernel, "stride": self.stride, "dilation": self.dilation}

    @abstractmethod
    def divisions(self, source: TensorType) -> int:
        """Into how many groups the input's channels are split."""

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        filters = self.channels(inputs[0])
        sizes = tuple(window.kernel for window in self.windows(inputs[0]))
        groups = self.divisions(inputs[0])
        per_group = max(1, inputs[0].channels // groups)
        # An input reaches the filters of its own group only.
        cells = math.prod(sizes)
        fans = per_group * cells, max(1, filters // groups) * cells
        kernels = Weight("weight", (filters, per_group, *sizes), self.init, fans=fans)
        return kernels_and_biases(kernels, filters, bias=self.bias, bias_init=self.bias_init)

    @override
    def macs(self, *inputs: TensorType) -> int:
        weight = self.weights(*inputs)[0]
        return weight.elements * math.prod(self.output(*inputs).spatial)

    def kernel_term(self, source: TensorType) -> Term:
        """How many numbers all kernels have: those of a filter times the filters."""
        sizes = kernel_terms([window.kernel for window in self.windows(source)])
        return product((self.channel_term(source), *self.seen_terms(source), *sizes))

    def seen_terms(self, source: TensorType) -> tuple[Term, ...]:
        """How many channels a filter sees: C, or C/G where there are groups."""
        return seen_terms(source, self.divisions(source))

    @override
    def param_term(self, *inputs: TensorType) -> Term:
        kernels = self.kernel_term(inputs[0])
        return kernels + self.channel_term(inputs[0]) if self.bias else kernels

    @override
    def mac_term(self, *inputs: TensorType) -> Term:
        places = made_terms(self.output(*inputs))[1:]
        return product((self.kernel_term(inputs[0]), *places))

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Conv. It has no ceil mode: the padding at the end reaches as far as the last window."""
        windows = self.windows(context.types[0])
        return convolved(
            "Conv",
            emit,
            context,
            windows,
            self.kernels(emit, context),
            pads=list(pads(windows)),
            group=self.divisions(context.types[0]),
        )

    def kernels(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The kernels as ONNX takes them: (filters, channels of a group, sizes)."""
        return context.weights["weight"]


class Conv(Convolution):
    """Convolution (cross-correlation, as all libraries compute it) with a bank of filters."""

    keyword = "conv"
    positional = ("filters", "kernel")

    filters: Count = Field(description="how many filters: the output's channels", examples=["16"])
    groups: Groups = 1
    table: Table | None = Field(
        default=None,
        description=(
            "for each filter the input channels that it sees, counted from 0; by default all of its"
            " group"
        ),
        examples=["[[0, 1], [1, 2]]"],
    )

    @property
    @override
    def filter_bank(self) -> tuple[int, tuple[int, ...]]:
        return self.filters, self.kernel

    @property
    @override
    def is_dense_on_vectors(self) -> bool:
        still = not isinstance(self.padding, tuple) or not any(self.padding)
        return still and {*self.kernel} == {*self.stride} == {1} and self._is_full

    @property
    def _is_full(self) -> bool:
        """Whether every filter sees every channel."""
        return self.groups == 1 and self.table is None

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        return self._is_full

    @override
    def channels(self, source: TensorType) -> int:
        return self.filters

    @override
    def channel_term(self, source: TensorType) -> Term:
        return filters_symbol(self.filters)

    @override
    def kernel_term(self, source: TensorType) -> Term:
        if self.table is None:
            return super().kernel_term(source)
        connections = Symbol("N", sum(map(len, self.table)), "connections in the table", "table")
        sizes = kernel_terms([window.kernel for window in self.windows(source)])
        return product((connections, *sizes))

    @override
    def divisions(self, source: TensorType) -> int:
        return self.groups

    @override
    def channel_faults(self, source: TensorType) -> Iterator[ShapeFault]:
        if self.table is None:
            yield from group_faults(source.channels, self.filters, self.groups)
            return
        from cnndsl.layers.connections import connection_faults

        yield from connection_faults(self.table, source.channels, self.filters, self.groups)

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        kernels, *biases = super().weights(*inputs)
        if self.table is None:
            return (kernels, *biases)
        from cnndsl.layers.connections import table_kernels

        return (table_kernels(self.table, inputs[0].channels, kernels), *biases)

    @override
    def kernels(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        kernels = super().kernels(emit, context)
        if self.table is None:
            return kernels
        from cnndsl.layers.connections import dense_kernels

        (source,) = context.types
        sizes = [window.kernel for window in self.windows(source)]
        return dense_kernels(emit, kernels, self.table, source.channels, sizes)


class Depthwise(Convolution):
    """Convolution of each channel on its own, the first half of a separable convolution."""

    keyword = "depthwise"
    per_channel = True
    positional = ("kernel",)

    multiplier: Count = Field(default=1, description="how many filters each channel has")

    @override
    def channels(self, source: TensorType) -> int:
        return source.channels * self.multiplier

    @override
    def channel_term(self, source: TensorType) -> Term:
        channels = stream_terms(source)[0]
        if self.multiplier == 1:
            return channels
        return channels * Symbol("M", self.multiplier, "multiplier", "multiplier")

    @override
    def seen_terms(self, source: TensorType) -> tuple[Term, ...]:
        return ()

    @override
    def divisions(self, source: TensorType) -> int:
        return source.channels
