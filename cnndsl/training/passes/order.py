"""Brings a step's nodes into the order in which ONNX Runtime needs least memory for them.

It walks a graph back from the nodes that nothing reads, the last of them first, and from each node
first to that input whose node stands last; what it comes to an end at, it executes. So

- what needs no sample, as a state times a number, a kernel in blocks, or a mask of chance, stands
  first: it is computed right before it is used, and not before all that it is used with;
- updates stand last, those of the first layers before those of the last: each one follows its
  gradient, and layers go backwards;
- before them stand those updates that need little of the backward pass, as that of a dense layer,
  whose gradient is a product of two small matrices: their large buffers come when feature maps
  have gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import onnx_ir
import onnx_ir.passes
from typing_extensions import override

from cnndsl.training.passes.fusion import size_of

__all__ = ["LARGE", "OrderForMemory"]

LARGE = 2**16
"""Updates of weights with fewer numbers never wait."""

_SHARE = 4
"""An update waits where all that it waits with is this many times smaller than its weight."""


class OrderForMemory(onnx_ir.passes.InPlacePass):
    """Sorts nodes, and leaves each behind those that it reads from."""

    def __init__(self, samples: Collection[onnx_ir.Value], owners: Mapping[str, str]) -> None:
        """``samples`` are the inputs that a batch brings.

        ``owners`` has the weight that each output belongs to which is the next of one or of its
        state, by its name.
        """
        super().__init__()
        self.samples = samples
        self.owners = owners

    @override
    def call(self, model: onnx_ir.Model) -> onnx_ir.passes.PassResult:
        nodes = tuple(model.graph)
        dependent = set(self.samples)
        for node in nodes:
            if not dependent.isdisjoint(node.inputs):
                dependent.update(node.outputs)
        updates = self._updates(nodes)
        waiting = self._waiting(updates, dependent)

        def place(node: onnx_ir.Node) -> int:
            if dependent.isdisjoint(node.outputs):
                return 0
            weight = updates.get(node)
            return 1 if weight is None else 2 if weight in waiting else 3

        ordered = sorted(nodes, key=place)
        model.graph.remove(nodes)
        model.graph.extend(ordered)
        return onnx_ir.passes.PassResult(model, modified=tuple(ordered) != nodes)

    def _updates(self, nodes: Sequence[onnx_ir.Node]) -> Mapping[onnx_ir.Node, str]:
        """The nodes whose results only one weight and its state need, with that weight's name."""
        found: dict[onnx_ir.Node, str] = {}
        for node in reversed(nodes):
            owners: set[str | None] = set()
            for value in node.outputs:
                if value.is_graph_output():
                    owners.add(self.owners.get(str(value.name)))
                owners.update(found.get(reader) for reader, _ in value.uses())
            if len(owners) == 1 and (owner := owners.pop()) is not None:
                found[node] = owner
        return found

    def _waiting(
        self, updates: Mapping[onnx_ir.Node, str], dependent: Collection[onnx_ir.Value]
    ) -> Collection[str]:
        """The weights whose updates need little that is not made for them alone."""
        needed: dict[str, set[onnx_ir.Value]] = defaultdict(set)
        for node, weight in updates.items():
            for value in node.inputs:
                if value is None or value not in dependent:
                    continue
                maker = value.producer()
                if maker is None or updates.get(maker) != weight:
                    needed[weight].add(value)
        sizes = {
            updates[node]: size_of(value)
            for node in updates
            for value in node.outputs
            if value.is_graph_output()
        }
        return {
            weight
            for weight, values in needed.items()
            if sizes[weight] >= max(LARGE, _SHARE * sum(map(size_of, values)))
        }
