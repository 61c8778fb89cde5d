"""What a diagram is made of: boxes, frames around boxes, and the edges between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from cnndsl.frozen import frozen
from cnndsl.layers.base import Family
from cnndsl.plots.diagram.words import sizes

__all__ = [
    "BORDER",
    "Box",
    "Detail",
    "Diagram",
    "Edge",
    "Frame",
    "Graph",
    "Kind",
    "Link",
    "Node",
    "Place",
    "Port",
    "border_names",
    "links_of",
    "name_of",
]

Kind = Literal["input", "layer", "join", "block", "output", "loss"]
"""What a box stands for; a ``block`` is a call whose inside is drawn elsewhere, once."""

BORDER = -1
"""In an edge's end: the graph's own border, where what comes from outside enters, or leaves."""

Port = tuple[int, int]
"""The position of a node in its graph, or :data:`BORDER`, and which of its ports."""


@frozen
class Box:
    """A box: a layer with what directly follows it, a call of a block, an input or an end.

    ``name`` is the label that the text gives it, ``title`` the line that says what it is,
    ``before`` and ``after`` what is computed in it before and behind that. ``times`` is how often
    it follows itself, a number or a parameter's name, and empty where it does not. ``shares`` names
    the layer or call whose weights it uses, if these are not its own. ``layers`` are the full
    names of what it stands for.
    """

    kind: Kind
    family: Family
    title: str
    name: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    times: str = ""
    shares: str = ""
    layers: tuple[str, ...] = ()


@frozen
class Frame:
    """A call of a block, or a loop, drawn with its inside."""

    title: str
    name: str
    times: str
    graph: Graph
    shares: str = ""


Node = Box | Frame


@frozen
class Edge:
    """A value on its way, and its sizes; of calls that are drawn once, none where they differ."""

    source: Port
    target: Port
    dims: tuple[int, ...] = ()

    @property
    def shape(self) -> str:
        """Its sizes as a text: ``6×28×28``."""
        return sizes(self.dims)


@frozen
class Graph:
    """Nodes in topological order and the edges between them.

    So many ``inputs`` and ``outputs`` go through its border.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    inputs: int = 0
    outputs: int = 0

    def boxes(self) -> Iterator[Box]:
        """All boxes, those in frames too."""
        for node in self.nodes:
            if isinstance(node, Box):
                yield node
            else:
                yield from node.graph.boxes()


@frozen
class Detail:
    """The inside of a block that is drawn once, beside the network."""

    title: str
    graph: Graph


@frozen
class Diagram:
    """A network's diagram."""

    name: str
    graph: Graph
    details: tuple[Detail, ...] = ()


# --- from box to box ----------------------------------------------------------------------------

Place = tuple[int, ...]
"""Where a box stands: the position of a frame, of a frame in it, and so on, at last of the box."""


@frozen
class Link:
    """A value on its way from box to box, through the borders of frames.

    ``source`` or ``target`` is None where it comes from outside the graph, or leaves it.
    """

    source: Place | None
    target: Place | None
    shape: str

    def ends(self, prefix: str) -> tuple[str, str]:
        """What a text calls both, in a graph that it calls ``prefix``."""
        return (
            f"{prefix}_in" if self.source is None else name_of(prefix, self.source),
            f"{prefix}_out" if self.target is None else name_of(prefix, self.target),
        )


def name_of(prefix: str, place: Place) -> str:
    """What a text calls a box or a frame of a graph."""
    return "_".join((prefix, *map(str, place)))


def border_names(prefix: str, links: Sequence[Link]) -> list[str]:
    """What a text calls the outside, where something comes from there, or goes there."""
    names = {name for link in links for name in link.ends(prefix)}
    return [name for name in (f"{prefix}_in", f"{prefix}_out") if name in names]


def links_of(graph: Graph) -> list[Link]:
    """What each box of a graph reads from which, frames left aside."""
    return [*_links(graph, (), {}, {})]


def _links(
    graph: Graph, at: Place, outside: Mapping[int, Place | None], known: dict[Port, Place | None]
) -> Iterator[Link]:
    """The links of a graph at a place, whose inputs come from boxes outside."""
    sources: dict[Port, Place | None] = {}

    def source_of(port: Port) -> Place | None:
        if port[0] == BORDER:
            return outside.get(port[1])
        return sources.get(port, (*at, port[0]))

    for position, node in enumerate(graph.nodes):
        into = [edge for edge in graph.edges if edge.target[0] == position]
        if isinstance(node, Box):
            for edge in into:
                yield Link(source_of(edge.source), (*at, position), edge.shape)
            continue
        inner: dict[Port, Place | None] = {}
        given = {edge.target[1]: source_of(edge.source) for edge in into}
        yield from _links(node.graph, (*at, position), given, inner)
        sources |= {(position, port): place for (_, port), place in inner.items()}
    for edge in graph.edges:
        if edge.target[0] == BORDER:
            known[edge.target] = source_of(edge.source)
            if not at:
                yield Link(source_of(edge.source), None, edge.shape)
