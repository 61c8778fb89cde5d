"""A network while rules change it: who makes a value, who reads it, what stands in whose place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from cnndsl.elaborate.bound import validate
from cnndsl.importers.networks.graph import ImportedNetwork, ImportedNode
from cnndsl.layers import find
from cnndsl.types import TensorType

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from cnndsl.elaborate.values import Value

    Array = NDArray[numpy.float32]

__all__ = ["Rewriter", "Rule"]

Rule: TypeAlias = "Callable[[Rewriter, ImportedNode], bool]"
"""Changes what stands around a node, and says whether it did."""


class Rewriter:
    """A network as it is rewritten."""

    def __init__(self, network: ImportedNetwork) -> None:
        self._network = network
        self._nodes: dict[int, ImportedNode] = dict(enumerate(network.nodes))
        self._types = dict(network.types)
        self._given = {*network.outputs.values(), *network.heads.values()}
        self._owners = {node.share for node in network.nodes if node.share}
        self._index()

    def _index(self) -> None:
        self._places: dict[int, int] = {id(node): at for at, node in self._nodes.items()}
        self._makers = {value: node for node in self._nodes.values() for value in node.outputs}
        self._readers: dict[str, list[ImportedNode]] = {}
        for node in self._nodes.values():
            for value in dict.fromkeys(node.inputs):
                self._readers.setdefault(value, []).append(node)

    def network(self) -> ImportedNetwork:
        """The network as it is now."""
        nodes = tuple(self._nodes[at] for at in sorted(self._nodes))
        return replace(self._network, nodes=nodes)

    def apply(self, rule: Rule) -> bool:
        """Try a rule at each node, and say whether it changed any."""
        changed = False
        for at in sorted(self._nodes):
            node = self._nodes.get(at)
            if node is not None and rule(self, node):
                changed = True
        return changed

    # --- what rules ask ---

    def maker(self, value: str, *keywords: str) -> ImportedNode | None:
        """The node that makes a value, if it is one of these layers."""
        node = self._makers.get(value)
        return node if node is not None and (not keywords or node.keyword in keywords) else None

    def readers(self, value: str) -> list[ImportedNode]:
        """The nodes that read a value."""
        return self._readers.get(value, [])

    def only_reader(self, node: ImportedNode, *keywords: str) -> ImportedNode | None:
        """The one node that reads what a node gives, if it is one of these layers."""
        value = node.outputs[0]
        readers = self.readers(value)
        if len(readers) != 1 or value in self._given or len(node.outputs) > 1:
            return None
        reader = readers[0]
        return reader if not keywords or reader.keyword in keywords else None

    def is_shared(self, node: ImportedNode) -> bool:
        """Whether a node's weights are others' too."""
        return bool(node.share) or node.outputs[0] in self._owners

    def type_of(self, value: str) -> TensorType:
        """The type of a value."""
        return self._types[value]

    def nodes(self) -> Iterator[ImportedNode]:
        """All nodes, in order."""
        for at in sorted(self._nodes):
            yield self._nodes[at]

    # --- what rules do ---

    def put(
        self,
        last: ImportedNode,
        instead: Sequence[ImportedNode],
        keyword: str,
        inputs: Sequence[str],
        settings: Mapping[str, Value] | None = None,
        *,
        weights: Mapping[str, Array] | None = None,
        like: ImportedNode | None = None,
    ) -> bool:
        """Put one layer in the place of some nodes, of which ``last`` gives the value.

        The layer has the label and place of ``like``, or of ``last``. Gives False, and changes
        nothing, where the layer would not take these inputs or give another shape.
        """
        schema = find(keyword)
        assert schema is not None
        like = like or last
        layer = validate(schema, settings or {})
        types = [self._types[one] for one in inputs]
        if any(True for _ in layer.faults(*types)) or layer.output(*types) != last.types[0]:
            return False
        at = self._places[id(last)]
        for node in instead:
            self._nodes.pop(self._places[id(node)], None)
        self._nodes.pop(at, None)
        self._nodes[at] = ImportedNode(
            layer,
            settings or {},
            tuple(inputs),
            last.outputs,
            last.types,
            like.label,
            like.place,
            weights or {},
        )
        self._index()
        return True

    def bypass(self, node: ImportedNode) -> bool:
        """Take a node away whose readers read its input instead; not where it is an output."""
        value = node.outputs[0]
        if value in self._given:
            return False
        del self._nodes[self._places[id(node)]]
        for at, reader in list(self._nodes.items()):
            if value in reader.inputs:
                inputs = tuple(node.inputs[0] if one == value else one for one in reader.inputs)
                self._nodes[at] = replace(reader, inputs=inputs)
        self._index()
        return True

    def swap(self, first: ImportedNode, second: ImportedNode, middle: TensorType) -> None:
        """Let the second of two nodes in a row, which works number by number, be the first."""
        value = first.outputs[0]
        before = replace(second, inputs=first.inputs, outputs=(value,), types=(middle,))
        after = replace(first, inputs=(value,), outputs=second.outputs, types=second.types)
        self._types[value] = middle
        self._nodes[self._places[id(first)]] = before
        self._nodes[self._places[id(second)]] = after
        self._index()
