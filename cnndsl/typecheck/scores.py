"""Finds the numbers that a loss compares: the main output, or what its last activation was given.

A cross-entropy takes the scores before the softmax or sigmoid that makes probabilities of them
(decision 0021). Training, evaluation and the checker all ask here, so that they speak of the same
function.
"""

from __future__ import annotations

import math

from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.layers.activation import LeakyRelu, Relu, ScaledTanh, Sigmoid, Softmax, Tanh
from cnndsl.layers.base import Layer
from cnndsl.layers.dense import Flatten
from cnndsl.recipe.losses import BinaryCrossEntropy, CrossEntropy
from cnndsl.recipe.settings import Loss

__all__ = ["flattened_places", "maker", "scores"]


def scores(typed: TypedNetwork, loss: Loss, output: int | None = None) -> int:
    """The position of the node whose numbers the loss takes, for the main output or another node.

    They are as many as the output's, and stand in its order, though perhaps in another shape: a
    softmax over 10x1x1 may be flattened behind.
    """
    output = typed.network.main_output if output is None else output
    last = maker(typed, output)
    node = typed.network.nodes[last]
    activation = _probabilities(loss)
    if activation is None or not isinstance(node, LayerNode):
        return output
    if not isinstance(node.layer, activation):
        return output
    if activation is Softmax and typed.types[last].channels != typed.types[output].channels:
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
        position = node.inputs[0]
        sizes = typed.types[position].spatial
        if isinstance(node.layer, Flatten) and math.prod(sizes) > 1:
            return sizes
        if not (node.layer.passes_on or isinstance(node.layer, _ACTIVATIONS)):
            break
        node = typed.network.nodes[position]
    return ()


_ACTIVATIONS = (LeakyRelu, Relu, ScaledTanh, Sigmoid, Softmax, Tanh)


def _probabilities(loss: Loss) -> type[Layer] | None:
    """The activation that makes probabilities of the scores that a loss takes."""
    if isinstance(loss, CrossEntropy):
        return Softmax
    return Sigmoid if isinstance(loss, BinaryCrossEntropy) else None
