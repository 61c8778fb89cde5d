"""The transposed window: each cell of the input is spread over a window of the output.

The rule of :mod:`cnndsl.layers.window` in its other direction, that of a convolution's gradient:
``(W - 1)S - 2P + D(K - 1) + 1 + output padding``.
"""

from __future__ import annotations

from typing_extensions import override

from cnndsl.frozen import frozen
from cnndsl.layers.formula import Symbol, Term
from cnndsl.layers.window import REACH, Parameter, Window

__all__ = ["TransposedWindow"]


@frozen
class TransposedWindow(Window):
    """A window of the output over which each cell of the input is spread, and the parts added.

    ``size`` is still the input's; ``before`` and ``after`` are cropped off the output, as the
    convolution of which this is the gradient pads its input. ``output_padding`` adds to the end
    of the output, fewer cells than the stride: there the convolution dropped a remainder.

    >>> TransposedWindow(size=14, kernel=4, stride=2, before=1, after=1).formula
    '(14 - 1)*2 - 2*1 + 4 = 28'
    >>> [*TransposedWindow(size=14, kernel=4, stride=2, before=1, after=1).cells(1)]
    [0, 1]
    """

    output_padding: int = 0

    @property
    @override
    def fits(self) -> bool:
        """Whether the padding leaves anything of the output."""
        return self.output > 0

    @property
    @override
    def works(self) -> bool:
        """Whether something is left, and less than a stride is added."""
        return self.fits and self.output_padding < self.stride

    @property
    @override
    def output(self) -> int:
        """``(W - 1)S - 2P + D(K - 1) + 1 + output padding``; it is below 1 where nothing fits."""
        cropped = self.before + self.after
        return (self.size - 1) * self.stride - cropped + self.extent + self.output_padding

    @property
    @override
    def output_term(self) -> Term:
        spread = (self.size_symbol - 1) * self.stride_symbol
        made = spread - self.padding_term + self.extent_term
        if not self.output_padding:
            return made
        return made + Symbol("A", self.output_padding, "output padding", "output_padding")

    @property
    @override
    def formula(self) -> str:
        """The rule with its numbers in it: ``(14 - 1)*2 - 2*1 + 3 + 1 = 28``."""
        padding = self._padding
        if self.before != self.after:
            padding = f"({padding})"
        cropped = f" - {padding}" if padding else ""
        added = f" + {self.output_padding}" if self.output_padding else ""
        return f"({self.size} - 1)*{self.stride}{cropped} + {self._kernel}{added} = {self.output}"

    @property
    @override
    def same_formula(self) -> str:
        return f"makes {self.size}*{self.stride} = {self.output}"

    @property
    @override
    def advice(self) -> str:
        if not self.fits:
            full = self.output + self.before + self.after
            return f"let the padding of both sides together be at most {full - 1}"
        return f"write an output padding of at most {self.stride - 1}"

    @property
    @override
    def pace(self) -> tuple[int, int]:
        return self.stride, 1

    @property
    @override
    def hull(self) -> tuple[int, int]:
        return self.before - self.extent + 1, self.before

    @override
    def cells(self, position: int) -> range:
        """Those cells ``j`` for which some ``k`` of the kernel has ``jS + kD = position + before``.

        There is none where the stride is larger than the kernel and the position lies in a gap.
        """
        from math import gcd

        place = position + self.before
        common = gcd(self.stride, self.dilation)
        if place % common:
            return range(0)
        # The places of the kernel that meet a cell lie `step` apart, the cells `back` apart.
        step, back = self.stride // common, self.dilation // common
        first = place // common * pow(back, -1, step) % step
        taps = (self.kernel - 1 - first) // step + 1
        last = (place - first * self.dilation) // self.stride
        return range(last - (taps - 1) * back, last + 1, back) if taps > 0 else range(0)

    @override
    def nearby(self, name: Parameter) -> range:
        """Values near the one written, or near the first that leaves something of the output."""
        value, missing = self.value(name), max(0, 1 - self.output)
        match name:
            case "padding":
                start = min(value, (self.output + self.before + self.after - 1) // 2)
                return range(max(0, start - REACH), start + 1)
            case "kernel":
                lowest = value + -(-missing // self.dilation)
            case "dilation":
                lowest = value + (-(-missing // (self.kernel - 1)) if self.kernel > 1 else 0)
            case "stride":
                lowest = value + (-(-missing // (self.size - 1)) if self.size > 1 else 0)
                lowest = max(lowest, self.output_padding + 1)
            case "output_padding":
                return range(min(self.stride, REACH))
        return range(max(1, lowest - REACH), lowest + REACH + 1)
