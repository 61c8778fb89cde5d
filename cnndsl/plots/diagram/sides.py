"""Finds the two sides of a U in a segment: down on the left, up on the right, skips across.

So are networks built that make their maps smaller and then larger again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnndsl.frozen import frozen
from cnndsl.plots.diagram.graph import Edge, Port
from cnndsl.plots.diagram.segments import Segment

__all__ = ["Sides", "sides_of"]

_SKIPS = 2
"""A segment with fewer skips is no U."""
_LEAST = 6
"""Nor is one of fewer nodes."""


@frozen
class Sides:
    """The two sides of a segment, from the top down and up again.

    ``skips`` says of nodes on the right what they read from the left, ``bridges`` which nodes stand
    on the way there.
    """

    left: Sequence[int]
    right: Sequence[int]
    skips: Mapping[int, Port]
    bridges: Mapping[int, Sequence[int]]


def sides_of(segment: Segment) -> Sides | None:
    """The two sides of a segment; None where it is no U."""
    nodes = segment.nodes
    if len(segment.entries) != 1 or len(nodes) < _LEAST:
        return None
    [entry] = segment.entries
    at = {node: place for place, node in enumerate(nodes)}
    into: dict[int, list[Edge]] = {node: [] for node in nodes}
    for edge in segment.edges:
        into[edge.target[0]].append(edge)
    chain, before = 0, entry
    while chain < len(nodes) and {edge.source for edge in into[nodes[chain]]} == {before}:
        before = (nodes[chain], 0)
        chain += 1
    for fold in dict.fromkeys((_fold(segment, at) + 1, chain)):
        if 0 < fold <= chain:
            found = _with_right(segment, into, nodes[:fold], nodes[fold:])
            if found is not None:
                return found
    return None


def _fold(segment: Segment, at: Mapping[int, int]) -> int:
    """The last place where as many values as anywhere pass on."""
    ends: dict[Port, int] = {}
    for edge in segment.edges:
        ends[edge.source] = max(ends.get(edge.source, -1), at[edge.target[0]])
    alive = [
        sum(at.get(port[0], -1) <= place < end for port, end in ends.items())
        for place in range(len(segment.nodes))
    ]
    most = max(alive)
    return max(place for place, count in enumerate(alive) if count == most)


def _with_right(
    segment: Segment, into: Mapping[int, Sequence[Edge]], left: list[int], rest: list[int]
) -> Sides | None:
    below = {segment.entries[0], *((node, 0) for node in left[:-1])}
    right: list[int] = []
    skips: dict[int, Port] = {}
    bridges: dict[int, list[int]] = {}
    waiting: dict[int, tuple[Port, list[int]]] = {}
    last = left[-1]
    for node in rest:
        sources = {edge.source for edge in into[node]}
        if sources <= below and len(sources) == 1:
            waiting[node] = next(iter(sources)), [node]
            continue
        others = sources - {(last, 0)}
        if len(others) > 1:
            return None
        if others == sources:  # It goes on from a bridge.
            [(begin, _)] = others
            if begin not in waiting:
                return None
            port, bridge = waiting.pop(begin)
            waiting[node] = port, [*bridge, node]
            continue
        for other in others:
            if other[0] in waiting:
                skips[node], bridges[node] = waiting.pop(other[0])
            elif other in below:
                skips[node] = other
            else:
                return None
        right.append(node)
        last = node
    order = [left.index(port[0]) if port[0] in left else -1 for port in skips.values()]
    nested = order == sorted(order, reverse=True) and len({*order}) == len(order)
    good = not waiting and nested and len(skips) >= _SKIPS and segment.exits in ([], [(last, 0)])
    return Sides(left, right, skips, bridges) if good else None
