"""What convolutions share in both directions: the parameters of filters, and their groups."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, TypeAlias, TypeVar

from pydantic import Field

from cnndsl.layers.base import Count, Init, InitWord, ShapeFault, Sizes, Weight
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Symbol, Term
from cnndsl.layers.lowering import Attribute, Builder, LoweringContext
from cnndsl.layers.terms import stream_terms
from cnndsl.layers.window import Window
from cnndsl.types import TensorType

__all__ = [
    "BiasInit",
    "Dilation",
    "Groups",
    "KernelInit",
    "convolved",
    "filters_symbol",
    "group_faults",
    "kernels_and_biases",
    "seen_terms",
]

V = TypeVar("V")

Dilation: TypeAlias = Annotated[
    Sizes,
    Field(description="the distance between the kernel's cells: it covers D(K - 1) + 1 cells"),
]
"""How far the cells of a kernel lie apart."""

Groups: TypeAlias = Annotated[
    Count,
    Field(description="the channels are split into so many groups, each seen by its own filters"),
]
"""Into how many groups the channels are split."""

KernelInit: TypeAlias = Annotated[
    InitWord | None,
    Field(
        description="how the kernels begin; by default as `init` in `train` says", examples=["he"]
    ),
]
"""How the kernels begin."""

BiasInit: TypeAlias = Annotated[
    InitWord | None,
    Field(description="how the biases begin; by default at 0", examples=["constant(0.1)"]),
]
"""How the biases begin."""


def group_faults(channels: int, filters: int, groups: int) -> Iterator[ShapeFault]:
    """What is wrong with a number of groups: both the channels and the filters split into them."""
    splits = (
        ("input channels", channels, FaultKind.CHANNEL_GROUPS),
        ("filters", filters, FaultKind.FILTER_GROUPS),
    )
    for what, count, kind in splits:
        if count % groups:
            fitting = _fitting_groups(channels, filters, groups)
            yield ShapeFault(
                kind,
                f"{count} {what} do not split into {groups} groups:"
                f" {count} = {count // groups}*{groups} + {count % groups}",
                blame=("groups", "filters") if kind is FaultKind.FILTER_GROUPS else ("groups",),
                help=f"write `groups {fitting}`: it divides {channels} and {filters}",
            )


def _fitting_groups(channels: int, filters: int, groups: int) -> int:
    """The largest number of groups, not above the one written, that divides both counts."""
    common = math.gcd(channels, filters)
    roots = [i for i in range(1, math.isqrt(common) + 1) if common % i == 0]
    divisors = {*roots, *(common // i for i in roots)}
    return max(divisor for divisor in divisors if divisor <= groups)


def kernels_and_biases(
    kernels: Weight, filters: int, *, bias: bool, bias_init: Init | None
) -> tuple[Weight, ...]:
    """The kernels and, where each filter has one, the biases, which begin at 0."""
    if not bias:
        return (kernels,)
    init = bias_init or Init("constant", 0.0)
    return (kernels, Weight("bias", (filters,), init, decays=False, fans=kernels.fans))


def filters_symbol(filters: int) -> Symbol:
    """How many filters there are."""
    return Symbol("F", filters, "filters", "filters")


def seen_terms(source: TensorType, groups: int) -> tuple[Term, ...]:
    """How many channels belong to a group: C, or C/G."""
    channels = stream_terms(source)[0]
    return (channels if groups == 1 else channels / Symbol("G", groups, "groups", "groups"),)


def convolved(
    op_type: str,
    emit: Builder[V],
    context: LoweringContext[V],
    windows: Sequence[Window],
    kernels: V,
    **attributes: Attribute,
) -> V:
    """A node of this type over the layer's input, kernels and biases, and with its windows."""
    operands = [context.inputs[0], kernels]
    if "bias" in context.weights:
        operands.append(context.weights["bias"])
    return emit.op(
        op_type,
        *operands,
        kernel_shape=[window.kernel for window in windows],
        strides=[window.stride for window in windows],
        dilations=[window.dilation for window in windows],
        **attributes,
    )
