"""What each layer of a network adds to one of its quantities: which of them a budget pays for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cnndsl.analysis.cost import activation_bytes_of, buffers_of, macs_of, params_of
from cnndsl.analysis.liveness import live_nodes
from cnndsl.analysis.memory import NUMBER, alive_at_peak, all_learning, saved_bytes
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.quantities import Quantity
from cnndsl.recipe.recipe import Recipe

__all__ = ["layer_costs"]


def layer_costs(typed: TypedNetwork, name: str) -> list[int]:
    """What every node adds to a quantity, by position; empty where it is no sum over layers.

    They sum up to the quantity.
    """
    count = _COSTS.get(Quantity(name))
    return count(typed) if count else []


def _each(count: Callable[[TypedNetwork, int], int], typed: TypedNetwork) -> list[int]:
    return [count(typed, position) for position in range(len(typed.network.nodes))]


def _live(count: Callable[[TypedNetwork, int], int], typed: TypedNetwork) -> list[int]:
    """A count of the nodes that outputs depend on."""
    live = frozenset(live_nodes(typed.network))
    return [number if at in live else 0 for at, number in enumerate(_each(count, typed))]


def _live_params(typed: TypedNetwork) -> list[int]:
    """The parameters of those that outputs depend on, at the nodes that have them."""
    owners = {typed.network.owners[position] for position in live_nodes(typed.network)}
    return [number if at in owners else 0 for at, number in enumerate(_each(params_of, typed))]


def _learning(typed: TypedNetwork) -> list[int]:
    return all_learning(typed, typed.network.recipe or Recipe())


def _weights(typed: TypedNetwork) -> list[int]:
    return [NUMBER * sum(one.elements for one in weights) for weights in typed.weights]


def _peak(typed: TypedNetwork) -> list[int]:
    alive = alive_at_peak(typed)
    return [kind.bytes if at in alive else 0 for at, kind in enumerate(typed.types)]


def _saved(typed: TypedNetwork) -> list[int]:
    """What a training step keeps of each node's output, for the recipe's batch."""
    batch = (typed.network.recipe or Recipe()).batch
    return [batch * size for size in saved_bytes(typed, _learning(typed))]


def _training(typed: TypedNetwork) -> list[int]:
    """Weights, gradients, the optimizer's state, and what is kept for the backward pass."""
    slots = (typed.network.recipe or Recipe()).optimizer.slots
    parts = zip(_weights(typed), _learning(typed), _saved(typed), strict=True)
    return [weights + NUMBER * (1 + slots) * learnt + saved for weights, learnt, saved in parts]


_COSTS: Mapping[Quantity, Callable[[TypedNetwork], list[int]]] = {
    Quantity.PARAMS: lambda typed: _each(params_of, typed),
    Quantity.TRAINABLE_PARAMS: _learning,
    Quantity.INFERENCE_PARAMS: _live_params,
    Quantity.BUFFERS: lambda typed: _each(buffers_of, typed),
    Quantity.MACS: lambda typed: _each(macs_of, typed),
    Quantity.INFERENCE_MACS: lambda typed: _live(macs_of, typed),
    Quantity.WEIGHT_BYTES: _weights,
    Quantity.ACTIVATION_BYTES: lambda typed: _each(activation_bytes_of, typed),
    Quantity.PEAK_ACTIVATION_BYTES: _peak,
    Quantity.TRAINING_BYTES: _training,
    Quantity.TRAINING_ACTIVATION_BYTES: _saved,
}
