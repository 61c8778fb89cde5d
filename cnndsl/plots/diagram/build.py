"""Turns a typed network into its diagram: what is one box, what a frame, what is drawn once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from cnndsl.analysis.outline import Outline, Part, Scope, Step, outline
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import mutable
from cnndsl.layers.shape import Identity
from cnndsl.plots.diagram.chains import is_apart, source_of
from cnndsl.plots.diagram.classes import BlockClass, classes_of, scopes_in
from cnndsl.plots.diagram.ends import End, ends_of
from cnndsl.plots.diagram.graph import Detail, Diagram
from cnndsl.plots.diagram.nesting import Nesting

__all__ = ["diagram"]

_OPEN = 24
"""A network with no more boxes is drawn with everything in its place."""
_ENOUGH = 40
"""A drawing with no more boxes needs no stricter way of choosing what is drawn once."""
_WAYS = ((2, 3), (2, 2), (99, 3), (99, 2))
"""What is drawn once, from the plainest way to the one that saves most.

Of a block, how many forms there may be at most, and how many boxes at least. A block of more forms
is else drawn where it is called, and so is one of fewer boxes.
"""


def diagram(typed: TypedNetwork, *, expand: bool = False) -> Diagram:
    """The diagram of a network.

    Args:
        typed: the network.
        expand: whether to draw every round of a loop, and every call with its inside.
    """
    ends = ends_of(typed)
    kept = frozenset(end.position for end in ends)
    tree = outline(typed.network, kept=kept, fold=not expand)
    return _Building(typed, tree, ends, expand).carry_out()


@mutable
class _Building:
    typed: TypedNetwork
    tree: Outline
    ends: Sequence[End]
    expand: bool

    def __post_init__(self) -> None:
        network = self.typed.network
        self.readers = Counter(
            source_of(network, read)
            for node in network.nodes
            if isinstance(node, LayerNode) and not isinstance(node.layer, Identity)
            for read in node.inputs
        )

    def carry_out(self) -> Diagram:
        if self.expand or self._boxes(self.tree.parts, frozenset()) <= _OPEN:
            return self._drawn([])
        classes = classes_of(self.typed.network, self.tree)
        found: dict[int, Diagram] = {}
        for forms, least in _WAYS:
            drawn = self._drawn(self._closed(classes, forms, least))
            graphs = [drawn.graph, *(one.graph for one in drawn.details)]
            count = sum(1 for graph in graphs for _ in graph.boxes())
            found.setdefault(count, drawn)
            if count <= _ENOUGH:
                break
        return found[min(found)]

    def _drawn(self, closed: Sequence[BlockClass]) -> Diagram:
        """The diagram with some classes drawn once."""
        by_call = {call.name: one for one in closed for call in one.calls}
        nesting = Nesting(self.typed, self.tree, self.ends, by_call)
        whole = nesting.graph(self.tree.parts)
        details = []
        for one in closed:
            title = nesting.title(one)
            details.append(Detail(title, nesting.graph(one.calls[0].parts, one)))
        return Diagram(self.typed.name, whole, tuple(details))

    def _closed(
        self, classes: Sequence[BlockClass], most_forms: int, least: int
    ) -> list[BlockClass]:
        """The classes that are drawn once: of so many forms at most, so many boxes at least."""
        inside = {
            scope.name: len([*scopes_in(scope.parts)]) for scope in scopes_in(self.tree.parts)
        }
        forms = Counter(one.block for one in classes)
        found: list[BlockClass] = []
        names: frozenset[str] = frozenset()
        for one in sorted(classes, key=lambda one: inside[one.calls[0].name]):
            if forms[one.block] > most_forms:
                continue
            if len(one.calls) > 1 and self._boxes(one.calls[0].parts, names) >= least:
                found.append(one)
                names |= {call.name for call in one.calls}
        # Two forms of a block are drawn alike.
        blocks = {one.block for one in found if forms[one.block] == 2}
        found += [one for one in classes if one not in found and one.block in blocks]
        by_call = {call.name: one for one in found for call in one.calls}
        met: list[BlockClass] = []
        self._meet(self.tree.parts, by_call, met)
        return [one for one in classes if one in met]

    def _meet(
        self, parts: Sequence[Part], by_call: Mapping[str, BlockClass], met: list[BlockClass]
    ) -> None:
        """Find the classes that a reader meets: calls in what is drawn, and in what is in these."""
        for part in parts:
            if isinstance(part, Scope) and part.name in by_call:
                one = by_call[part.name]
                if one not in met:
                    met.append(one)
                    self._meet(one.calls[0].parts, by_call, met)
            elif not isinstance(part, Step):
                self._meet(part.parts, by_call, met)

    def _boxes(self, parts: Sequence[Part], closed: frozenset[str]) -> int:
        """About how many boxes some parts are."""
        count = 0
        for part in parts:
            if isinstance(part, Scope) and part.name in closed:
                count += 1
            elif isinstance(part, Step):
                count += self._is_box(part.position)
            else:
                count += self._boxes(part.parts, closed)
        return count

    def _is_box(self, position: int) -> bool:
        """Whether a node begins a box: it follows nothing, or what it follows is read by others."""
        node = self.typed.network.nodes[position]
        if is_apart(self.typed.network, position) or not isinstance(node, LayerNode):
            return True
        source = source_of(self.typed.network, node.inputs[0])
        alone = self.readers[source] == 1
        return not alone and not isinstance(node.layer, Identity)
