"""Places vertices in layers, with few crossings: igraph's Sugiyama layout, and room for each box.

igraph orders the vertices of each layer and gives them coordinates as if all were of one width;
what stands above each other there does so here, and neighbours keep the distance that they need.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from cnndsl.diagnostics.model import UserError
from cnndsl.frozen import frozen

__all__ = ["GAP", "Extent", "Layering", "arrange", "ranks_of"]

GAP = 16.0
"""Points between neighbours in a layer."""
_LANE = (4.0, 4.0)
"""The width that a line takes on its way past a layer."""
_ITERATIONS = 100
_TIE = 0.01
"""In igraph's measure, what parts two that would stand in one place."""

Pair = tuple[int, int]
Extent = tuple[float, float]
"""How far something reaches to the left of its line, and to the right."""


@frozen
class Layering:
    """Where vertices stand: the middle of each, and of each edge in the layers that it passes."""

    middles: tuple[float, ...]
    bends: dict[Pair, tuple[float, ...]]


def ranks_of(count: int, edges: Sequence[Pair]) -> list[int]:
    """The layer of each vertex: below all that it reads, and directly above who reads it first."""
    ranks = [0] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        ranks[target] = max(ranks[target], ranks[source] + 1)
    fed = {target for _, target in edges}
    for vertex in range(count):
        below = [ranks[target] for source, target in edges if source == vertex]
        if vertex not in fed and below:
            ranks[vertex] = min(below) - 1
    return ranks


def arrange(extents: Sequence[Extent], edges: Sequence[Pair], ranks: Sequence[int]) -> Layering:
    """Order the vertices of each layer and say where they stand.

    Args:
        extents: of each vertex; edges lead from earlier ones to later ones.
        edges: pairs of vertices.
        ranks: the layer of each vertex.
    """
    edges = [*dict.fromkeys(edges)]
    longest = max((ranks[target] - ranks[source] for source, target in edges), default=1)
    if len({*ranks}) == len(ranks) and longest == 1:
        return Layering((0.0,) * len(extents), dict.fromkeys(edges, ()))
    middles, bends = _sugiyama(len(extents), edges, ranks)
    # What stands in a layer: a vertex, or an edge on its way past it, by its number.
    layers: dict[int, list[tuple[float, int, int]]] = {}
    for vertex, middle in enumerate(middles):
        layers.setdefault(ranks[vertex], []).append((middle, vertex, 0))
    for number, (source, target) in enumerate(edges):
        for step, middle in enumerate(bends[source, target], start=1):
            layers.setdefault(ranks[source] + step, []).append((middle, -1 - number, step))
    apart = {rank: _parted(layer) for rank, layer in layers.items()}
    places = _stretched(
        [
            [(middle, extents[one] if one >= 0 else _LANE) for middle, one, _ in layer]
            for layer in apart.values()
        ]
    )
    found = {(one, step): places[at] for layer in apart.values() for at, one, step in layer}
    return Layering(
        tuple(found[vertex, 0] for vertex in range(len(middles))),
        {
            edge: tuple(found[-1 - number, step] for step in range(1, 1 + len(bends[edge])))
            for number, edge in enumerate(edges)
        },
    )


def _parted(layer: Sequence[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """A layer from left to right, nothing in one place: igraph may put two there."""
    found: list[tuple[float, int, int]] = []
    for middle, one, step in sorted(layer):
        least = found[-1][0] + _TIE if found else middle
        found.append((round(max(middle, least), 3), one, step))
    return found


def _sugiyama(
    count: int, edges: Sequence[Pair], ranks: Sequence[int]
) -> tuple[list[float], dict[Pair, list[float]]]:
    """What igraph says: the middle of each vertex, and of each edge in layers between."""
    try:
        import igraph
    except ImportError as error:
        raise UserError(
            "CNN620",
            "a network with branches is laid out by igraph, which is not installed",
            help='run `pip install "cnndsl[draw]"`, or let the file end in `.dot` or `.mmd`',
        ) from error
    graph = igraph.Graph(count, edges, directed=True)
    placed = graph.layout_sugiyama(layers=[*ranks], maxiter=_ITERATIONS)
    middles = [_rounded(x) for x, _ in placed.coords[:count]]
    return middles, {
        edge: [_rounded(x) for x, _ in sorted(points, key=lambda point: point[1])]
        for edge, points in zip(edges, placed.edge_routing, strict=True)
    }


def _rounded(x: float) -> float:
    return round(x, 3) + 0.0


def _stretched(layers: Sequence[Sequence[tuple[float, Extent]]]) -> dict[float, float]:
    """Where each of the coordinates comes to lie, so that neighbours in a layer have their room.

    That is half way between as far left, and as far right, as all can be.
    """
    known = sorted({middle for layer in layers for middle, _ in layer})
    apart: dict[tuple[float, float], float] = {}
    for layer in layers:
        for (left, one), (right, other) in itertools.pairwise(layer):
            room = one[1] + other[0] + GAP
            apart[left, right] = max(apart.get((left, right), 0.0), room)
    early: dict[float, float] = {}
    for at, middle in enumerate(known):
        least = early[known[at - 1]] if at else 0.0
        early[middle] = max(
            [least, *(early[a] + room for (a, b), room in apart.items() if b == middle)]
        )
    late: dict[float, float] = {}
    for at, middle in reversed([*enumerate(known)]):
        most = late[known[at + 1]] if at + 1 < len(known) else early[middle]
        late[middle] = min(
            [most, *(late[b] - room for (a, b), room in apart.items() if a == middle)]
        )
    return {middle: (early[middle] + late[middle]) / 2 for middle in known}
