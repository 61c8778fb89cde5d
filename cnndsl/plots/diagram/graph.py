"""What a diagram is made of: boxes, frames around boxes, and the edges between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from cnndsl.frozen import frozen
from cnndsl.layers.base import Family

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
    "links_of",
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
    """A value on its way; ``shape`` are its sizes: ``6x28x28``."""

    source: Port
    target: Port
    shape: str = ""


@frozen
class Graph:
    """Nodes in topological order and the edges between them.

    ``inputs`` and ``outputs`` name what goes through the border.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

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
