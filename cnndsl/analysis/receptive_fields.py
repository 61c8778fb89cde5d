"""Receptive fields: which cells of the network's input one cell of a value depends on.

Along each dimension, the cell at position ``i`` of a value sees the input's cells from
``low + i*low_step`` to ``high + i*high_step``. Through a window of ``before`` padding cells,
``extent`` covered cells and some ``stride``, both ends follow (Araujo, Norris & Sim 2019,
"Computing Receptive Fields of Convolutional Neural Networks", generalised to branches):

    low' = low - before*low_step                  low_step' = stride*low_step
    high' = high + (extent - 1 - before)*high_step    high_step' = stride*high_step

Behind a transposed window of stride ``S`` neighbours do not see alike: the field of a cell follows
from ``i mod S``, its *phase*, and moves on by one cell every ``S`` positions. So an axis has the
``low`` and ``high`` of each phase, and the steps from one position to the next of its phase. Where
the stride is larger than the kernel, the cells of some phases see nothing.

A join takes the hull of its branches. Padding counts as if the input went on beyond its border,
so a field can be larger than the input, as the literature reports it (483 for the ResNet-50
of the paper). From a layer that sees all of its input on (``dense``, global pooling), the field is
cut to the input and is the same for every cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import override

from cnndsl.elaborate.network import InputNode, TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.layers.axis_footprint import AxisFootprint
from cnndsl.layers.base import Footprint
from cnndsl.types import TensorType

__all__ = ["MOST_PHASES", "Axis", "ReceptiveField", "joined_field", "receptive_fields"]

if TYPE_CHECKING:
    from fractions import Fraction

Cells: TypeAlias = "int | Fraction"
"""A place among the input's cells; a fraction between branches that step differently."""

Ends: TypeAlias = "tuple[Cells, Cells] | None"
"""The first and the last input cell that a position sees; None where it sees nothing."""

MOST_PHASES = 64
"""Of more phases (the product of the strides of all transposed windows), one hull is made."""


@frozen
class Axis:
    """What the cells of a value see along one dimension of the network's input.

    ``phases`` are the ends of what the first ``positions`` see, one for each phase; the steps are
    by how much each end moves from one position to the next of the same phase. ``length`` is the
    input's.
    """

    length: int
    positions: int
    phases: tuple[Ends, ...]
    low_step: Cells
    high_step: Cells

    @classmethod
    def of_input(cls, length: int) -> Axis:
        """Each cell of the input sees itself."""
        return cls(length, length, ((0, 0),), 1, 1)

    @property
    def size(self) -> int:
        """How many input cells a position sees, at most over all positions."""
        largest: Cells = -1
        for phase, ends in enumerate(self.phases[: self.positions]):
            if ends is not None:
                way = ends[1] - ends[0]
                last = (self.positions - 1 - phase) // len(self.phases)
                growth = last * (self.high_step - self.low_step)
                largest = max(largest, way, way + growth)
        return math.ceil(largest) + 1

    @property
    def widest(self) -> Ends:
        """The ends of what a position sees that sees most of the cells."""
        count = len(self.phases)
        last = max(self.positions - 1, 0)
        places = {*range(min(count, self.positions)), *range(max(0, last - count + 1), last + 1)}
        seen = [ends for at in sorted(places) if (ends := self.ends(at)) is not None]
        return max(seen, key=lambda ends: ends[1] - ends[0], default=None)

    @property
    def is_fixed(self) -> bool:
        """Whether all positions see the same cells."""
        return self.low_step == 0 and self.high_step == 0

    def ends(self, position: int) -> Ends:
        """The first and the last cell that any position sees, of the input as if it went on."""
        turn, phase = divmod(position, len(self.phases))
        ends = self.phases[phase]
        if ends is None:
            return None
        return ends[0] + turn * self.low_step, ends[1] + turn * self.high_step

    def through(self, window: AxisFootprint) -> Axis:
        """What the positions of a layer with this footprint along this axis see."""
        count = len(self.phases)
        positions, cells = window.pace
        turns = count // math.gcd(count, cells)  # until it meets the same phase again
        if turns * positions > MOST_PHASES:
            return self._alike().through(window) if count > 1 else self._blurred(window)
        phases = tuple(self._seen(window.cells(at)) for at in range(turns * positions))
        moved = turns * cells // count
        return Axis(
            self.length, window.output, phases, moved * self.low_step, moved * self.high_step
        )

    def _seen(self, cells: range) -> Ends:
        """The hull of what some cells, evenly apart, see.

        Of the cells of one phase the first sees the lowest, and the last the highest.
        """
        count = len(self.phases)
        return _hull(self.ends(cell) for part in (cells[:count], cells[-count:]) for cell in part)

    def _alike(self) -> Axis:
        """The same with a single phase, which sees what every phase sees and perhaps more."""
        count = len(self.phases)
        low_step, high_step = _ratio(self.low_step, count), _ratio(self.high_step, count)
        shifted = (
            ends and (ends[0] - at * low_step, ends[1] - at * high_step)
            for at, ends in enumerate(self.phases)
        )
        return Axis(self.length, self.positions, (_hull(shifted),), low_step, high_step)

    def _blurred(self, window: AxisFootprint) -> Axis:
        """What is seen through a footprint of too many phases, as if all positions did alike."""
        positions, cells = window.pace
        low, high = window.hull
        low_unit, high_unit = (_ratio(step, positions) for step in (self.low_step, self.high_step))
        ends = self.ends(0)
        if ends is not None:
            ends = ends[0] + low * low_unit, ends[1] + high * high_unit
        steps = cells * low_unit, cells * high_unit
        return Axis(self.length, window.output, (ends,), *steps)

    def whole(self, positions: int) -> Axis:
        """What somebody sees who sees all positions: their hull, cut to the input."""
        count = len(self.phases)
        firsts = range(min(count, self.positions))
        lasts = range(max(0, self.positions - count), self.positions)
        low, high = _hull(self.ends(at) for part in (firsts, lasts) for at in part) or (0, -1)
        return self._fixed(max(0, low), min(self.length - 1, high), positions)

    def _fixed(self, low: Cells, high: Cells, positions: int) -> Axis:
        """Positions that all see the same cells."""
        return Axis(self.length, positions, ((low, high) if low <= high else None,), 0, 0)

    def hull(self, other: Axis) -> Axis:
        """What those see who see what two branches see.

        Where the branches step alike, as they do in all networks that keep their branches aligned,
        that is exact for every position. Where they step differently it is so for the first and
        the last position. Where one has seen all of its input or repeats its only position (a
        gate), both count as a whole.
        """
        positions = max(self.positions, other.positions)
        if self.is_fixed or other.is_fixed or self.positions != other.positions:
            seen = _hull(axis.whole(positions).ends(0) for axis in (self, other))
            return self._fixed(*(seen or (0, -1)), positions)
        count = math.lcm(len(self.phases), len(other.phases))
        one, two = self._repeated(count), other._repeated(count)
        if count > MOST_PHASES or (one.low_step, one.high_step) != (two.low_step, two.high_step):
            return self._alike()._between(other._alike())
        phases = tuple(_hull(pair) for pair in zip(one.phases, two.phases, strict=True))
        return Axis(self.length, positions, phases, one.low_step, one.high_step)

    def _repeated(self, count: int) -> Axis:
        """The same with more phases, a multiple of those that it has."""
        times = count // len(self.phases)
        if times == 1 or count > MOST_PHASES:
            return self
        phases = tuple(self.ends(at) for at in range(count))
        steps = times * self.low_step, times * self.high_step
        return Axis(self.length, self.positions, phases, *steps)

    def _between(self, other: Axis) -> Axis:
        """The hull of two axes of one phase each, exact for the first and the last position."""
        last = self.positions - 1
        first, end = (_hull((self.ends(at), other.ends(at))) for at in (0, last))
        if first is None or end is None:
            return self._fixed(0, -1, self.positions)
        low_step, high_step = (
            _ratio(b - a, last) if last else 1 for a, b in zip(first, end, strict=True)
        )
        return Axis(self.length, self.positions, (first,), low_step, high_step)


def _hull(seen: Iterable[Ends]) -> Ends:
    known = [ends for ends in seen if ends is not None]
    if not known:
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def _ratio(way: Cells, steps: int) -> Cells:
    from fractions import Fraction  # here, for it is rare and loading it takes milliseconds

    return Fraction(way, steps)


@frozen
class ReceptiveField:
    """The receptive field of a value: on which input, and what it sees along each dimension.

    In a network with several inputs it is the field on the first one that the value depends on.
    The last ``inner`` axes are no dimensions of the input: along the vectors of an embedding, all
    places see the same token.
    """

    source: int
    axes: tuple[Axis, ...]
    inner: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many of the input's cells one cell sees along each dimension; none for vectors."""
        return tuple(axis.size for axis in self.axes[: len(self.axes) - self.inner])

    def widened(self, positions: tuple[int, ...]) -> ReceptiveField:
        """The same with further inner axes, of so many places each."""
        axes = (Axis.of_input(1).whole(size) for size in positions)
        return ReceptiveField(self.source, (*self.axes, *axes), self.inner + len(positions))

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
            joined = joined_field([fields[source] for source in node.inputs[: node.layer.sees]])
            reach = node.layer.footprint(*typed.input_types(node))
            fields.append(_through(joined, reach, typed.types[position]))
    return tuple(fields)


def _of_input(position: int, node: InputNode) -> ReceptiveField:
    lengths = node.type.spatial if node.type.vocabulary is None else node.type.dims
    return ReceptiveField(position, tuple(Axis.of_input(length) for length in lengths))


def joined_field(fields: Sequence[ReceptiveField]) -> ReceptiveField:
    """The hull of the branches that come from the first input among theirs."""
    first = min(field.source for field in fields)
    alike = [field for field in fields if field.source == first]
    rank = max(len(field.axes) for field in alike)
    joined, *others = (field.widened((1,) * (rank - len(field.axes))) for field in alike)
    for other in others:
        axes = zip(joined.axes, other.axes, strict=True)
        joined = ReceptiveField(first, tuple(one.hull(two) for one, two in axes), joined.inner)
    return joined


def _through(field: ReceptiveField, reach: Footprint, output: TensorType) -> ReceptiveField:
    """The field behind a layer of some reach.

    Where dimensions come and go (a vector reshaped to a map), windows have nothing to slide along;
    then each cell counts as seeing all.
    """
    rank = len(field.axes)
    if reach == "point":
        return field.widened(output.spatial[rank:])
    if reach == "whole" or len(reach) != rank:
        positions = output.spatial if len(output.spatial) == rank else (1,) * rank
        pairs = zip(field.axes, positions, strict=True)
        axes = (axis.whole(size) for axis, size in pairs)
    else:
        windows = zip(field.axes, reach, strict=True)
        axes = (axis.through(window) for axis, window in windows)
    return ReceptiveField(field.source, tuple(axes), field.inner)
