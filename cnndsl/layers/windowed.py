"""What all layers with a window share, in either direction: sizes for each dimension.

It turns the parameters into one :class:`Window` for each spatial dimension, and their problems
into faults; the rule's own problems are those of its direction.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import Field
from typing_extensions import override

from cnndsl.diagnostics.words import count, listed
from cnndsl.layers.base import Layer, ShapeFault, Sizes, spread
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Term
from cnndsl.layers.padding import Padding
from cnndsl.layers.terms import stream_terms
from cnndsl.layers.window import Window
from cnndsl.types import TensorType

__all__ = [
    "KernelSize",
    "Windowed",
    "along",
    "dimension_names",
    "fit",
    "miscount",
    "size_fault",
    "unusable",
    "vector_fault",
]

_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


KernelSize: TypeAlias = Annotated[
    Sizes,
    Field(
        description="the window's size: `3`, `3x5`, or a list `[k, 1]` of expressions",
        examples=["3"],
    ),
]
"""How large a window is."""


class Windowed(Layer):
    """A layer with a window over feature maps."""

    stride: Sizes | None = Field(
        default=None,
        description="how far the window moves at each step; by default the kernel's size",
        examples=["2"],
    )
    padding: Padding = Field(
        default=(0,),
        description=(
            "cells added at the borders: `valid` (none), `same` (keeps ceil(W/S)), `full` (all but"
            " one cell of the kernel), sizes, or the list of all begins, then all ends:"
            " `[top, left, bottom, right]`"
        ),
        examples=["same"],
    )

    @abstractmethod
    def per_dimension(self) -> dict[str, tuple[int, ...]]:
        """Kernel, stride and dilation as written: one size for all dimensions, or one for each."""

    @override
    def implied(self, *inputs: TensorType) -> dict[str, Any]:
        return {"stride": self.per_dimension()["stride"]} if self.stride is None else {}

    @abstractmethod
    def channels(self, source: TensorType) -> int:
        """The output's channels."""

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank = len(inputs[0].spatial)
        if rank not in _NAMES:
            yield unusable(self, inputs[0])
            return
        miscounted = [*self._miscounted(rank)]
        yield from miscounted
        yield from self.channel_faults(inputs[0])
        if not miscounted:
            yield from self.size_faults(self.windows(*inputs))

    def channel_faults(self, source: TensorType) -> Iterator[ShapeFault]:
        """What is wrong with the channels."""
        yield from ()

    @abstractmethod
    def size_faults(self, windows: tuple[Window, ...]) -> Iterator[ShapeFault]:
        """What is wrong with the sizes."""

    def padding_of(self, rank: int) -> Padding:
        """The padding, with a size for each side where it has the wrong number of them."""
        padding = self.padding
        if isinstance(padding, tuple) and len(padding) != 2 * rank:
            return fit(padding, rank)
        return padding

    def _miscounted(self, rank: int) -> Iterator[ShapeFault]:
        """Parameters with sizes for another number of dimensions."""
        parameters = self.per_dimension()
        if isinstance(self.padding, tuple):
            parameters["padding"] = self.padding
        for name, sizes in parameters.items():
            allowed = {1, rank, 2 * rank} if name == "padding" else {1, rank}
            if name in self.model_fields_set and len(sizes) not in allowed:
                yield miscount(name, sizes, rank)

    def channel_term(self, source: TensorType) -> Term:
        """How the output's channels are reckoned: by default they are the input's."""
        return stream_terms(source)[0]

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        sizes = (window.output_term for window in self.windows(*inputs))
        return (self.channel_term(inputs[0]), *sizes)

    @override
    def arithmetic_notes(self, *inputs: TensorType) -> tuple[str, ...]:
        if self.padding != "same":
            return ()
        axes = inputs[0].axes[1:]
        pairs = zip(axes, self.windows(*inputs), strict=True)
        return tuple(f"`padding same` along the {axis}: {one.same_formula}" for axis, one in pairs)

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        sizes = (window.output if window.fits else 1 for window in self.windows(*inputs))
        return TensorType((self.channels(inputs[0]), *sizes))


def dimension_names(rank: int) -> tuple[str, ...]:
    """What the spatial dimensions are called: ``("height", "width")``."""
    return _NAMES[rank]


def vector_fault(layer: Layer, source: TensorType, *, fatal: bool = False) -> ShapeFault:
    """The fault of a layer that needs feature maps and gets a vector."""
    return ShapeFault(
        FaultKind.VECTOR,
        f"`{layer.keyword}` needs feature maps, and its input is a vector of {source.channels}",
        help=f"put `{layer.keyword}` before the layer that makes a vector of the feature maps",
        fatal=fatal,
    )


def unusable(layer: Layer, source: TensorType) -> ShapeFault:
    """The fault of an input through which no window can slide."""
    rank = len(source.spatial)
    if rank == 0:
        return vector_fault(layer, source, fatal=True)
    message = f"`{layer.keyword}` works along 1, 2 or 3 dimensions; its input {source} has {rank}"
    help = "let the input have channels and 1, 2 or 3 sizes, as in `3x224x224`"
    return ShapeFault(FaultKind.UNSUITED, message, help=help, fatal=True)


def fit(sizes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """One size for each dimension, also where the wrong number of them was written."""
    return spread(sizes, rank) if len(sizes) in (1, rank) else (sizes + sizes[-1:] * rank)[:rank]


def miscount(name: str, sizes: tuple[int, ...], rank: int) -> ShapeFault:
    """The fault of a parameter with sizes for another number of dimensions than ``rank``."""
    written = "x".join(map(str, sizes))
    if name == "padding" and len(sizes) > 3:
        written = f"[{', '.join(map(str, sizes))}]"
    names = listed(_NAMES[rank])
    dimensions = count(rank, "dimension")
    allowed = "one size" if rank == 1 else f"one size for all, or {rank}"
    if name == "padding":
        allowed = f"one size for all, or {2 * rank}: all begins, then all ends"
    if rank == 3 and len(sizes) == 2:
        allowed += "; if the input's first size is the batch, leave it out"
    return ShapeFault(
        FaultKind.SIZE_COUNT,
        f"`{name} {written}` has {len(sizes)} sizes, and the input has {dimensions}: {names}",
        blame=(name,),
        help=f"write {allowed}",
        spatial=True,
    )


# --- the size rule's own faults ---------------------------------------------------------------


def along(rank: int, wrong: Sequence[int], numbers: Sequence[str]) -> tuple[str, str]:
    """Where a rule fails, ``'s height and width`` (empty for everywhere), and its numbers there.

    Numbers that are not alike are named one by one, and say themselves where.
    """
    names = [_NAMES[rank][position] for position in wrong]
    if len(set(numbers)) > 1:
        return "", "; ".join(f"{name} {text}" for name, text in zip(names, numbers, strict=True))
    where = "" if len(names) == rank else f"'s {listed(names)}"
    return where, numbers[0]


def size_fault(
    kind: FaultKind, message: str, blame: tuple[str, ...], windows: tuple[Window, ...]
) -> ShapeFault:
    """A failure of the size rule, of which the windows show the numbers."""
    return ShapeFault(kind, message, blame=blame, spatial=True, windows=windows)
