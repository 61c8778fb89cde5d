"""Turns a graph into segments that follow each other: between two passes one value alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from cnndsl.frozen import mutable
from cnndsl.plots.diagram.graph import BORDER, Box, Edge, Graph, Port

__all__ = ["Segment", "is_input", "segments_of"]


@mutable
class Segment:
    """Nodes that belong together, with the values that come in from above and leave below."""

    nodes: list[int]
    entries: list[Port]
    exits: list[Port]
    edges: list[Edge] = field(default_factory=list)
    """Those that end at its nodes; their sources may be entries."""


def segments_of(graph: Graph) -> list[Segment]:
    """The segments of a graph, from its beginning to its end."""
    order = _order(graph)
    at = {node: place for place, node in enumerate(order)}
    reach: dict[Port, int] = {}
    into: dict[int, list[Edge]] = {node: [] for node in order}
    leaving: dict[int, Port] = {}
    for edge in graph.edges:
        target = len(order) if edge.target[0] == BORDER else at[edge.target[0]]
        reach[edge.source] = max(reach.get(edge.source, -1), target)
        if edge.target[0] == BORDER:
            leaving[edge.target[1]] = edge.source
        else:
            into[edge.target[0]].append(edge)
    exits = [leaving[port] for port in sorted(leaving)]
    entries: list[Port] = [(BORDER, port) for port in range(graph.inputs)]
    found: list[Segment] = []
    live = {port for port in entries if port in reach}
    begun = _begun(graph, into, at)
    current = Segment([], entries, [])
    for place, node in enumerate(order):
        current.nodes.append(node)
        current.edges += into[node]
        live |= {port for port in reach if port[0] == node}
        live = {port for port in live if reach[port] > place}
        alone = len(live) == 1 and {*live} <= {port for port in reach if port[0] == node}
        more = place + 1 < len(order) and not _is_end(graph, order[place + 1])
        if more and alone and place >= begun:
            current.exits = [*live]
            found.append(current)
            current = Segment([], [*live], [])
    current.exits = exits
    found.append(current)
    return found


def _is_end(graph: Graph, at: int) -> bool:
    """Whether a node is an output or a loss: it stays with what it is the end of."""
    node = graph.nodes[at]
    return isinstance(node, Box) and node.kind in ("output", "loss")


def _begun(graph: Graph, into: Mapping[int, Sequence[Edge]], at: Mapping[int, int]) -> int:
    """The place in the order from which on no branch begins that reads nothing but inputs."""
    latest = -1
    for edges in into.values():
        sources = [edge.source[0] for edge in edges]
        if BORDER not in sources and sources and all(is_input(graph, one) for one in sources):
            latest = max(latest, min(at[source] for source in sources))
    return latest


def is_input(graph: Graph, at: int) -> bool:
    """Whether a node is an input of the network."""
    node = graph.nodes[at]
    return isinstance(node, Box) and node.kind == "input"


def _order(graph: Graph) -> Sequence[int]:
    """The nodes in topological order: inputs as late, ends as early as can be."""
    behind: dict[int, list[int]] = {}
    before: dict[int, list[int]] = {}
    moved = set()
    for edge in graph.edges:
        source, target = edge.source[0], edge.target[0]
        if BORDER in (source, target):
            continue
        if _is_end(graph, target):
            behind.setdefault(source, []).append(target)
            moved.add(target)
    for source in range(len(graph.nodes)):
        if not is_input(graph, source):
            continue
        readers = {edge.target[0] for edge in graph.edges if edge.source[0] == source} - moved
        if readers:
            before.setdefault(min(readers), []).append(source)
            moved.add(source)
    order: list[int] = []
    for at in range(len(graph.nodes)):
        if at not in moved:
            for node in (*before.get(at, ()), at):
                order += [node, *behind.get(node, ())]
    return order
