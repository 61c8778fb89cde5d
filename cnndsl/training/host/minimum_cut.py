"""Cuts a directed graph in two where that costs least (Dinic 1970)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

__all__ = ["source_side"]


class _Flow:
    """Arcs in pairs: the one behind an arc, ``arc ^ 1``, takes back what flows along it."""

    def __init__(self, count: int, arcs: Iterable[tuple[int, int, float]]) -> None:
        self.ends: list[int] = []
        self.rooms: list[float] = []
        self.leaving: list[list[int]] = [[] for _ in range(count)]
        for start, end, room in arcs:
            for one, other, capacity in ((start, end, room), (end, start, 0.0)):
                self.leaving[one].append(len(self.ends))
                self.ends.append(other)
                self.rooms.append(capacity)

    def levels(self, source: int) -> list[int]:
        """How many arcs with room each vertex is away from the source; -1 where there is no way."""
        found = [-1] * len(self.leaving)
        found[source] = 0
        waiting = deque([source])
        while waiting:
            vertex = waiting.popleft()
            for arc in self.leaving[vertex]:
                end = self.ends[arc]
                if self.rooms[arc] > 0 and found[end] < 0:
                    found[end] = found[vertex] + 1
                    waiting.append(end)
        return found

    def block(self, source: int, sink: int, levels: list[int]) -> None:
        """Fill all ways that lead up from level to level."""
        tried = [0] * len(self.leaving)
        path: list[int] = []
        vertex = source
        while True:
            if vertex == sink:
                flow = min(self.rooms[arc] for arc in path)
                for arc in path:
                    self.rooms[arc] -= flow
                    self.rooms[arc ^ 1] += flow
                full = next(at for at, arc in enumerate(path) if self.rooms[arc] <= 0)
                vertex = self.ends[path[full] ^ 1]
                del path[full:]
            elif (arc := self._next(vertex, tried, levels)) >= 0:
                path.append(arc)
                vertex = self.ends[arc]
            elif path:
                vertex = self.ends[path.pop() ^ 1]
                tried[vertex] += 1
            else:
                return

    def _next(self, vertex: int, tried: list[int], levels: list[int]) -> int:
        arcs = self.leaving[vertex]
        while tried[vertex] < len(arcs):
            arc = arcs[tried[vertex]]
            if self.rooms[arc] > 0 and levels[self.ends[arc]] == levels[vertex] + 1:
                return arc
            tried[vertex] += 1
        return -1


def source_side(
    count: int, arcs: Iterable[tuple[int, int, float]], source: int, sink: int
) -> frozenset[int]:
    """The vertices on the source's side of a cheapest cut.

    Vertices are numbers below ``count``; an arc (start, end, cost) costs where its start is on the
    source's side and its end is not. Costs are whole numbers, or infinite; some cut is finite.
    """
    flow = _Flow(count, arcs)
    while (levels := flow.levels(source))[sink] >= 0:
        flow.block(source, sink, levels)
    return frozenset(vertex for vertex, level in enumerate(levels) if level >= 0)
