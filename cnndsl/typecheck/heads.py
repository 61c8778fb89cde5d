"""Finds the heads of a network: the outputs and layers whose losses training makes small."""

from __future__ import annotations

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import Network, TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.recipe.losses.base import Loss
from cnndsl.recipe.recipe import Recipe

__all__ = ["Head", "asks_the_same", "head_positions", "heads_of", "judged_outputs"]


@frozen
class Head:
    """A head: its name, its node's position, its loss, and what that is multiplied by.

    The name is that of the output which it is, if it is one.
    """

    name: str
    position: int
    loss: Loss
    weight: float


def heads_of(network: Network, recipe: Recipe | None = None) -> tuple[Head, ...]:
    """The heads of a network by a recipe, or by its own; the main output first.

    Raises:
        UserError: CNN103 where the recipe names one that the network does not have.
    """
    recipe = recipe or network.recipe or Recipe()
    outputs = {position: name for name, position in reversed([*network.outputs.items()])}
    found = []
    for one in recipe.losses(network.main):
        position = _position(network, one.head)
        found.append(Head(outputs.get(position, one.head), position, one.loss, one.weight))
    return tuple(found)


def head_positions(network: Network, recipe: Recipe | None = None) -> list[int]:
    """The positions of the heads of a network, the main output's first.

    Raises:
        UserError: as :func:`heads_of`.
    """
    return [head.position for head in heads_of(network, recipe)]


def judged_outputs(network: Network, recipe: Recipe | None = None) -> tuple[Head, ...]:
    """The heads that the inference model has too: those that are outputs."""
    outputs = set(network.outputs.values())
    return tuple(head for head in heads_of(network, recipe) if head.position in outputs)


def asks_the_same(typed: TypedNetwork, head: Head, recipe: Recipe | None = None) -> bool:
    """Whether a head asks what the main output asks: labels of one kind, for the same sizes.

    It may take the main output's labels then.
    """
    main = heads_of(typed.network, recipe)[0]
    sizes = (typed.types[one.position].dims for one in (main, head))
    return main.loss.labels is head.loss.labels and len({*sizes}) == 1


def _position(network: Network, name: str) -> int:
    """An output, a label, a call or a layer of this name."""
    for known in (network.outputs, network.scopes):
        if name in known:
            return known[name]
    found = (at for at, node in enumerate(network.nodes) if node.name == name)
    position = next(found, None)
    if position is None:
        help = "name an output or a label of the network"
        raise UserError("CNN103", f"no output or label is called `{name}`", help=help)
    return position
