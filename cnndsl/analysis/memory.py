"""Memory: what a network's values take while it answers, and what a training step takes.

All numbers are bytes of the tensors themselves, exact; what a runtime adds (working space of a
convolution, rounding of its arena) is not in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.recipe.recipe import Recipe
from cnndsl.types import DType

__all__ = [
    "MASK",
    "NUMBER",
    "TrainingMemory",
    "alive_at_peak",
    "all_learning",
    "differentiated",
    "peak_activations",
    "saved_bytes",
    "training_memories",
    "training_memory",
    "weight_bytes",
]

NUMBER = DType.FLOAT32.size
"""Bytes of a weight, a gradient and a number of the optimizer's state."""

MASK = 1
"""Bytes of an element of a mask: ONNX's bool."""


# --- inference --------------------------------------------------------------------------------


def peak_activations(typed: TypedNetwork, batch: int = 1) -> int:
    """The most bytes of values alive at once when the layers run one after another, as listed.

    A value lives from the layer that makes it to the last one that reads it, both included; the
    inputs live from the beginning, the outputs to the end. What shares its input's memory (a
    reshaped view; dropout, which does nothing at inference) takes none of its own.
    """
    return batch * sum(typed.types[position].bytes for position in alive_at_peak(typed))


def alive_at_peak(typed: TypedNetwork) -> frozenset[int]:
    """The nodes whose values are alive where most bytes are."""
    nodes = typed.network.nodes
    owners = _owners(typed, training=False)
    dying: list[list[int]] = [[] for _ in nodes]
    for owner, reader in _last_readers(typed, owners).items():
        dying[reader].append(owner)
    alive = {at for at, node in enumerate(nodes) if isinstance(node, InputNode)}
    size = peak = sum(typed.types[at].bytes for at in alive)
    most = frozenset(alive)
    for position, node in enumerate(nodes):
        if isinstance(node, LayerNode) and owners[position] == position:
            alive.add(position)
            size += typed.types[position].bytes
            if size > peak:
                peak, most = size, frozenset(alive)
        alive.difference_update(dying[position])
        size -= sum(typed.types[owner].bytes for owner in dying[position])
    return most


def _owners(typed: TypedNetwork, *, training: bool) -> Sequence[int]:
    """For each node, the one whose output's memory holds its own output."""
    sharing = ("always",) if training else ("always", "inference")
    owners: list[int] = []
    for position, node in enumerate(typed.network.nodes):
        if isinstance(node, LayerNode) and node.layer.shares in sharing:
            owners.append(owners[node.inputs[0]])
        else:
            owners.append(position)
    return owners


def _last_readers(typed: TypedNetwork, owners: Sequence[int]) -> dict[int, int]:
    """The last node that reads each memory (itself, where nobody does); outputs have none."""
    last = {owner: owner for owner in owners}
    for position, node in enumerate(typed.network.nodes):
        for source in node.inputs:
            last[owners[source]] = position
    for position in typed.network.outputs.values():
        last.pop(owners[position], None)
    return last


# --- weights ----------------------------------------------------------------------------------


def weight_bytes(typed: TypedNetwork) -> int:
    """Bytes of all parameters and buffers."""
    return NUMBER * sum(weight.elements for weights in typed.weights for weight in weights)


def all_learning(typed: TypedNetwork, recipe: Recipe) -> list[int]:
    """How many numbers of each node's weights training changes: none of a frozen layer's."""
    return [
        0
        if recipe.freezes(node.name)
        else sum(weight.elements for weight in weights if weight.trainable)
        for node, weights in zip(typed.network.nodes, typed.weights, strict=True)
    ]


# --- training ---------------------------------------------------------------------------------


@frozen
class TrainingMemory:
    """What a training step holds at once, in bytes."""

    weights: int
    """Parameters, frozen ones too, and buffers."""
    gradients: int
    """A number for each parameter that learns; of shards, sums that are yet to be added too."""
    optimizer: int
    """The optimizer's state: its slots for each parameter that learns."""
    activations: int
    """What the backward pass needs of the forward pass, for a batch or the largest shard of it."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations


def training_memory(typed: TypedNetwork, recipe: Recipe, batch: int) -> TrainingMemory:
    """What a training step of this recipe takes with a batch of this size, in one process."""
    return training_memories(typed, recipe)(batch, recipe.shards)


def training_memories(typed: TypedNetwork, recipe: Recipe) -> Callable[[int, int], TrainingMemory]:
    """What a training step takes by its batch and its shards, where all else is the recipe's."""
    learning = all_learning(typed, recipe)
    weights, gradients = weight_bytes(typed), NUMBER * sum(learning)
    saved = sum(saved_bytes(typed, learning))

    def memory(batch: int, shards: int) -> TrainingMemory:
        # The gradients of neighbouring shards are added in a tree: one for each of its levels.
        levels = 1 + (shards - 1).bit_length()
        return TrainingMemory(
            weights=weights,
            gradients=gradients * levels,
            optimizer=gradients * recipe.optimizer.slots,
            activations=-(-batch // shards) * saved,
        )

    return memory


def saved_bytes(typed: TypedNetwork, learning: Sequence[int]) -> list[int]:
    """Bytes of each node that the backward pass of one sample needs: its value, its mask.

    A value that several layers need counts once, at the node that makes it. No gradient goes below
    the first layer that learns (``learning`` has each node's numbers that do), so what lies there
    saves nothing.
    """
    owners = _owners(typed, training=True)
    saved: set[int] = set()
    sizes = [0] * len(typed.types)
    for position in differentiated(typed, learning):
        node = typed.network.nodes[position]
        assert isinstance(node, LayerNode)
        if "inputs" in node.layer.saves:
            saved.update(owners[source] for source in node.inputs)
        if "output" in node.layer.saves:
            saved.add(owners[position])
        if "mask" in node.layer.saves:
            sizes[position] += MASK * typed.types[position].elements
    for owner in saved:
        sizes[owner] += typed.types[owner].bytes
    return sizes


def differentiated(typed: TypedNetwork, learning: Sequence[int]) -> list[int]:
    """The layers through which the backward pass goes: those that learn, and all behind them."""
    found: set[int] = set()
    for position, node in enumerate(typed.network.nodes):
        if isinstance(node, LayerNode):
            learns = learning[typed.network.owners[position]] > 0
            if learns or not found.isdisjoint(node.inputs):
                found.add(position)
    return sorted(found)
