"""Places a segment as a U: down on the left, up on the right, and what skips the bottom across.

So are networks drawn that make their maps smaller and then larger again, with skips from each size
to the same size on the way up. Each end of a skip is as high as its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from cnndsl.frozen import mutable
from cnndsl.plots.diagram.graph import Box, Graph, Port
from cnndsl.plots.diagram.labels import SMALL, width_of
from cnndsl.plots.diagram.place import Piece, Sized
from cnndsl.plots.diagram.placed import Note, Placed, PlacedBox, Rect, Wire
from cnndsl.plots.diagram.segments import Segment
from cnndsl.plots.diagram.sides import sides_of

__all__ = ["hairpin"]

_GAP = 21.0
"""Points between boxes below each other: the room of a note and an arrow."""
_APART = 64.0
"""Points between the two sides, at least."""
_ASIDE = 4.0


def hairpin(graph: Graph, segment: Segment, sized: Mapping[int, Sized]) -> Piece | None:
    """A segment as a U; None where it is none."""
    plain = all(isinstance(graph.nodes[node], Box) for node in segment.nodes)
    if not plain or not segment.exits:
        return None
    sides = sides_of(segment)
    if sides is None or any(len(bridge) > 1 for bridge in sides.bridges.values()):
        return None
    bridges = {node: bridge for node, [bridge] in sides.bridges.items()}
    left, right = [*sides.left], [*sides.right]
    return _Hairpin(graph, segment, sized, left, right, sides.skips, bridges).carry_out()


@mutable
class _Hairpin:
    graph: Graph
    segment: Segment
    sized: Mapping[int, Sized]
    left: list[int]
    right: list[int]
    skips: Mapping[int, Port]
    """For each node on the right, what it reads from the left."""
    bridges: dict[int, int]
    """For each node on the right, the box on its skip."""
    boxes: list[PlacedBox] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def carry_out(self) -> Piece:
        self.middle: dict[int, float] = {}
        self._descend()
        self._ascend()
        wide = [self.sized[node].width for node in self.left]
        beside = max(
            (
                width_of(edge.shape, SMALL) + _ASIDE
                for edge in self.graph.edges
                if edge.source[0] in self.left
            ),
            default=0.0,
        )
        reach = max(*(one / 2 for one in wide), beside)
        middle = max((self.sized[one].width for one in self.bridges.values()), default=0.0)
        span = max(_APART, middle + 44.0)
        self.x_left = max(wide) / 2
        half = max(self.sized[node].width for node in self.right) / 2
        self.x_right = self.x_left + reach + span + half
        self.x_bridge = self.x_left + reach + span / 2
        for node in (*self.left, *self.right, *self.bridges.values()):
            self._put(node)
        self._lines()
        return self._piece(half)

    # --- heights ---

    def _descend(self) -> None:
        """The left side from the top, with room for what stands between the skips on the right."""
        needed = self._needed()
        highest = next((one for one in self.right if self._begins_above(one)), None)
        self.top = self.sized[highest].height / 2 if highest is not None else 0.0
        y = last = self.top
        for node in self.left:
            high = self.sized[node].height
            y += _GAP + high / 2
            if node in needed:
                y = max(y, last + needed[node])
                last = y
            self.middle[node] = y
            y += high / 2

    def _begins_above(self, node: int) -> bool:
        """Whether a node's skip comes from above the segment."""
        return node in self.skips and self.skips[node][0] not in self.left

    def _needed(self) -> dict[int, float]:
        """How far below the skip above each skip's beginning must be: for the right side's sake."""
        needed: dict[int, float] = {}
        height, below = 0.0, None
        for node in self.right:
            half = self.sized[node].height / 2
            height += half
            if node in self.skips:
                if below is not None:
                    needed[below] = height
                below, height = self.skips[node][0], 0.0
            height += half + _GAP
        return {node: high for node, high in needed.items() if node in self.left}

    def _ascend(self) -> None:
        """The right side from the bottom: at the height of its skips, and between from below."""
        bottom = self.middle[self.left[-1]]
        y = bottom - self.sized[self.left[-1]].height / 2
        for number, node in enumerate(self.right):
            half = self.sized[node].height / 2
            if node in self.skips:
                port = self.skips[node]
                y = self.middle.get(port[0], self.top)
            elif number:
                y -= half
            else:
                y = bottom
            self.middle[node] = y
            y -= half + _GAP
        for node, bridge in self.bridges.items():
            self.middle[bridge] = self.middle[node]

    # --- boxes and lines ---

    def _x(self, node: int) -> float:
        if node in self.left:
            return self.x_left
        return self.x_right if node in self.right else self.x_bridge

    def _rect(self, node: int) -> Rect:
        one = self.sized[node]
        return Rect(
            self._x(node) - one.width / 2, self.middle[node] - one.height / 2, one.width, one.height
        )

    def _put(self, node: int) -> None:
        one, rect = self.sized[node], self._rect(node)
        assert isinstance(one.node, Box)
        assert one.label is not None
        pile = one.height - one.label.height
        front = Rect(rect.x, rect.y, rect.width - pile, rect.height - pile)
        self.boxes.append(PlacedBox(front, one.node, one.label))

    def _lines(self) -> None:
        x, above = self.x_left, 0.0
        for node in self.left:
            rect = self._rect(node)
            self.wires.append(Wire(((x, above), (x, rect.y)), arrow=True))
            above = rect.bottom
            if node != self.left[-1]:
                self._note(node, x, above + 2)
        low = self.middle[self.left[-1]]
        last, first = self._rect(self.left[-1]), self._rect(self.right[0])
        if first.bottom < low:
            way = (last.right, low), (self.x_right, low), (self.x_right, first.bottom)
            self.wires.append(Wire(way, arrow=True, square=True))
            self._note(self.left[-1], last.right, low - 11)
        else:
            self.wires.append(Wire(((last.right, low), (first.x, low)), arrow=True))
        for node, other in zip(self.right, self.right[1:], strict=False):
            begin, end = self._rect(node).y, self._rect(other).bottom
            self.wires.append(Wire(((self.x_right, begin), (self.x_right, end)), arrow=True))
            self._note(node, self.x_right, begin - 11)
        for node, port in self.skips.items():
            self._skip(node, port)

    def _skip(self, node: int, port: Port) -> None:
        """The line across, through the box on it if there is one."""
        y = self.middle[node]
        ends = [self._rect(self.bridges[node])] if node in self.bridges else []
        ends.append(self._rect(node))
        x = self._rect(port[0]).right if port[0] in self.middle else self.x_left
        for rect in ends:
            self.wires.append(Wire(((x, y), (rect.x, y)), arrow=True))
            x = rect.right

    def _note(self, node: int, x: float, y: float) -> None:
        """The sizes of what a node gives, where it changes them."""
        given = {edge.shape for edge in self.graph.edges if edge.source[0] == node}
        taken = {edge.shape for edge in self.segment.edges if edge.target[0] == node}
        for shape in sorted(given):
            if shape and given != taken:
                self.notes.append(Note(Rect(x + _ASIDE, y, width_of(shape, SMALL), 9.0), shape))

    def _piece(self, half: float) -> Piece:
        top = self._rect(self.right[-1]).y
        self._note(self.right[-1], self.x_right, top - 11)
        shift = max(0.0, 14.0 - top)
        bottom = max(self._rect(node).bottom for node in (*self.left, *self.right))
        if shift:
            self.wires.append(Wire(((self.x_left, -shift), (self.x_left, 0.0)), arrow=False))
        self.wires.append(Wire(((self.x_right, top), (self.x_right, -shift)), arrow=False))
        right = max([self.x_right + half, *(note.rect.right for note in self.notes)])
        placed = Placed(
            right, bottom + 4 + shift, tuple(self.boxes), (), tuple(self.wires), tuple(self.notes)
        ).moved(0, shift)
        exits = (self.x_right,) * len(self.segment.exits)
        return Piece(placed, (self.x_left,) * len(self.segment.entries), exits, risen=0.0)
