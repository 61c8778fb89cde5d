"""What convolution and pooling share: a window that slides over feature maps.

It turns the parameters into one :class:`ForwardWindow` for each spatial dimension and the rule's
problems into faults that show it with its numbers in it.
"""

from collections.abc import Iterator, Sequence

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import RoundingWord, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.padding import margins
from cnndsl.layers.window import ForwardWindow, Rounding, Window
from cnndsl.layers.windowed import Windowed, along, fit, size_fault
from cnndsl.types import TensorType

__all__ = ["Sliding", "pads"]

_BLAME = ("kernel", "stride", "padding", "dilation")


class Sliding(Windowed):
    """A layer that slides a window over feature maps."""

    rounding: RoundingWord = Field(
        default=Rounding.EXACT,
        description=(
            "where the stride leaves a remainder: `exact` is an error, `floor` drops the last"
            " cells, `ceil` adds a window that reaches beyond them"
        ),
    )

    @override
    def windows(self, *inputs: TensorType) -> tuple[ForwardWindow, ...]:
        """The window along each spatial dimension.

        ``same`` has its size by definition, so that it leaves no remainder to complain about.
        """
        sizes = inputs[0].spatial
        rank, written = len(sizes), self.per_dimension()
        kernels = self.kernel_sizes(rank)
        strides, dilations = (fit(written[name], rank) for name in ("stride", "dilation"))
        extents = tuple(d * (k - 1) + 1 for k, d in zip(kernels, dilations, strict=True))
        borders = margins(self.padding_of(rank), sizes, extents, strides)
        rounding = Rounding.FLOOR if self.padding == "same" else self.rounding
        return tuple(
            ForwardWindow(size, kernel, stride, before, after, dilation, rounding)
            for size, kernel, stride, (before, after), dilation in zip(
                sizes, kernels, strides, borders, dilations, strict=True
            )
        )

    def kernel_sizes(self, rank: int) -> tuple[int, ...]:
        """The kernel's size along each of so many dimensions."""
        return fit(self.per_dimension()["kernel"], rank)

    @override
    def size_faults(self, windows: tuple[Window, ...]) -> Iterator[ShapeFault]:
        if not all(window.fits for window in windows):
            yield _too_large(windows)
        elif not all(window.works for window in windows):
            yield _remainder(windows)


def pads(windows: Sequence[Window]) -> tuple[int, ...]:
    """ONNX ``pads``: all begins, then all ends; these reach as far as the last window does."""
    return (
        *(window.before for window in windows),
        *(window.after + window.overhang for window in windows),
    )


def _remainder(windows: tuple[Window, ...]) -> ShapeFault:
    wrong = [at for at, window in enumerate(windows) if not window.works]
    where, arithmetic = along(len(windows), wrong, [windows[at].formula for at in wrong])
    message = f"the kernel does not tile the input{where}: {arithmetic}"
    return size_fault(FaultKind.REMAINDER, message, _BLAME, windows)


def _too_large(windows: tuple[Window, ...]) -> ShapeFault:
    wrong = [at for at, window in enumerate(windows) if not window.fits]
    where, arithmetic = along(len(windows), wrong, [_comparison(windows[at]) for at in wrong])
    padded = "padded " if any(windows[at].before or windows[at].after for at in wrong) else ""
    message = f"the kernel is larger than the {padded}input{where}: {arithmetic}"
    return size_fault(FaultKind.TOO_LARGE, message, _BLAME, windows)


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
