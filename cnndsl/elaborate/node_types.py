"""Works out the type of a node's output from those of its inputs, and what is not certain of it.

Elaboration asks this where a spec reads the sizes of a stream, and inference of every node.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from typing_extensions import override

from cnndsl.elaborate.draft import Poison
from cnndsl.elaborate.network import InputNode, Node
from cnndsl.frozen import frozen
from cnndsl.layers.base import Layer, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.types import TensorType

__all__ = ["UNKNOWN", "Fact", "infer_node", "moved"]


@frozen
class Fact:
    """What is known of a value: its type, and the positions of sizes that are only assumed.

    A type of None: nothing at all, because of an earlier mistake.
    """

    type: TensorType | None
    assumed: frozenset[int] = frozenset()

    @property
    def certain(self) -> bool:
        """Whether the whole type is proven."""
        return self.type is not None and not self.assumed

    @override
    def __str__(self) -> str:
        if self.type is None:
            return "?"
        return "x".join(
            "?" if position in self.assumed else str(dim)
            for position, dim in enumerate(self.type.dims)
        )


UNKNOWN = Fact(None)


def infer_node(
    node: Node, facts: Sequence[Fact], *, tolerated: Container[FaultKind] | None = None
) -> tuple[Fact, tuple[ShapeFault, ...]]:
    """The fact about a node's output, and the faults of its layer that are certain.

    Where a fault is of a kind that is not ``tolerated``, the output is not worked out.
    """
    if isinstance(node, InputNode):
        return Fact(node.type, node.assumed), ()
    inputs = [facts[position] for position in node.inputs]
    layer = node.layer
    types = [fact.type for fact in inputs if fact.type is not None]
    if isinstance(layer, Poison) or len(types) < len(inputs) or not types:
        return Fact(layer.fixed_output()), ()
    assumed = any(fact.assumed for fact in inputs)
    every = _faults(layer, tuple(types))
    faults = tuple(fault for fault in every if not assumed or _is_certain(fault, inputs))
    if any(fault.fatal for fault in every):
        return Fact(layer.fixed_output()), faults
    if tolerated is not None and any(fault.kind not in tolerated for fault in faults):
        return UNKNOWN, faults
    if not assumed and not faults:
        return Fact(layer.output(*types)), ()
    return _assume(layer, inputs, types, faults), faults


def _faults(layer: Layer, types: tuple[TensorType, ...]) -> tuple[ShapeFault, ...]:
    """A layer's faults, one for each parameter or set of parameters at fault."""
    if any(kind.is_tokens for kind in types) and not layer.takes_tokens:
        return (
            ShapeFault(
                FaultKind.UNSUITED,
                f"`{layer.keyword}` computes with numbers, but its input are token ids",
                help="put `embedding 300` before it, with the size of your word vectors",
                fatal=True,
            ),
        )
    return tuple({fault.blame[:1] or fault.kind: fault for fault in layer.faults(*types)}.values())


def _is_certain(fault: ShapeFault, inputs: Sequence[Fact]) -> bool:
    """Whether a fault does not depend on an assumed size."""
    for fact in inputs:
        if fault.spatial and fact.assumed - {0}:
            return False
        if not fault.spatial and 0 in fact.assumed:
            return False
    return True


def _assume(
    layer: Layer,
    inputs: Sequence[Fact],
    types: Sequence[TensorType],
    faults: Sequence[ShapeFault],
) -> Fact:
    """The most likely output, and which of its sizes hang on a fault or an assumed size.

    An output size is assumed where it changes when the assumed input sizes do.
    """
    promised = layer.fixed_output()
    if promised is not None:
        return Fact(promised)
    output = layer.output(*types)
    others = [moved(fact) for fact in inputs]
    if any(fault.fatal for fault in layer.faults(*others)):
        return UNKNOWN
    other = layer.output(*others)
    assumed = {i for i, (a, b) in enumerate(zip(output.dims, other.dims, strict=False)) if a != b}
    if len(output.dims) != len(other.dims):
        return UNKNOWN
    for fault in faults:
        if fault.spatial:
            assumed.update(range(1, len(output.dims)))
        elif fault.kind in (FaultKind.UNLIKE, FaultKind.UNSUITED):
            assumed.update(range(len(output.dims)))
    return Fact(output, frozenset(assumed))


def moved(fact: Fact) -> TensorType:
    """The type with other numbers in place of its assumed sizes."""
    assert fact.type is not None
    dims = tuple(
        2 * dim + 1000 if position in fact.assumed else dim
        for position, dim in enumerate(fact.type.dims)
    )
    return fact.type.resized(dims)
