"""Finds the numbers that a loss compares: the main output, or what its last activation was given.

A cross-entropy takes the scores before the softmax or sigmoid that makes probabilities of them
(decision 0021). Training, evaluation and the checker all ask here, so that they speak of the same
function.
"""

from __future__ import annotations

import math

from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.recipe.losses.base import Loss

__all__ = ["flattened_places", "maker", "scores"]


def scores(typed: TypedNetwork, loss: Loss, output: int | None = None) -> int:
    """The position of the node whose numbers the loss takes, for the main output or another node.

    They are as many as the output's, and stand in its order, though perhaps in another shape: a
    softmax over 10x1x1 may be flattened behind.
    """
    output = typed.network.main_output if output is None else output
    last = maker(typed, output)
    node = typed.network.nodes[last]
    if not isinstance(node, LayerNode) or node.layer.keyword != loss.activation:
        return output
    flattened = typed.types[last].channels != typed.types[output].channels
    if flattened and node.layer.makes == "distribution":
        # It is over the channels at each place, and the classes are channels and places together.
        return output
    return node.inputs[0]


def maker(typed: TypedNetwork, position: int) -> int:
    """The node that computed a node's numbers, behind all layers that only pass them on."""
    node = typed.network.nodes[position]
    while isinstance(node, LayerNode) and node.layer.passes_on and len(node.inputs) == 1:
        position = node.inputs[0]
        node = typed.network.nodes[position]
    return position


def flattened_places(typed: TypedNetwork) -> tuple[int, ...]:
    """The spatial sizes of the feature maps that the main output is, written row by row.

    Empty where it is no such thing: behind a ``dense``, numbers belong to no place.
    """
    position = typed.network.main_output
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
