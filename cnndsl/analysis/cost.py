"""What a network costs in numbers: parameters, buffers, multiply-accumulates.

Counted as papers do: parameters are the learnable numbers (a batch normalisation's running
statistics are buffers), one MAC is one multiply-accumulate of a convolution or dense layer for one
sample, biases left out. A FLOP count that tells multiplication and addition apart is twice that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cnndsl.analysis.liveness import live_nodes
from cnndsl.analysis.memory import (
    TrainingMemory,
    all_learning,
    differentiated,
    peak_activations,
    training_memory,
    weight_bytes,
)
from cnndsl.analysis.receptive_fields import receptive_fields
from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.elaborate.quantities import Quantity
from cnndsl.recipe.recipe import Recipe

__all__ = [
    "activation_bytes_of",
    "backward_macs",
    "buffers_of",
    "depth",
    "inference_macs",
    "inference_params",
    "macs_of",
    "params_of",
    "quantity",
    "total",
    "trainable_params",
]


# --- one layer --------------------------------------------------------------------------------


def params_of(typed: TypedNetwork, position: int) -> int:
    """The learnable numbers of a node, frozen or not."""
    return sum(weight.elements for weight in typed.weights[position] if weight.trainable)


def buffers_of(typed: TypedNetwork, position: int) -> int:
    """The numbers of a node that are state, not learnt."""
    return sum(weight.elements for weight in typed.weights[position] if not weight.trainable)


def macs_of(typed: TypedNetwork, position: int) -> int:
    """The multiply-accumulates of a node for one sample."""
    node = typed.network.nodes[position]
    return node.layer.macs(*typed.input_types(node)) if isinstance(node, LayerNode) else 0


def activation_bytes_of(typed: TypedNetwork, position: int) -> int:
    """The bytes of a layer's output for one sample; an input's are not counted."""
    node = typed.network.nodes[position]
    return typed.types[position].bytes if isinstance(node, LayerNode) else 0


def backward_macs(typed: TypedNetwork) -> list[int]:
    """The multiply-accumulates of each node's gradients, for one sample.

    The gradient of a node's kernels takes as many as the node itself, where they learn, and so does
    that of its input, where a layer before it learns.
    """
    learning = all_learning(typed, typed.network.recipe or Recipe())
    passed = frozenset(differentiated(typed, learning))
    return [
        macs_of(typed, at) * ((learning[owner] > 0) + (not passed.isdisjoint(node.inputs)))
        for at, (node, owner) in enumerate(
            zip(typed.network.nodes, typed.network.owners, strict=True)
        )
    ]


# --- the network ------------------------------------------------------------------------------


def total(count: Callable[[TypedNetwork, int], int], typed: TypedNetwork) -> int:
    """A count, summed over all nodes."""
    return sum(count(typed, position) for position in range(len(typed.network.nodes)))


def trainable_params(typed: TypedNetwork) -> int:
    """The parameters that training changes: all but the frozen ones."""
    recipe = typed.network.recipe or Recipe()
    return sum(all_learning(typed, recipe))


def inference_params(typed: TypedNetwork) -> int:
    """The parameters of the compiled model: those that no output needs are training's alone."""
    owners = {typed.network.owners[position] for position in live_nodes(typed.network)}
    return sum(params_of(typed, owner) for owner in owners)


def inference_macs(typed: TypedNetwork) -> int:
    """The multiply-accumulates of the compiled model, for one sample."""
    return sum(macs_of(typed, position) for position in live_nodes(typed.network))


def depth(typed: TypedNetwork) -> int:
    """Convolutions and dense layers on the longest path: the 16 of VGG-16, the 50 of ResNet-50."""
    depths: list[int] = []
    for position, node in enumerate(typed.network.nodes):
        if isinstance(node, InputNode):
            depths.append(0)
        else:
            # A product of two streams has no weights, and counts as no layer.
            has_weights = bool(typed.weights[typed.network.owners[position]])
            counts = 1 if has_weights and macs_of(typed, position) else 0
            depths.append(counts + max(depths[source] for source in node.inputs))
    return max((depths[position] for position in typed.network.outputs.values()), default=0)


# --- what `expect` knows ----------------------------------------------------------------------


def _step(typed: TypedNetwork) -> TrainingMemory:
    """The memory of a step of the spec's own recipe."""
    recipe = typed.network.recipe or Recipe()
    return training_memory(typed, recipe, recipe.batch)


def _layers(typed: TypedNetwork) -> int:
    return sum(isinstance(node, LayerNode) for node in typed.network.nodes)


_COMPUTED: Mapping[Quantity, Callable[[TypedNetwork], tuple[int, ...]]] = {
    Quantity.PARAMS: lambda typed: (total(params_of, typed),),
    Quantity.TRAINABLE_PARAMS: lambda typed: (trainable_params(typed),),
    Quantity.INFERENCE_PARAMS: lambda typed: (inference_params(typed),),
    Quantity.BUFFERS: lambda typed: (total(buffers_of, typed),),
    Quantity.MACS: lambda typed: (total(macs_of, typed),),
    Quantity.INFERENCE_MACS: lambda typed: (inference_macs(typed),),
    Quantity.OUTPUT: lambda typed: typed.main_type.dims,
    Quantity.RECEPTIVE_FIELD: lambda typed: (
        receptive_fields(typed)[typed.network.main_output].sizes
    ),
    Quantity.LAYERS: lambda typed: (_layers(typed),),
    Quantity.DEPTH: lambda typed: (depth(typed),),
    Quantity.WEIGHT_BYTES: lambda typed: (weight_bytes(typed),),
    Quantity.ACTIVATION_BYTES: lambda typed: (total(activation_bytes_of, typed),),
    Quantity.PEAK_ACTIVATION_BYTES: lambda typed: (peak_activations(typed),),
    Quantity.TRAINING_BYTES: lambda typed: (_step(typed).total,),
    Quantity.TRAINING_ACTIVATION_BYTES: lambda typed: (_step(typed).activations,),
}


def quantity(typed: TypedNetwork, name: str) -> tuple[int, ...]:
    """The true value of a :class:`Quantity`, given by its name."""
    return _COMPUTED[Quantity(name)](typed)
