"""Turns a diagram into stages: feature maps in a row, and what leads from each to the next.

A network is drawn by its feature maps where it is a chain: of layers, or of blocks, whose inside is
not shown. Chains may stand side by side and be joined. What else there is has no such figure.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import field

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import frozen, mutable
from cnndsl.layers.base import Family
from cnndsl.layers.window import Window
from cnndsl.plots.diagram.build import diagram
from cnndsl.plots.diagram.graph import Box, Edge, Frame, Graph, Port
from cnndsl.plots.diagram.labels import DOT
from cnndsl.plots.diagram.segments import Segment, segments_of
from cnndsl.plots.diagram.sides import Sides, sides_of
from cnndsl.types import TensorType

__all__ = ["Bundle", "Course", "Fold", "Level", "Stage", "stages_of"]


@frozen
class Stage:
    """Feature maps or a vector, and the operation that gives them.

    ``title`` and ``remarks`` tell of the operation; both are empty at an input. ``windows`` are
    what slides over the maps before, one for each spatial dimension; without them every number
    depends on ``all`` numbers before, or on those at its own place.
    """

    type: TensorType
    family: Family
    name: str
    title: str
    remarks: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    dense: bool = False
    is_block: bool = False
    times: str = ""


@frozen
class Bundle:
    """Chains side by side, each from its beginning to its end, and the stage that joins them.

    A single chain is joined by nothing.
    """

    lanes: tuple[tuple[Stage, ...], ...]
    join: Stage | None = None


@frozen
class Level:
    """A level of a U: its stages on the ``left``, and on the ``right``, where the first joins.

    What is ``down`` leads to it from the level above, ``across`` from its left side to its right,
    and ``up`` from the level below to its right. The lowest level has no right side.
    """

    left: tuple[Stage, ...]
    down: tuple[Stage, ...] = ()
    across: tuple[Stage, ...] = ()
    up: tuple[Stage, ...] = ()
    right: tuple[Stage, ...] = ()


@frozen
class Fold:
    """A chain that leads down and up again, with skips: its levels from the top.

    The first one has nothing on its left where the first skip begins at what is before.
    """

    levels: tuple[Level, ...]


@frozen
class Course:
    """The bundles of a network in their order, and the names of ends ``beside``, not drawn."""

    bundles: tuple[Bundle | Fold, ...]
    beside: tuple[str, ...] = ()

    def stages(self) -> Iterator[Stage]:
        """All stages."""
        for bundle in self.bundles:
            if isinstance(bundle, Fold):
                for level in bundle.levels:
                    yield from (*level.down, *level.left, *level.across)
                for level in reversed(bundle.levels):
                    yield from (*level.up, *level.right)
                continue
            for lane in bundle.lanes:
                yield from lane
            if bundle.join:
                yield bundle.join


def stages_of(typed: TypedNetwork, *, expand: bool = False) -> Course:
    """The stages of a network, bundle by bundle.

    Raises:
        UserError: CNN622 for a network that is no chain, nor chains that are joined.
    """
    staging = _Staging(typed, expand)
    return Course(tuple(staging.carry_out()), tuple(staging.beside))


@mutable
class _Staging:
    typed: TypedNetwork
    expand: bool
    found: list[Bundle | Fold] = field(default_factory=list)

    def __post_init__(self) -> None:
        network = self.typed.network
        self.position = {node.name: at for at, node in enumerate(network.nodes)}
        self.graph, self.beside = _main_road(
            _spliced(diagram(self.typed, expand=self.expand).graph)
        )

    def carry_out(self) -> list[Bundle | Fold]:
        chain: list[Stage] = []
        for segment in segments_of(self.graph):
            if len(segment.nodes) == 1:
                stage = self._stage(segment.nodes[0])
                chain += [stage] if stage else []
                continue
            sides = sides_of(segment)
            bundle = self._fold(sides) if sides else self._bundle(segment)
            if chain and len(segment.entries) == 0:
                raise _no_chain(self.typed.name, self._stage(segment.nodes[-1]))
            if chain:
                self.found.append(Bundle((tuple(chain),)))
            self.found.append(bundle)
            chain = []
        if chain:
            self.found.append(Bundle((tuple(chain),)))
        return self.found

    def _fold(self, sides: Sides) -> Fold:
        """The levels of a U: each ends on the left where a skip begins."""
        begins = {port[0] for port in sides.skips.values()}
        lefts: list[list[Stage]] = [[]]
        if not begins <= {*sides.left}:
            lefts.append([])
        for at in sides.left:
            lefts[-1] += self._stages([at])
            if at in begins:
                lefts.append([])
        rights: list[list[Stage]] = [[]]
        joins = []
        for at in sides.right:
            if at in sides.skips:
                joins.append(at)
                rights.append([])
            rights[-1] += self._stages([at])
        lefts[-1] += rights.pop(0)
        ups = [_risen(below, right[0]) for below, right in itertools.pairwise([lefts[-1], *rights])]
        downs = [(), *(_sunk(left) for left in lefts[1:])]
        bridges = [self._stages(sides.bridges.get(at, ())) for at in joins]
        upper = zip(
            lefts[:-1], downs[:-1], reversed(bridges), reversed(ups), reversed(rights), strict=True
        )
        levels = [
            Level(tuple(left), down, across, up, tuple(right))
            for left, down, across, up, right in upper
        ]
        return Fold((*levels, Level(tuple(lefts[-1]), downs[-1])))

    def _stages(self, nodes: Sequence[int]) -> tuple[Stage, ...]:
        return tuple(stage for at in nodes if (stage := self._stage(at)) is not None)

    def _bundle(self, segment: Segment) -> Bundle:
        """The lanes of a segment.

        Raises:
            UserError: CNN622 where it has something else than lanes.
        """
        *inner, last = segment.nodes
        following: dict[int | Port, int] = {}
        begins: list[int] = []
        into: dict[int, list[Edge]] = {at: [] for at in segment.nodes}
        for edge in segment.edges:
            into[edge.target[0]].append(edge)
        join = self._stage(last)
        for at in inner:
            sources = {edge.source for edge in into[at]}
            if len(sources) > 1:
                raise _no_chain(self.typed.name, self._stage(at))
            if not sources or sources <= {*segment.entries}:
                begins.append(at)
            for source in sources - {*segment.entries}:
                if source[0] in following:
                    raise _no_chain(self.typed.name, self._stage(source[0]))
                following[source[0]] = at
        lanes = []
        for begin in begins:
            lane, at = [], begin
            while True:
                stage = self._stage(at)
                lane += [stage] if stage else []
                if at not in following:
                    break
                at = following[at]
            lanes.append(tuple(lane))
        if {edge.source for edge in into[last]} & {*segment.entries}:
            lanes.append(())
        return Bundle(tuple(lanes), join)

    def _stage(self, at: int) -> Stage | None:
        """The stage of a node."""
        node = self.graph.nodes[at]
        if isinstance(node, Frame):
            layers = [layer for box in node.graph.boxes() for layer in box.layers]
            title = node.title or "loop"
            return Stage(
                self._given(at, layers), "other", node.name, title, is_block=True, times=node.times
            )
        if not node.layers:
            return None
        kind = self._given(at, node.layers)
        if node.kind == "input":
            return Stage(kind, "other", node.title, "", node.after)
        if node.kind == "block":
            return Stage(
                kind, "other", node.name, node.title, node.after, is_block=True, times=node.times
            )
        remarks = ([DOT.join(node.before)] if node.before else []) + [*node.after]
        windows, dense = self._reach(node)
        return Stage(
            kind, node.family, node.name, node.title, tuple(remarks), windows, dense,
            times=node.times,
        )  # fmt: skip

    def _given(self, at: int, layers: Sequence[str]) -> TensorType:
        """The type of what a node gives: that of what is read of it, or of its last layer."""
        read = [edge.dims for edge in self.graph.edges if edge.source[0] == at]
        if read and read[0]:
            return TensorType(read[0])
        return self.typed.types[self.position[layers[-1]]]

    def _reach(self, box: Box) -> tuple[tuple[Window, ...], bool]:
        """The windows of a box's layer; or whether it makes each number of all."""
        for name in box.layers:
            at = self.position[name]
            node = self.typed.network.nodes[at]
            if not isinstance(node, LayerNode):
                continue
            inputs = self.typed.input_types(node)
            windows = node.layer.windows(*inputs)
            if windows:
                return windows, False
            if node.layer.footprint(*inputs) == "whole" or node.layer.family == "dense":
                return (), True
        return (), False


def _risen(stages: list[Stage], join: Stage) -> tuple[Stage, ...]:
    """Take those at the end that have the sizes of what joins them: they are on the way up."""
    at = len(stages)
    while at > 1 and stages[at - 1].type.spatial == join.type.spatial:
        at -= 1
    found = tuple(stages[at:])
    del stages[at:]
    return found


def _sunk(stages: list[Stage]) -> tuple[Stage, ...]:
    """Take the pooling at the beginning, if there is more: it is on the way down."""
    at = 0
    while at + 1 < len(stages) and stages[at].family == "pooling":
        at += 1
    found = tuple(stages[:at])
    del stages[:at]
    return found


# --- the road from inputs to the main output --------------------------------------------------


def _spliced(graph: Graph) -> Graph:
    """A graph whose frames are opened where they are chains of layers, and closed elsewhere."""
    nodes: list[Box | Frame] = []
    edges: list[Edge] = []
    sources: dict[Port, Port] = {}
    for at, node in enumerate(graph.nodes):
        into = [edge for edge in graph.edges if edge.target[0] == at]
        if isinstance(node, Frame) and _is_plain(node):
            [(_, before)] = {(edge.target[1], edge.source) for edge in into}
            dims = into[0].dims
            previous = sources.get(before, before)
            for number, inner in enumerate(node.graph.nodes):
                nodes.append(inner)
                edges.append(Edge(previous, (len(nodes) - 1, 0), dims))
                previous = (len(nodes) - 1, 0)
                leaving = [edge for edge in node.graph.edges if edge.source[0] == number]
                dims = leaving[0].dims
            sources[at, 0] = previous
            continue
        nodes.append(node)
        for edge in graph.edges:
            if edge.source[0] == at:
                sources[edge.source] = (len(nodes) - 1, edge.source[1])
        edges += [
            Edge(sources.get(edge.source, edge.source), (len(nodes) - 1, edge.target[1]), edge.dims)
            for edge in into
        ]
    return Graph(tuple(nodes), tuple(edges))


def _is_plain(frame: Frame) -> bool:
    """Whether a frame holds nothing but layers one after the other, once."""
    graph = frame.graph
    boxes = all(isinstance(node, Box) and node.kind == "layer" for node in graph.nodes)
    alone = graph.inputs == graph.outputs == 1 and not frame.times
    return boxes and alone and len(graph.edges) == len(graph.nodes) + 1


def _main_road(graph: Graph) -> tuple[Graph, list[str]]:
    """The part of a graph that leads to the main output, or through it to the last, and the rest.

    Of the rest it gives the names of what ends there: outputs and losses that are not on the road.
    """
    roads: dict[int, set[int]] = {}
    for at, node in enumerate(graph.nodes):
        if isinstance(node, Box) and node.kind in ("output", "loss"):
            roads[at] = _above(graph, at)
    main = next(at for at in roads if graph.nodes[at].kind == "output")  # type: ignore[union-attr]
    outputs = [at for at in roads if graph.nodes[at].kind == "output"]  # type: ignore[union-attr]
    last = max(
        (at for at in outputs if roads[main] - {main} <= roads[at]),
        key=lambda at: (len(roads[at]), at == main),
    )
    needed = roads[last] - {last}
    beside = [_end_name(graph, at) for at in roads if not roads[at] - {at} <= needed]
    kept = sorted(needed)
    new = {at: number for number, at in enumerate(kept)}
    edges = tuple(
        Edge((new[source], port), (new[target], into), edge.dims)
        for edge in graph.edges
        for (source, port), (target, into) in [(edge.source, edge.target)]
        if target in needed
    )
    return Graph(tuple(graph.nodes[at] for at in kept), edges), beside


def _above(graph: Graph, at: int) -> set[int]:
    """A node and all that it depends on."""
    needed = {at}
    for edge in sorted(graph.edges, key=lambda edge: -edge.target[0]):
        if edge.target[0] in needed:
            needed.add(edge.source[0])
    return needed


def _end_name(graph: Graph, at: int) -> str:
    """What to call an end that is not drawn: an output's name, or that of what a loss is of."""
    node = graph.nodes[at]
    source = next(edge.source[0] for edge in graph.edges if edge.target[0] == at)
    assert isinstance(node, Box)
    return node.title if node.kind == "output" else graph.nodes[source].name or "a loss"


def _no_chain(name: str, at: Stage | None) -> UserError:
    where = f" at `{at.name or at.title}`" if at else ""
    return UserError(
        "CNN622",
        f"`{name}` is no chain of feature maps: streams part and meet again{where}",
        help="draw it as `blocks`, which shows how they do",
    )
