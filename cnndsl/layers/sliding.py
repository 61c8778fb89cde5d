"""What convolution and pooling share: a window that slides over feature maps.

It turns the parameters into one :class:`Window` for each spatial dimension and their problems
into faults that show the size rule with its numbers in it.
"""

from abc import abstractmethod
from collections.abc import Iterator

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Footprint, Layer, RoundingWord, ShapeFault, Sizes, spread
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.padding import Padding, margins
from cnndsl.layers.window import Rounding, Window
from cnndsl.types import TensorType

__all__ = ["Sliding", "dimension_names", "pads", "vector_fault"]

_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


class Sliding(Layer):
    """A layer that slides a window over feature maps."""

    kernel: Sizes = Field(
        description="the window's size: `3`, `3x5`, or a list `[k, 1]` of expressions",
        examples=["3"],
    )
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
    rounding: RoundingWord = Field(
        default=Rounding.EXACT,
        description=(
            "where the stride leaves a remainder: `exact` is an error, `floor` drops the last"
            " cells, `ceil` adds a window that reaches beyond them"
        ),
    )

    @abstractmethod
    def per_dimension(self) -> dict[str, tuple[int, ...]]:
        """Kernel, stride and dilation as written: one size for all dimensions, or one for each."""

    @abstractmethod
    def channels(self, source: TensorType) -> int:
        """The output's channels."""

    def windows(self, source: TensorType) -> tuple[Window, ...]:
        """The window along each spatial dimension.

        ``same`` has its size by definition, so that it leaves no remainder to complain about.
        """
        rank, written = len(source.spatial), self.per_dimension()
        kernels, strides, dilations = (
            _fit(written[name], rank) for name in ("kernel", "stride", "dilation")
        )
        extents = tuple(d * (k - 1) + 1 for k, d in zip(kernels, dilations, strict=True))
        padding = self.padding
        if isinstance(padding, tuple) and len(padding) != 2 * rank:
            padding = _fit(padding, rank)
        borders = margins(padding, source.spatial, extents, strides)
        rounding = Rounding.FLOOR if padding == "same" else self.rounding
        return tuple(
            Window(size, kernel, stride, before, after, dilation, rounding)
            for size, kernel, stride, (before, after), dilation in zip(
                source.spatial, kernels, strides, borders, dilations, strict=True
            )
        )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank = len(inputs[0].spatial)
        if rank not in _NAMES:
            yield self._unusable(inputs[0])
            return
        miscounted = [*self._miscounted(rank)]
        yield from miscounted
        yield from self.channel_faults(inputs[0])
        if not miscounted:
            yield from self.size_faults(self.windows(inputs[0]))

    def _unusable(self, source: TensorType) -> ShapeFault:
        """The fault of an input through which no window can slide."""
        rank = len(source.spatial)
        if rank == 0:
            return vector_fault(self, source, fatal=True)
        message = (
            f"`{self.keyword}` works along 1, 2 or 3 dimensions; its input {source} has {rank}"
        )
        help = "let the input have channels and 1, 2 or 3 sizes, as in `3x224x224`"
        return ShapeFault(FaultKind.UNSUITED, message, help=help, fatal=True)

    def channel_faults(self, source: TensorType) -> Iterator[ShapeFault]:
        """What is wrong with the channels."""
        yield from ()

    def size_faults(self, windows: tuple[Window, ...]) -> Iterator[ShapeFault]:
        """What is wrong with the sizes."""
        if not all(window.fits for window in windows):
            yield _too_large(windows)
        elif not all(w.tiles or w.rounding is not Rounding.EXACT for w in windows):
            yield _remainder(windows)

    def _miscounted(self, rank: int) -> Iterator[ShapeFault]:
        """Parameters with sizes for another number of dimensions."""
        parameters = self.per_dimension()
        if isinstance(self.padding, tuple):
            parameters["padding"] = self.padding
        for name, sizes in parameters.items():
            allowed = {1, rank, 2 * rank} if name == "padding" else {1, rank}
            if name in self.model_fields_set and len(sizes) not in allowed:
                yield _miscount(name, sizes, rank)

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        source = inputs[0]
        sizes = (window.output if window.fits else 1 for window in self.windows(source))
        return TensorType((self.channels(source), *sizes))

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return self.windows(inputs[0])


def pads(windows: tuple[Window, ...]) -> tuple[int, ...]:
    """ONNX ``pads``: all begins, then all ends; these reach as far as the last window does."""
    return (
        *(window.before for window in windows),
        *(window.after + window.overhang for window in windows),
    )


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


def _fit(sizes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """One size for each dimension, also where the wrong number of them was written."""
    return spread(sizes, rank) if len(sizes) in (1, rank) else (sizes + sizes[-1:] * rank)[:rank]


def _miscount(name: str, sizes: tuple[int, ...], rank: int) -> ShapeFault:
    written = "x".join(map(str, sizes))
    if name == "padding" and len(sizes) > 3:
        written = f"[{', '.join(map(str, sizes))}]"
    names = _listed(_NAMES[rank])
    dimensions = "1 dimension" if rank == 1 else f"{rank} dimensions"
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


# --- the size rule ----------------------------------------------------------------------------

_BLAME = ("kernel", "stride", "padding", "dilation")


def _where(windows: tuple[Window, ...], wrong: list[int]) -> str:
    """The dimensions at fault, as ``'s height and width``; empty where it is all of them."""
    names = [_NAMES[len(windows)][position] for position in wrong]
    return "" if len(names) == len(windows) else f"'s {_listed(names)}"


def _remainder(windows: tuple[Window, ...]) -> ShapeFault:
    wrong = [position for position, window in enumerate(windows) if not window.tiles]
    names = _NAMES[len(windows)]
    formulas = {position: windows[position].formula for position in wrong}
    if len(set(formulas.values())) == 1:
        where, arithmetic = _where(windows, wrong), formulas[wrong[0]]
    else:
        where = ""
        arithmetic = "; ".join(f"{names[position]} {text}" for position, text in formulas.items())
    return ShapeFault(
        FaultKind.REMAINDER,
        f"the kernel does not tile the input{where}: {arithmetic}",
        blame=_BLAME,
        spatial=True,
        windows=windows,
    )


def _too_large(windows: tuple[Window, ...]) -> ShapeFault:
    wrong = [position for position, window in enumerate(windows) if not window.fits]
    names = _NAMES[len(windows)]
    comparisons = {position: _comparison(windows[position]) for position in wrong}
    if len(set(comparisons.values())) == 1:
        where, arithmetic = _where(windows, wrong), comparisons[wrong[0]]
    else:
        where = ""
        arithmetic = "; ".join(f"{names[at]} {text}" for at, text in comparisons.items())
    padded = "padded " if any(windows[at].before or windows[at].after for at in wrong) else ""
    return ShapeFault(
        FaultKind.TOO_LARGE,
        f"the kernel is larger than the {padded}input{where}: {arithmetic}",
        blame=_BLAME,
        spatial=True,
        windows=windows,
    )


def _comparison(window: Window) -> str:
    """Kernel against padded input: ``2*(5 - 1) + 1 = 9 > 4 + 2*1 = 6``."""
    kernel = str(window.kernel)
    if window.extent != window.kernel:
        kernel = f"{window.dilation}*({window.kernel} - 1) + 1 = {window.extent}"
    size = str(window.size)
    if window.before or window.after:
        same = window.before == window.after
        added = f"2*{window.before}" if same else f"{window.before} + {window.after}"
        size = f"{size} + {added} = {window.size + window.before + window.after}"
    return f"{kernel} > {size}"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
