"""Finds the layers of a network whose weights know the classes."""

from __future__ import annotations

from dataclasses import dataclass

from cnndsl.elaborate.network import InputNode, TypedNetwork

__all__ = ["Head", "head_of"]


@dataclass(frozen=True, slots=True)
class Head:
    """The layers between the features and the classes.

    ``layers`` are the names of those that have weights. ``by_rows`` says whether every one of
    their weights has a row for each class, so that classes in another order are rows in another
    order.
    """

    layers: tuple[str, ...]
    by_rows: bool


def head_of(typed: TypedNetwork) -> Head:
    """The layers with weights behind which every channel is a class.

    From each output that has a channel for each class the way goes back to the last layer that
    makes its channels of all others, ``dense`` or ``conv``; a normalisation on the way is passed.
    """
    network = typed.network
    count = len(network.classes)
    ends = [at for at in network.outputs.values() if typed.types[at].channels == count]
    found: list[int] = []
    by_rows = True
    seen: set[int] = set()
    while ends:
        at = ends.pop()
        node = network.nodes[at]
        if at in seen or isinstance(node, InputNode):
            continue
        seen.add(at)
        weights = typed.weights_of(at)
        if weights:
            found.append(network.owners[at])
            by_rows = by_rows and all(one.shape[0] == count for one in weights.values())
        by_rows = by_rows and node.layer.keeps_rows(*typed.input_types(node)[:1])
        if not weights or node.layer.per_channel:
            ends.extend(node.inputs)
    names = tuple(network.nodes[at].name for at in sorted({*found}))
    return Head(names, by_rows and bool(found))
