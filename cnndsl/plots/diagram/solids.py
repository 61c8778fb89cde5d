"""Turns the sizes of feature maps into what is drawn of them: sheets behind each other, or a bar.

Sizes are drawn to a power of them: a map of 7 beside one of 224 would else be a point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from cnndsl.frozen import frozen
from cnndsl.plots.diagram.placed import Rect
from cnndsl.types import TensorType

__all__ = ["Scale", "Solid"]

_LARGEST = 84.0
"""The longest side of a sheet, in points."""
_LEAST = 6.0
_POWER = 0.6
_STRIP = 9.0
"""The height of a sheet of one dimension."""
_BAR = 9.0
"""The width of a vector's bar."""
_APART = 2.3
"""How far a sheet stands out from the one before it."""
_DEEP = 0.45
"""How much of its length the third dimension has, drawn aslant."""
_MOST = 14
"""There are no more sheets."""
_CELLS = 16
"""A vector of no more numbers shows each."""


@frozen
class Solid:
    """What is drawn of a value, around the point (0, 0).

    ``sheets`` are the lower left sheet in front last; ``depth`` is how far each reaches back,
    aslant. A vector has one ``sheet``, its bar, of so many ``cells``.
    """

    sheets: tuple[Rect, ...]
    depth: float = 0.0
    cells: int = 0

    @property
    def front(self) -> Rect:
        """The sheet in front, on which kernels are drawn."""
        return self.sheets[-1]

    @property
    def width(self) -> float:
        """The width of all."""
        return (
            max(one.right for one in self.sheets) - min(one.x for one in self.sheets) + self.depth
        )

    @property
    def height(self) -> float:
        """The height of all."""
        top = min(one.y for one in self.sheets) - self.depth
        return max(one.bottom for one in self.sheets) - top

    @property
    def is_vector(self) -> bool:
        """Whether it is a bar."""
        return self.cells > 0


@frozen
class Scale:
    """How long sizes are drawn: the largest of the network gets the longest side."""

    largest: int

    @classmethod
    def of(cls, types: Iterable[TensorType]) -> Scale:
        """The scale for all values of a network."""
        return cls(max((size for one in types for size in one.spatial), default=1))

    def side(self, size: int) -> float:
        """The length of a size."""
        return max(_LEAST, _LARGEST * math.pow(size / self.largest, _POWER))

    def solid(self, kind: TensorType) -> Solid:
        """What is drawn of a value."""
        if not kind.spatial:
            height = min(112.0, 16.0 + 8.0 * math.log2(kind.channels + 1))
            cells = kind.channels if kind.channels <= _CELLS else 1
            return Solid((Rect(-_BAR / 2, -height / 2, _BAR, height),), cells=cells)
        *_, width = map(self.side, kind.spatial)
        height = self.side(kind.spatial[-2]) if len(kind.spatial) > 1 else _STRIP
        depth = _DEEP * self.side(kind.spatial[0]) if len(kind.spatial) > 2 else 0.0
        apart = _APART + (depth + 1.5 if depth else 0.0) * 0.35
        count = _sheets(kind.channels) if not depth else min(kind.channels, 4)
        reach = apart * (count - 1)
        sheets = (
            Rect(
                -(width + reach + depth) / 2 + apart * at,
                -(height + reach - depth) / 2 + apart * at,
                width,
                height,
            )
            for at in range(count)
        )
        return Solid(tuple(sheets), depth)


def _sheets(channels: int) -> int:
    """How many sheets are drawn of so many channels: all of a few, fewer and fewer of many.

    >>> [_sheets(channels) for channels in (1, 3, 6, 16, 64, 512)]
    [1, 3, 6, 8, 11, 14]
    """
    return min(channels, _MOST, 2 + round(1.5 * math.log2(channels + 1)))
