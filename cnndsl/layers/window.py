"""The size rule of sliding windows, ``(W - K + 2P)/S + 1``, in exact integer arithmetic.

It stands here once. With dilation ``D`` a kernel of ``K`` covers ``D(K - 1) + 1`` cells; where
the padding differs on the two sides, their sum takes the place of ``2P``. The rule's inverse,
the changes that mend a size that does not fit, is :mod:`cnndsl.repair.repair`.
"""

from __future__ import annotations

from enum import StrEnum

from cnndsl.frozen import frozen

__all__ = ["Rounding", "Window"]


class Rounding(StrEnum):
    """What happens where the stride does not divide ``W - K + 2P``."""

    EXACT = "exact"
    FLOOR = "floor"
    CEIL = "ceil"


@frozen
class Window:
    """A window sliding along one spatial dimension.

    >>> Window(size=227, kernel=11, stride=4).output
    55
    >>> Window(size=224, kernel=11, stride=4).formula
    '(224 - 11)/4 + 1 = 54.25'
    """

    size: int
    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    rounding: Rounding = Rounding.EXACT

    @property
    def extent(self) -> int:
        """The cells that the kernel covers: ``D(K - 1) + 1``."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def span(self) -> int:
        """``W - K + 2P``: how far the window can slide. Negative: the kernel does not fit."""
        return self.size - self.extent + self.before + self.after

    @property
    def fits(self) -> bool:
        """Whether the kernel fits into the padded input."""
        return self.span >= 0

    @property
    def tiles(self) -> bool:
        """Whether the stride divides the way exactly."""
        return self.span % self.stride == 0

    @property
    def output(self) -> int:
        """The output size. Needs :attr:`fits`; what does not tile is rounded as ``rounding`` says.

        ``ceil`` is Caffe's: a last window that would begin beyond the input and its padding in
        front is dropped (``pooling_layer.cpp``; ONNX ``ceil_mode`` does the same). Caffe keeps it
        where there is no padding and the stride is larger than the kernel, and sees nothing in it.
        """
        steps, left = divmod(self.span, self.stride)
        if not left or self.rounding is not Rounding.CEIL:
            return steps + 1
        return steps + (2 if (steps + 1) * self.stride < self.size + self.before else 1)

    @property
    def overhang(self) -> int:
        """The cells by which the last window of a ``ceil`` reaches beyond the padded input."""
        return max(0, (self.output - 1) * self.stride - self.span)

    @property
    def formula(self) -> str:
        """The rule with its numbers in it, exact: ``(224 - 11 + 2*2)/4 + 1 = 55.25``."""
        padding = ""
        if self.before == self.after:
            padding = f" + 2*{self.before}" if self.before else ""
        else:
            padding = f" + {self.before} + {self.after}"
        kernel = str(self.kernel)
        if self.dilation > 1 and self.kernel > 1:
            kernel = f"({self.dilation}*({self.kernel} - 1) + 1)"
        way = f"{self.size} - {kernel}{padding}"
        return f"({way})/{self.stride} + 1 = {self._quotient()}"

    def _quotient(self) -> str:
        """``span/stride + 1`` in decimals: two where they show that something is left."""
        whole, left = divmod(self.span + self.stride, self.stride)
        if not left:
            return str(whole)
        value = (self.span + self.stride) / self.stride
        digits = 2
        while (text := f"{value:.{digits}f}").endswith("0" * digits):
            digits += 2  # a remainder must show, however small beside the stride
        return text.rstrip("0")
