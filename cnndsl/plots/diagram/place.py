"""Places a segment: its boxes in layers, the lines between them, the sizes beside the lines."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import field

from cnndsl.frozen import frozen, mutable
from cnndsl.plots.diagram.graph import BORDER, Box, Edge, Frame, Graph, Port
from cnndsl.plots.diagram.labels import PILE, SMALL, Label, width_of
from cnndsl.plots.diagram.layered import GAP, Extent, arrange, ranks_of
from cnndsl.plots.diagram.placed import SLIDE, Note, Placed, PlacedBox, PlacedFrame, Rect, Wire
from cnndsl.plots.diagram.segments import Segment

__all__ = ["Piece", "Sized", "place"]

NOTE = 12.0
"""The height of a line's beginning, beside which its sizes stand."""
CURVE = 13.0
"""The height of a curve from one place to another."""
ARROW = 8.0
"""The height of a line's end with its arrow."""
BARE = 3.0
_SPREAD = 11.0
"""How far apart lines end at a box."""
_ASIDE = 4.0
"""How far a note stands from its line."""


@frozen
class Sized:
    """A node and the room that it takes; a frame has its inside placed already."""

    node: Box | Frame
    width: float
    height: float
    label: Label | None = None
    inside: Placed | None = None


@frozen
class Piece:
    """A segment in its place; ``entries`` and ``exits`` say where its values pass.

    One that has ``risen`` has its exit there, as a height, and not at its bottom.
    """

    placed: Placed
    entries: tuple[float, ...]
    exits: tuple[float, ...]
    risen: float | None = None


def place(graph: Graph, segment: Segment, sized: Mapping[int, Sized], *, detail: bool) -> Piece:
    """Place the nodes of a segment.

    In a frame, sizes of what leaves it stand below it; not so in a ``detail``.
    """
    return _Placing(graph, segment, sized, detail).carry_out()


@mutable
class _Placing:
    graph: Graph
    segment: Segment
    sized: Mapping[int, Sized]
    detail: bool
    boxes: list[PlacedBox] = field(default_factory=list)
    frames: list[PlacedFrame] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        segment = self.segment
        self.vertex_of: dict[int, int] = {}
        self.entry_of = {port: at for at, port in enumerate(segment.entries)}
        for at, node in enumerate(segment.nodes, start=len(segment.entries)):
            self.vertex_of[node] = at
        self.first_exit = len(segment.entries) + len(segment.nodes)
        self.count = self.first_exit + len(segment.exits)
        self.lines = [(edge.source, self.vertex_of[edge.target[0]], edge) for edge in segment.edges]
        for at, port in enumerate(segment.exits):
            self.lines.append((port, self.first_exit + at, Edge(port, (BORDER, at))))
        self.pairs = [(self._start(port), vertex) for port, vertex, _ in self.lines]
        self.ranks = self._ranks()
        self.tell: dict[Port, str] = {}
        given = [edge for edge in self.graph.edges if edge.source[0] in self.vertex_of]
        self.leaving = {edge.source for edge in given if edge.target[0] == BORDER}
        self.leaving -= {edge.source for edge in given if edge.target[0] != BORDER}
        for edge in given:
            self.tell.setdefault(edge.source, edge.shape)
        self.notes_of = {vertex: self._notes(node) for node, vertex in self.vertex_of.items()}
        self.noted = {self.ranks[vertex] for vertex, notes in self.notes_of.items() if notes}
        self.extents = [self._extent(vertex) for vertex in range(self.count)]
        self.layering = arrange(self.extents, self.pairs, self.ranks)

    def _start(self, port: Port) -> int:
        return self.entry_of[port] if port in self.entry_of else self.vertex_of[port[0]]

    def _ranks(self) -> list[int]:
        ranks = ranks_of(self.count, [*self.pairs, *self._staggered()])
        for entry in range(len(self.segment.entries)):
            ranks[entry] = min(ranks)
        low = max(ranks[: self.first_exit], default=0)
        for vertex in range(self.first_exit, self.count):
            ranks[vertex] = low + 1
        least = min(ranks, default=0)
        return [rank - least for rank in ranks]

    def _staggered(self) -> list[tuple[int, int]]:
        """What else must stand below what, so that many branches stand in several rows."""
        readers: dict[int, list[int]] = {}
        sources: dict[int, list[int]] = {}
        for source, target in self.pairs:
            readers.setdefault(source, []).append(target)
            sources.setdefault(target, []).append(source)
        found: list[tuple[int, int]] = []
        for begin, firsts in readers.items():
            branches: dict[int, list[list[int]]] = {}
            for first in dict.fromkeys(firsts):
                way = [first]
                while len(sources[way[-1]]) == 1 and len(readers.get(way[-1], ())) == 1:
                    way.append(readers[way[-1]][0])
                *branch, end = way
                if branch and sources[first] == [begin]:
                    branches.setdefault(end, []).append(branch)
            for alike in branches.values():
                found += self._rows_of(alike)
        return found

    def _rows_of(self, branches: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
        """Branches in as many rows as a slide's shape asks for, each below the one before it."""
        sizes = [
            [one for vertex in branch if (one := self._node(vertex)) is not None]
            for branch in branches
        ]
        wide = sum(max((one.width for one in nodes), default=0.0) + GAP for nodes in sizes)
        if wide <= SLIDE[0]:
            return []
        high = max(sum(one.height + NOTE + ARROW for one in nodes) for nodes in sizes)
        rows = max(1, round((wide / high * SLIDE[1] / SLIDE[0]) ** 0.5))
        return [
            (above[-1], below[0])
            for number, (above, below) in enumerate(itertools.pairwise(branches), start=1)
            if number % rows and above[-1] < below[0]
        ]

    # --- sizes ---

    def _node(self, vertex: int) -> Sized | None:
        """The node of a vertex; None for what only passes the border."""
        at = vertex - len(self.segment.entries)
        return self.sized[self.segment.nodes[at]] if 0 <= at < len(self.segment.nodes) else None

    def _extent(self, vertex: int) -> Extent:
        """How far a vertex reaches beside its line; sizes stand to the right of that."""
        node = self._node(vertex)
        if node is None:
            return 4.0, 4.0
        line = self._line(node)
        notes = [width_of(text, SMALL) + _ASIDE + 2 for text in self.notes_of[vertex].values()]
        beside = notes[0] if len(notes) == 1 else 0.0
        if len(notes) > 1:
            count = len(notes)
            beside = _offset(count - 1, count, node.width / count) + notes[-1]
        return line, max(node.width - line, beside)

    @staticmethod
    def _line(node: Sized) -> float:
        """Where in a node the line goes through: at a frame's only port, else in the middle."""
        if node.inside is not None and len(node.inside.inputs) == 1:
            return node.inside.inputs[0]
        return node.width / 2

    def _notes(self, at: int) -> dict[Port, str]:
        """The sizes of what a node gives, where they are not those of all that it takes."""
        taken = {edge.shape for edge in self.segment.edges if edge.target[0] == at}
        given = {port: shape for port, shape in self.tell.items() if port[0] == at and shape}
        if self.graph.inputs and not self.detail:
            given = {port: shape for port, shape in given.items() if port not in self.leaving}
        return {} if {*given.values()} == taken and taken else given

    # --- places ---

    def carry_out(self) -> Piece:
        self.tops, self.bottoms = self._levels()
        shift = -min(
            (
                self.layering.middles[vertex] - self.extents[vertex][0]
                for vertex in range(self.count)
            ),
            default=0.0,
        )
        for passed in self.layering.bends.values():
            shift = max([shift, *(4 - middle for middle in passed)])
        self.middles = [middle + shift for middle in self.layering.middles]
        self._leave_straight()
        self.bends = {
            pair: [middle + shift for middle in passed]
            for pair, passed in self.layering.bends.items()
        }
        for vertex in range(self.count):
            self._put(vertex)
        self._connect()
        right = [self.middles[vertex] + self.extents[vertex][1] for vertex in range(self.count)]
        right += [middle + 4 for passed in self.bends.values() for middle in passed]
        right += [note.rect.right for note in self.notes]
        height = self.bottoms[-1] if self.bottoms else 0.0
        placed = Placed(
            max(right, default=0.0), height,
            tuple(self.boxes), tuple(self.frames), tuple(self.wires), tuple(self.notes),
        )  # fmt: skip
        entries = tuple(self.middles[at] for at in range(len(self.segment.entries)))
        exits = tuple(self.middles[at] for at in range(self.first_exit, self.count))
        return Piece(placed, entries, exits)

    def _leave_straight(self) -> None:
        """Let a lone frame's value go on below where it leaves the frame."""
        if len(self.segment.nodes) == 1 and self.count == self.first_exit + 1:
            vertex = self.first_exit - 1
            node = self._node(vertex)
            if node is not None and node.inside is not None and len(node.inside.outputs) == 1:
                left = self.middles[vertex] - self._line(node)
                self.middles[self.first_exit] = left + node.inside.outputs[0]

    def _levels(self) -> tuple[list[float], list[float]]:
        """The top and the bottom of each layer."""
        layers = max(self.ranks, default=-1) + 1
        heights = [0.0] * layers
        curved, pointed = [False] * layers, [False] * layers
        for vertex, rank in enumerate(self.ranks):
            node = self._node(vertex)
            if node is None:
                continue
            heights[rank] = max(heights[rank], node.height)
            pointed[rank] |= node.inside is None or len(node.inside.inputs) != 1
        for (source, target), passed in self.layering.bends.items():
            middles = self.layering.middles
            way = [middles[source], *passed, middles[target]]
            for step, (one, other) in enumerate(itertools.pairwise(way)):
                curved[self.ranks[source] + step] |= abs(one - other) > 0.5
            several = sum(pair[1] == target for pair in self.pairs) > 1
            curved[self.ranks[target] - 1] |= several
        tops, bottoms, y = [], [], 0.0
        for rank in range(layers):
            tops.append(y)
            y += heights[rank]
            bottoms.append(y)
            if rank + 1 < layers:
                y += NOTE if rank in self.noted else BARE
                y += CURVE if curved[rank] else 0.0
                y += ARROW if pointed[rank + 1] else BARE
        return tops, bottoms

    def _rect(self, vertex: int) -> Rect:
        node, rank = self._node(vertex), self.ranks[vertex]
        width, height = (node.width, node.height) if node else (0.0, 0.0)
        line = self._line(node) if node else 0.0
        middle = (self.tops[rank] + self.bottoms[rank]) / 2
        return Rect(self.middles[vertex] - line, middle - height / 2, width, height)

    def _put(self, vertex: int) -> None:
        node = self._node(vertex)
        if node is None:
            return
        rect = self._rect(vertex)
        if node.label is not None and isinstance(node.node, Box):
            pile = PILE if node.node.times else 0.0
            front = Rect(rect.x, rect.y, rect.width - pile, rect.height - pile)
            self.boxes.append(PlacedBox(front, node.node, node.label))
        elif node.inside is not None:
            inside = node.inside.moved(rect.x, rect.y)
            self.boxes += inside.boxes
            self.frames += inside.frames
            self.wires += inside.wires
            self.notes += inside.notes
        for port, text in self.notes_of[vertex].items():
            x, y = self._out(vertex, port[1])
            self.notes.append(_note(x, y, text))

    # --- lines ---

    def _connect(self) -> None:
        arriving: dict[int, list[int]] = {}
        for at, (_, vertex, _) in enumerate(self.lines):
            arriving.setdefault(vertex, []).append(at)
        ends: dict[int, tuple[float, float]] = {}
        for vertex, lines in arriving.items():
            lines.sort(key=lambda at: (self._last(at), at))
            for place, at in enumerate(lines):
                ends[at] = self._in(vertex, self.lines[at][2].target[1], place, len(lines))
        for at in range(len(self.lines)):
            self.wires.append(self._wire(at, ends[at]))
        for entry in range(len(self.segment.entries)):
            self._lead(entry, 0.0, self.bottoms[self.ranks[entry]])
        for leave in range(self.first_exit, self.count):
            self._lead(leave, self.tops[self.ranks[leave]], self.bottoms[-1])

    def _lead(self, vertex: int, top: float, bottom: float) -> None:
        """A line past a layer, where its boxes are high and the line has none."""
        if bottom - top > 0.01:
            x = self.middles[vertex]
            self.wires.append(Wire(((x, top), (x, bottom)), arrow=False))

    def _last(self, at: int) -> float:
        """Where a line comes from when it reaches its end's layer."""
        pair = self.pairs[at]
        passed = self.bends.get(pair, [])
        return passed[-1] if passed else self._out(pair[0], self.lines[at][0][1])[0]

    def _out(self, vertex: int, port: int) -> tuple[float, float]:
        """Where a value leaves a vertex."""
        node, rect = self._node(vertex), self._rect(vertex)
        middle = self.middles[vertex]
        if node is None:
            return middle, self.bottoms[self.ranks[vertex]]
        if node.inside is not None and port < len(node.inside.outputs):
            return rect.x + node.inside.outputs[port], rect.bottom
        at = self.segment.nodes[vertex - len(self.segment.entries)]
        ports = sorted(one for source, one in self.tell if source == at)
        return middle + _offset(ports.index(port), len(ports), rect.width / len(ports)), rect.bottom

    def _in(self, vertex: int, port: int, place: int, count: int) -> tuple[float, float]:
        """Where a line ends: in order of where the lines come from, at a frame at its port."""
        node, rect = self._node(vertex), self._rect(vertex)
        if node is None:
            return self.middles[vertex], self.tops[self.ranks[vertex]]
        if node.inside is not None:
            return rect.x + node.inside.inputs[port], rect.y
        apart = min(_SPREAD, 0.7 * rect.width / count)
        return self.middles[vertex] + _offset(place, count, apart), rect.y

    def _wire(self, at: int, end: tuple[float, float]) -> Wire:
        (source, target), (port, _, edge) = self.pairs[at], self.lines[at]
        x, y = self._out(source, port[1])
        rank = self.ranks[source]
        points = [(x, y), (x, self._free(rank))]
        for step, middle in enumerate(self.bends.get((source, target), ()), start=1):
            points += [(middle, self.tops[rank + step]), (middle, self._free(rank + step))]
        low = end[1] - (ARROW if self._node(target) else 0.0)
        low = max(points[-1][1], min(low, self._before(target)))
        points += [(end[0], low), end]
        node = self.graph.nodes[edge.target[0]] if edge.target[0] != BORDER else None
        arrow = isinstance(node, Box)
        training = isinstance(node, Box) and node.kind == "loss"
        return Wire(_without_twins(points), arrow, training=training)

    def _free(self, rank: int) -> float:
        """Below a layer, where lines may turn aside: under its notes."""
        return self.bottoms[rank] + (NOTE if rank in self.noted else 0.0)

    def _before(self, vertex: int) -> float:
        top = self.tops[self.ranks[vertex]]
        return top - (ARROW if self._node(vertex) else 0.0)


def _offset(at: int, count: int, apart: float) -> float:
    return (at - (count - 1) / 2) * apart


def _note(x: float, y: float, text: str) -> Note:
    return Note(Rect(x + _ASIDE, y + 2.0, width_of(text, SMALL), 9.0), text)


def _without_twins(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Points without those that are the same as the one before."""
    kept = [points[0]]
    for point in points[1:]:
        if abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) > 0.01:
            kept.append(point)
    return tuple(kept)
