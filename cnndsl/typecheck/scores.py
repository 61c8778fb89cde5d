"""Finds the numbers that a loss compares: the main output, or what its last activation was given.

A cross-entropy takes the scores before the softmax or sigmoid that makes probabilities of them
(decision 0021). Lowering, evaluation and the checker all ask here, so that they speak of the same
function.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.recipe.losses.base import Loss

__all__ = ["Logits", "flattened_places", "logits", "maker", "scores"]

V = TypeVar("V")


@frozen
class Logits(Generic[V]):
    """What an output's last activation was given, and that layer's keyword.

    Of a layer that a loss takes for another one, it is the other's: logsoftmax is a softmax.

    It is the position of a node in the network, and its value where the network is lowered.
    """

    activation: str
    source: V


def logits(typed: TypedNetwork, output: int) -> Logits[int] | None:
    """What the activation was given that made a node's numbers; None where no activation did.

    There are as many numbers as the node has, in its order, though perhaps in another shape: a
    softmax over 10x1x1 may be flattened behind.
    """
    last = maker(typed, output)
    node = typed.network.nodes[last]
    if not isinstance(node, LayerNode) or not node.layer.activation:
        return None
    flattened = typed.types[last].channels != typed.types[output].channels
    if flattened and node.layer.makes in ("distribution", "logarithms"):
        # It is over the channels at each place, and the classes are channels and places together.
        return None
    return Logits(node.layer.logits_as or node.layer.keyword, node.inputs[0])


def scores(typed: TypedNetwork, loss: Loss, output: int | None = None) -> int:
    """The position of the node whose numbers the loss takes, for the main output or another node.

    Lowering hands the same over as a value (:meth:`cnndsl.graph.lower.Forward.scores`).
    """
    output = typed.network.main_output if output is None else output
    found = logits(typed, output)
    return found.source if found and found.activation == loss.activation else output


def maker(typed: TypedNetwork, position: int) -> int:
    """The node that computed a node's numbers, behind all layers that only pass them on."""
    node = typed.network.nodes[position]
    while isinstance(node, LayerNode) and node.layer.passes_on and len(node.inputs) == 1:
        position = node.inputs[0]
        node = typed.network.nodes[position]
    return position


def flattened_places(typed: TypedNetwork, output: int | None = None) -> tuple[int, ...]:
    """The spatial sizes of the feature maps that an output is, written row by row.

    It is the main output, or the node at a position. Empty where it is no such thing: behind a
    ``dense``, numbers belong to no place.
    """
    position = typed.network.main_output if output is None else output
    node = typed.network.nodes[position]
    while isinstance(node, LayerNode) and len(node.inputs) == 1:
        flat = not typed.types[position].spatial
        position = node.inputs[0]
        sizes = typed.types[position].spatial
        if not (node.layer.passes_on or node.layer.activation):
            break
        if flat and math.prod(sizes) > 1:
            return sizes
        node = typed.network.nodes[position]
    return ()
