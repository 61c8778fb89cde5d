"""Finds the layers of a network whose weights know the classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.layers.activation import LeakyRelu, Relu, ScaledTanh, Sigmoid, Softmax, Tanh
from cnndsl.layers.conv import Conv, Depthwise
from cnndsl.layers.dense import Dense, Flatten
from cnndsl.layers.normalization import BatchNorm
from cnndsl.layers.pool import GlobalPooling, Pooling
from cnndsl.layers.regularization import Dropout, Noise
from cnndsl.layers.shape import Identity

__all__ = ["Head", "head_of"]

_EACH_ALONE = (
    BatchNorm, Depthwise, Dropout, GlobalPooling, Identity, LeakyRelu, Noise, Pooling, Relu,
    ScaledTanh, Sigmoid, Softmax, Tanh,
)  # fmt: skip
"""Layers that treat all channels alike, and give each from itself (softmax: from all alike)."""


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
        if typed.weights[at]:
            found.append(at)
            by_rows = by_rows and all(one.shape[0] == count for one in typed.weights[at])
        by_rows = by_rows and _keeps_rows(typed, at, node)
        if not (typed.weights[at] and _mixes(node)):
            ends.extend(node.inputs)
    names = tuple(network.nodes[at].name for at in sorted(found))
    return Head(names, by_rows and bool(found))


def _mixes(node: LayerNode) -> bool:
    """Whether each of a layer's channels is made of all, or many, of those before."""
    return not isinstance(node.layer, _EACH_ALONE)


def _keeps_rows(typed: TypedNetwork, at: int, node: LayerNode) -> bool:
    """Whether other rows of what comes, or of its weights, give the same rows in that order."""
    layer = node.layer
    if isinstance(layer, Dense):
        return True
    if isinstance(layer, Conv):
        return layer.groups == 1
    if isinstance(layer, Flatten):
        return math.prod(typed.input_types(node)[0].spatial) == 1
    same = typed.types[at].channels == typed.input_types(node)[0].channels
    return isinstance(layer, _EACH_ALONE) and same
