"""The size rules of windows, in exact integer arithmetic, as values that know their direction.

*Forward*, a window slides over its input, as in a convolution or a pool: ``(W - K + 2P)/S + 1``.
*Transposed*, each cell of the input is spread over a window of the output, as in the gradient of a
convolution: ``(W - 1)S - 2P + D(K - 1) + 1 + output padding``. With dilation ``D`` a kernel of
``K`` covers ``D(K - 1) + 1`` cells; where the padding differs on the two sides, their sum takes
the place of ``2P``.

The rules stand here once, with what follows from them: which cells one output cell depends on,
and which other values of a parameter may mend a size that does not fit.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import StrEnum
from typing import Literal, TypeAlias

from typing_extensions import override

from cnndsl.frozen import frozen
from cnndsl.layers.axis_footprint import AxisFootprint
from cnndsl.layers.formula import Symbol, Term, ceiling, floored, least

__all__ = [
    "REACH",
    "ForwardWindow",
    "Parameter",
    "Rounding",
    "Window",
]

REACH = 64
"""Values farther than this from the one written are no small change."""

Parameter: TypeAlias = Literal["kernel", "stride", "padding", "dilation", "output_padding"]
"""What a repair can change of a window; ``padding`` is the same on both sides."""


class Rounding(StrEnum):
    """What happens where the stride does not divide ``W - K + 2P``."""

    EXACT = "exact"
    FLOOR = "floor"
    CEIL = "ceil"


@frozen
class Window(AxisFootprint):
    """A window along one spatial dimension, in one of the two directions."""

    size: int
    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    @property
    def extent(self) -> int:
        """The cells that the kernel covers: ``D(K - 1) + 1``."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    @abstractmethod
    def fits(self) -> bool:
        """Whether there is an output at all."""

    @property
    @abstractmethod
    def works(self) -> bool:
        """Whether it fits, and nothing else is wrong with its numbers."""

    @property
    @abstractmethod
    @override
    def output(self) -> int:
        """The output size. Needs :attr:`fits`."""

    @property
    @abstractmethod
    def formula(self) -> str:
        """The rule with its numbers in it, exact."""

    @property
    @abstractmethod
    def output_term(self) -> Term:
        """The rule as a formula, with its letters. It comes to a fraction where nothing tiles."""

    @property
    def overhang(self) -> int:
        """The cells by which the last window reaches beyond the padded input."""
        return 0

    @property
    def dropped(self) -> int:
        """The cells of the input that the stride would leave out at the end."""
        return 0

    @property
    @abstractmethod
    def same_formula(self) -> str:
        """What ``padding same`` does, with the numbers."""

    @property
    @abstractmethod
    def advice(self) -> str:
        """What is true of the rule where the window does not work, as an imperative."""

    # --- as formulas ---

    @property
    def size_symbol(self) -> Symbol:
        """The size of the input along this dimension."""
        return Symbol("W", self.size, "input size")

    @property
    def kernel_symbol(self) -> Symbol:
        """The kernel's size."""
        return Symbol("K", self.kernel, "kernel", "kernel")

    @property
    def stride_symbol(self) -> Symbol:
        """The stride."""
        return Symbol("S", self.stride, "stride", "stride")

    @property
    def extent_term(self) -> Term:
        """The cells that the kernel covers: K, or D(K - 1) + 1."""
        kernel = self.kernel_symbol
        if self.dilation == 1:
            return kernel
        return Symbol("D", self.dilation, "dilation", "dilation") * (kernel - 1) + 1

    @property
    def padding_term(self) -> Term:
        """The padding of both sides: 2P, or P1 + P2 where they differ."""
        if self.before == self.after:
            return 2 * Symbol("P", self.before, "padding", "padding")
        first = Symbol("P1", self.before, "padding in front", "padding")
        return first + Symbol("P2", self.after, "padding behind", "padding")

    # --- the inverse ---

    def value(self, name: Parameter) -> int:
        """The value of a parameter."""
        return self.before if name == "padding" else int(getattr(self, name))

    @abstractmethod
    def nearby(self, name: Parameter) -> range:
        """Values of a parameter, with the one it has, among which those that mend it are.

        They are not all right: each is to be tried.
        """

    @property
    def _padding(self) -> str:
        """``2*2``, or ``1 + 2`` where the sides differ; empty without padding."""
        if self.before == self.after:
            return f"2*{self.before}" if self.before else ""
        return f"{self.before} + {self.after}"

    @property
    def _kernel(self) -> str:
        """The cells that the kernel covers: ``3``, or ``(2*(3 - 1) + 1)`` where it is dilated."""
        if self.dilation > 1 and self.kernel > 1:
            return f"({self.dilation}*({self.kernel} - 1) + 1)"
        return str(self.kernel)


@frozen
class ForwardWindow(Window):
    """A window sliding along one spatial dimension.

    >>> ForwardWindow(size=227, kernel=11, stride=4).output
    55
    >>> ForwardWindow(size=224, kernel=11, stride=4).formula
    '(224 - 11)/4 + 1 = 54.25'
    >>> [*ForwardWindow(size=28, kernel=3, stride=2, before=1).cells(1)]
    [1, 2, 3]
    """

    rounding: Rounding = Rounding.EXACT

    @property
    def span(self) -> int:
        """``W - K + 2P``: how far the window can slide. Negative: the kernel does not fit."""
        return self.size - self.extent + self.before + self.after

    @property
    @override
    def fits(self) -> bool:
        """Whether the kernel fits into the padded input."""
        return self.span >= 0

    @property
    def tiles(self) -> bool:
        """Whether the stride divides the way exactly."""
        return self.span % self.stride == 0

    @property
    @override
    def works(self) -> bool:
        """Whether it lies within its input and tiles it, or may leave something over."""
        return self.fits and (self.tiles or self.rounding is not Rounding.EXACT)

    @property
    @override
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
    @override
    def overhang(self) -> int:
        """The cells by which the last window of a ``ceil`` reaches beyond the padded input."""
        return max(0, (self.output - 1) * self.stride - self.span)

    @property
    @override
    def dropped(self) -> int:
        """The cells of the input that ``floor`` would leave out at the end."""
        return max(0, self.span % self.stride - self.after)

    @property
    @override
    def formula(self) -> str:
        """The rule with its numbers in it, exact: ``(224 - 11 + 2*2)/4 + 1 = 55.25``.

        Where that is rounded, it says so: ``… = 55.25, rounded down to 55``.
        """
        padding = f" + {self._padding}" if self._padding else ""
        way = f"{self.size} - {self._kernel}{padding}"
        return f"({way})/{self.stride} + 1 = {self._quotient()}{self._rounded()}"

    def _rounded(self) -> str:
        """What becomes of a remainder, where something does."""
        if self.tiles or not self.fits or self.rounding is Rounding.EXACT:
            return ""
        above = self.output > self.span // self.stride + 1
        return f", rounded {'up' if above else 'down'} to {self.output}"

    @property
    @override
    def output_term(self) -> Term:
        """``(W - K + 2P)/S + 1``, rounded where it is to be and the stride leaves a remainder."""
        way = self.size_symbol - self.extent_term + self.padding_term
        steps = way / self.stride_symbol
        match self.rounding:
            case Rounding.EXACT:
                return steps + 1
            case Rounding.FLOOR:
                return floored(steps) + 1
            case Rounding.CEIL:
                windows = ceiling(steps) + 1
        if self.tiles or windows.value == self.output:
            return windows
        front = Symbol("P", self.before, "padding in front", "padding")
        return least(windows, ceiling((self.size_symbol + front) / self.stride_symbol))

    @override
    def field_term(self, field: Symbol, jump: Symbol) -> Term | None:
        return field + (self.extent_term - 1) * jump

    @override
    def jump_term(self, jump: Symbol) -> Term | None:
        return jump * self.stride_symbol

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

    @property
    @override
    def same_formula(self) -> str:
        return f"keeps ceil({self.size}/{self.stride}) = {self.output}"

    @property
    @override
    def advice(self) -> str:
        padding = self.before + self.after
        if not self.fits:
            return (
                f"make the input at least {self.extent - padding} or what the kernel covers at most"
                f" {self.size + padding}"
            )
        added = f" + {padding}" if padding else ""
        return (
            f"choose numbers for which the stride {self.stride} divides"
            f" {self.size} - {self.extent}{added}"
        )

    @property
    @override
    def pace(self) -> tuple[int, int]:
        return 1, self.stride

    @property
    @override
    def hull(self) -> tuple[int, int]:
        return -self.before, self.extent - 1 - self.before

    @override
    def cells(self, position: int) -> range:
        start = position * self.stride - self.before
        return range(start, start + self.extent, self.dilation)

    @override
    def nearby(self, name: Parameter) -> range:
        """Values near the one written.

        Of paddings those below the kernel's extent: more would add windows that see nothing. Of
        kernels those more than half as large; smaller ones only where there is room for no other.
        """
        match name:
            case "padding":
                lowest = max(0, -((self.size - self.extent) // 2))  # below it, it does not fit
                start = min(max(lowest, self.before), self.extent - 1)
                reach = min(self.stride, REACH)
                return range(max(lowest, start - reach), min(self.extent - 1, start + reach) + 1)
            case "kernel":
                padded = self.size + self.before + self.after
                largest = (padded - 1) // self.dilation + 1
                start, reach = min(self.kernel, largest), min(self.stride, REACH)
                smallest = min(self.kernel // 2 + 1, largest)
                return range(max(smallest, start - reach), min(largest, start + reach) + 1)
            case "dilation":
                return range(max(1, self.dilation - REACH), self.dilation + 1)
            case "stride":
                largest = max(self.stride, min(self.stride + REACH, self.extent))
                return range(max(1, self.stride - REACH), largest + 1)
            case "output_padding":
                return range(0)
