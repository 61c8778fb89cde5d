"""Receptive fields: which cells of the network's input one cell of a value depends on.

Along each dimension, the cell at position ``i`` of a value sees the input's cells from
``low + i*low_step`` to ``high + i*high_step``. Through a window of ``before`` padding cells,
``extent`` covered cells and some ``stride``, both ends follow (Araujo, Norris & Sim 2019,
"Computing Receptive Fields of Convolutional Neural Networks", generalised to branches):

    low' = low - before*low_step                  low_step' = stride*low_step
    high' = high + (extent - 1 - before)*high_step    high_step' = stride*high_step

A join takes the hull of its branches. Padding counts as if the input went on beyond its border,
so a field can be larger than the input, as the literature reports it (483 for the ResNet-50
of the paper). From a layer that sees all of its input on (``dense``, global pooling), the field is
cut to the input and is the same for every cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import override

from cnndsl.elaborate.network import InputNode, TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.layers.base import Footprint
from cnndsl.layers.window import Window
from cnndsl.types import TensorType

__all__ = ["Axis", "ReceptiveField", "receptive_fields"]

if TYPE_CHECKING:
    from fractions import Fraction

Cells: TypeAlias = "int | Fraction"
"""A place among the input's cells; a fraction where the network upsamples."""


@frozen
class Axis:
    """What the cells of a value see along one dimension of the network's input.

    ``low`` and ``high`` are the first and the last input cell that position 0 sees, the steps are
    by how much each moves from one position to the next of the ``positions``. ``length`` is the
    input's.
    """

    length: int
    positions: int
    low: Cells
    high: Cells
    low_step: Cells
    high_step: Cells

    @classmethod
    def of_input(cls, length: int) -> Axis:
        """Each cell of the input sees itself."""
        return cls(length, length, 0, 0, 1, 1)

    @property
    def size(self) -> int:
        """How many input cells a position sees, at most over all positions."""
        way = self.high - self.low
        growth = (self.positions - 1) * (self.high_step - self.low_step)
        return math.ceil(max(way, way + growth)) + 1

    @property
    def is_fixed(self) -> bool:
        """Whether all positions see the same cells."""
        return self.low_step == 0 and self.high_step == 0

    def through(self, window: Window) -> Axis:
        """What the positions of a window that slides along this axis see."""
        return Axis(
            self.length,
            window.output,
            self.low - window.before * self.low_step,
            self.high + (window.extent - 1 - window.before) * self.high_step,
            self.low_step * window.stride,
            self.high_step * window.stride,
        )

    def whole(self, positions: int) -> Axis:
        """What somebody sees who sees all positions: their hull, cut to the input."""
        low = max(0, self.low)
        high = min(self.length - 1, self.high + (self.positions - 1) * self.high_step)
        return Axis(self.length, positions, low, high, 0, 0)

    def hull(self, other: Axis) -> Axis:
        """What those see who see what two branches see.

        Where the branches step alike, as they do in all networks that keep their branches aligned,
        that is exact for every position. Where they step differently it is so for the first and
        the last position. Where one has seen all of its input or repeats its only position (a
        gate), both count as a whole.
        """
        positions = max(self.positions, other.positions)
        if self.is_fixed or other.is_fixed or self.positions != other.positions:
            one, two = self.whole(positions), other.whole(positions)
            return Axis(
                self.length, positions, min(one.low, two.low), max(one.high, two.high), 0, 0
            )
        low, high = min(self.low, other.low), max(self.high, other.high)
        if self.low_step == other.low_step and self.high_step == other.high_step:
            return Axis(self.length, positions, low, high, self.low_step, self.high_step)
        last = positions - 1
        last_low = min(self.low + last * self.low_step, other.low + last * other.low_step)
        last_high = max(self.high + last * self.high_step, other.high + last * other.high_step)
        low_step, high_step = _ratio(last_low - low, last), _ratio(last_high - high, last)
        return Axis(self.length, positions, low, high, low_step, high_step)


def _ratio(way: Cells, steps: int) -> Cells:
    from fractions import Fraction  # here, for it is rare and loading it takes milliseconds

    return Fraction(way, steps) if steps else 1


@frozen
class ReceptiveField:
    """The receptive field of a value: on which input, and what it sees along each dimension.

    In a network with several inputs it is the field on the first one that the value depends on.
    """

    source: int
    axes: tuple[Axis, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many of the input's cells one cell sees along each dimension; none for vectors."""
        return tuple(axis.size for axis in self.axes)

    @override
    def __str__(self) -> str:
        return "x".join(map(str, self.sizes))


def receptive_fields(typed: TypedNetwork) -> tuple[ReceptiveField, ...]:
    """The receptive field of every node's output, by position; in linear time.

    Sizes are in cells of the network's input (tokens, for a token input).
    """
    fields: list[ReceptiveField] = []
    for position, node in enumerate(typed.network.nodes):
        if isinstance(node, InputNode):
            fields.append(_of_input(position, node))
        else:
            joined = _joined([fields[source] for source in node.inputs])
            reach = node.layer.footprint(*typed.input_types(node))
            fields.append(_through(joined, reach, typed.types[position]))
    return tuple(fields)


def _of_input(position: int, node: InputNode) -> ReceptiveField:
    lengths = node.type.spatial if node.vocabulary is None else node.type.dims
    return ReceptiveField(position, tuple(Axis.of_input(length) for length in lengths))


def _joined(fields: Sequence[ReceptiveField]) -> ReceptiveField:
    """The hull of the branches that come from the first input among theirs."""
    first = min(field.source for field in fields)
    joined, *others = (field for field in fields if field.source == first)
    for other in others:
        axes = zip(joined.axes, other.axes, strict=True)
        joined = ReceptiveField(first, tuple(one.hull(two) for one, two in axes))
    return joined


def _through(field: ReceptiveField, reach: Footprint, output: TensorType) -> ReceptiveField:
    """The field behind a layer of some reach.

    Where dimensions come and go (a vector reshaped to a map), windows have nothing to slide along;
    then each cell counts as seeing all.
    """
    rank = len(field.axes)
    if reach == "point":
        return field
    if reach == "whole" or len(reach) != rank:
        positions = output.spatial if len(output.spatial) == rank else (1,) * rank
        pairs = zip(field.axes, positions, strict=True)
        return ReceptiveField(field.source, tuple(axis.whole(size) for axis, size in pairs))
    windows = zip(field.axes, reach, strict=True)
    return ReceptiveField(field.source, tuple(axis.through(window) for axis, window in windows))
