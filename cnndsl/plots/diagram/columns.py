"""Places a whole graph: its segments below each other, in as many columns as they need."""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.frozen import mutable, replace
from cnndsl.plots.diagram.graph import Box, Frame, Graph
from cnndsl.plots.diagram.hairpin import hairpin
from cnndsl.plots.diagram.labels import PILE, SMALL, frame_title, label_of, width_of, wrapped
from cnndsl.plots.diagram.place import Piece, Sized, place
from cnndsl.plots.diagram.placed import Placed, PlacedFrame, Rect, Wire
from cnndsl.plots.diagram.segments import Segment, segments_of

__all__ = ["Columns", "framed"]

_BETWEEN = 34.0
"""Points between columns, through which a line goes up."""
_TURN = 9.0
"""How far beyond a column a line turns."""
_ENDLESS = 1e9
"""A room in which nothing is broken."""
HEAD = 15.0
SIDE = 9.0
FOOT = 8.0
"""A frame's room for its title, and around its inside."""


def framed(inside: Placed, title: Sequence[str], *, is_detail: bool = False) -> Placed:
    """A frame around something placed; lines through the border go on to it.

    In a ``detail``, where they lead nowhere, they begin below a title that is too wide.
    """
    left = min(inside.inputs, default=1e9) + SIDE
    whole = "  ".join(title)
    lines: Sequence[str] = title
    if width_of(whole, SMALL) + 12 < left:
        lines = (whole,)
    elif is_detail:
        lines = wrapped(whole.split(" "), max(inside.width, 80.0), joint=" ")
    begun = is_detail and width_of(lines[0], SMALL) + 12 >= left
    wide = max((width_of(line, SMALL) for line in lines), default=0.0) + 12
    aside = 0.0 if begun else max(0.0, wide - left)
    width = max(inside.width + 2 * SIDE + 2 * aside, wide)
    x = (width - inside.width) / 2
    head = HEAD + 9.5 * max(0, len(lines) - 1)
    height = head + inside.height + FOOT
    moved = inside.moved(x, head)
    top = head - 2.0 if begun else 0.0
    ends = [Wire(((at, top), (at, head)), arrow=False) for at in moved.inputs]
    ends += [Wire(((at, height - FOOT), (at, height)), arrow=False) for at in moved.outputs]
    frame = PlacedFrame(Rect(0, 0, width, height), tuple(lines), is_detail)
    frames, wires = (frame, *moved.frames), (*moved.wires, *ends)
    return replace(moved, width=width, height=height, frames=frames, wires=wires)


@mutable
class Columns:
    """Places graphs, and remembers what fits: the same is tried in several rooms."""

    def __post_init__(self) -> None:
        self.known: dict[int, tuple[Graph, Sequence[tuple[Segment, Piece]]]] = {}

    def size(self, graph: Graph) -> tuple[float, float]:
        """The height and the width of a graph in one column."""
        placed = [piece.placed for _, piece in self._unbroken(graph, detail=False)]
        return sum(one.height for one in placed), max(one.width for one in placed)

    def least(self, graph: Graph) -> float:
        """No column can be lower than this: the highest box, or what stands side by side."""
        found = [0.0]
        for segment, piece in self._unbroken(graph, detail=False):
            node = graph.nodes[segment.nodes[0]]
            if not _has_frames(graph, segment):
                found.append(piece.placed.height)
            elif len(segment.nodes) == 1 and isinstance(node, Frame):
                found.append(HEAD + FOOT + self.least(node.graph))
            else:
                nodes = self._sized(graph, segment, 0.0)
                found.append(place(graph, segment, nodes, detail=False).placed.height)
        return max(found)

    def place(self, graph: Graph, room: float, *, detail: bool = False) -> Placed:
        """Place a graph, no higher than the room, in points, if that can be."""
        pieces = self._pieces(graph, room, detail=detail)
        return _side_by_side([_stacked(one) for one in _filled(pieces, room)])

    def _pieces(self, graph: Graph, room: float, *, detail: bool) -> Sequence[Piece]:
        """The segments of a graph; frames are made lower in those that are higher than the room."""
        return [
            self._fitted(graph, segment, room, detail=detail)
            if piece.placed.height > room and _has_frames(graph, segment)
            else piece
            for segment, piece in self._unbroken(graph, detail=detail)
        ]

    def _unbroken(self, graph: Graph, *, detail: bool) -> Sequence[tuple[Segment, Piece]]:
        """The segments of a graph, each as it is where there is all the room that it takes."""
        if id(graph) not in self.known:
            segments = segments_of(graph)
            found: list[tuple[Segment, Piece]] = []
            for segment in segments:
                nodes = self._sized(graph, segment, _ENDLESS)
                piece = hairpin(graph, segment, nodes) if segment is not segments[-1] else None
                found.append((segment, piece or place(graph, segment, nodes, detail=detail)))
            self.known[id(graph)] = graph, found
        return self.known[id(graph)][1]

    def _fitted(self, graph: Graph, segment: Segment, room: float, *, detail: bool) -> Piece:
        """A segment; where it is higher than the room, the frames in it are made as much lower."""
        nodes = self._sized(graph, segment, room)
        piece = place(graph, segment, nodes, detail=detail)
        excess = piece.placed.height - room
        if excess <= 0 or len(segment.nodes) == 1:
            return piece
        for at in segment.nodes:
            node = graph.nodes[at]
            if isinstance(node, Frame):
                nodes[at] = self._framed(node, nodes[at].height - excess)
        other = place(graph, segment, nodes, detail=detail)
        return other if other.placed.height < piece.placed.height else piece

    def _sized(self, graph: Graph, segment: Segment, room: float) -> dict[int, Sized]:
        """The nodes of a segment with their sizes; frames are placed, no higher than the room."""
        found = {}
        for at in segment.nodes:
            node = graph.nodes[at]
            if isinstance(node, Box):
                label = label_of(node)
                pile = PILE if node.times else 0.0
                width = max(label.width + pile, _width_for_notes(graph, at))
                found[at] = Sized(node, width, label.height + pile, label=label)
                continue
            found[at] = self._framed(node, room)
        return found

    def _framed(self, frame: Frame, room: float) -> Sized:
        """A frame and what is in it, no higher than the room if that can be."""
        inside = framed(self.place(frame.graph, room - HEAD - FOOT), frame_title(frame))
        return Sized(frame, inside.width, inside.height, inside=inside)


def _has_frames(graph: Graph, segment: Segment) -> bool:
    return any(isinstance(graph.nodes[at], Frame) for at in segment.nodes)


def _width_for_notes(graph: Graph, at: int) -> float:
    """The width that a box of several results needs, so that the sizes of each have their room."""
    shapes = {edge.source: edge.shape for edge in graph.edges if edge.source[0] == at}
    if len(shapes) < 2:
        return 0.0
    return len(shapes) * (max(width_of(shape, SMALL) for shape in shapes.values()) + 10)


def _filled(pieces: Sequence[Piece], room: float) -> list[list[Piece]]:
    """The pieces in columns, as evenly high as the room allows with so few columns."""
    best = _greedy(pieces, room)
    low, high = max((piece.placed.height for piece in pieces), default=0.0), room
    for _ in range(12):
        if low >= high:
            break
        middle = (low + high) / 2
        if len(_greedy(pieces, middle)) <= len(best):
            high = middle
        else:
            low = middle
    return _greedy(pieces, max(low, high))


def _greedy(pieces: Sequence[Piece], room: float) -> list[list[Piece]]:
    found: list[list[Piece]] = [[]]
    height = 0.0
    for piece in pieces:
        risen = bool(found[-1]) and found[-1][-1].risen is not None
        if found[-1] and (risen or height + piece.placed.height > room + 0.01):
            found.append([])
            height = 0.0
        found[-1].append(piece)
        height += piece.placed.height
    return found


def _stacked(column: Sequence[Piece]) -> Piece:
    """The pieces of a column as one, so that lines go straight from one into the next."""
    at: list[float] = []
    for number, piece in enumerate(column):
        if number == 0:
            at.append(0.0)
            continue
        before = column[number - 1]
        at.append(at[-1] + before.exits[0] - piece.entries[0])
    left = min(at, default=0.0)
    placed, y = Placed(0, 0), 0.0
    for x, piece in zip(at, column, strict=True):
        moved = piece.placed.moved(x - left, y)
        placed = _joined(placed, moved, x - left + piece.placed.width, y + piece.placed.height)
        y += piece.placed.height
    first, last = column[0], column[-1]
    entries = tuple(one + at[0] - left for one in first.entries)
    exits = tuple(one + at[-1] - left for one in last.exits)
    risen = None if last.risen is None else y - last.placed.height
    return Piece(placed, entries, exits, risen)


def _joined(one: Placed, other: Placed, right: float, bottom: float) -> Placed:
    return one.with_other(other, max(one.width, right), max(one.height, bottom))


def _side_by_side(pieces: Sequence[Piece]) -> Placed:
    """Columns beside each other; a line leads from the end of each to the beginning of the next."""
    several = len(pieces) > 1
    top = _TURN + 3 if several else 0.0
    placed, x = Placed(0, 0), 0.0
    height = max(piece.placed.height for piece in pieces)
    inputs: tuple[float, ...] = ()
    outputs: tuple[float, ...] = ()
    before: tuple[float, float] | None = None
    for number, piece in enumerate(pieces):
        moved = piece.placed.moved(x, top)
        placed = _joined(placed, moved, x + piece.placed.width, top + piece.placed.height)
        if before is not None:
            begin = piece.entries[0] + x
            gutter = x - _BETWEEN / 2
            way: tuple[tuple[float, float], ...] = (before, (begin, 3.0), (begin, top))
            if pieces[number - 1].risen is None:
                low = before[1] + _TURN
                way = (before, (before[0], low), (gutter, low), (gutter, 3.0), *way[1:])
            else:
                way = (before, (before[0], 3.0), *way[1:])
            placed = replace(placed, wires=(*placed.wires, Wire(way, False, square=True)))
        if number == 0:
            inputs = tuple(one + x for one in piece.entries)
        if number + 1 < len(pieces):
            down = piece.placed.height if piece.risen is None else piece.risen
            before = (piece.exits[0] + x, top + down)
        else:
            outputs = tuple(one + x for one in piece.exits)
        x += piece.placed.width + _BETWEEN
    bottom = top + height + (_TURN + 3 if several else 0.0)
    lines = [Wire(((one, 0.0), (one, top)), False) for one in inputs if top]
    ends = [Wire(((one, top + pieces[-1].placed.height), (one, bottom)), False) for one in outputs]
    extra = tuple(line for line in (*lines, *ends) if line.points[0] != line.points[1])
    wires = (*placed.wires, *extra)
    return replace(placed, height=bottom, wires=wires, inputs=inputs, outputs=outputs)
