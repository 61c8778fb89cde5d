"""Compares a spec that was written with the network it was written from, layer by layer.

The spec was read again by the checker; here every layer of one must be the layer of the other,
with the same settings, sizes and inputs. So a mistake of what stands between cannot pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.importers.networks.graph import ImportedNetwork, ImportedNode
from cnndsl.importers.networks.settings import brief_settings, same_settings
from cnndsl.layers.split import Part
from cnndsl.types import TensorType

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.float32]

__all__ = ["Mismatch", "correspondence", "labels_of", "names_of", "weights_of"]


class Mismatch(Exception):  # noqa: N818 (it is a finding, which its catcher handles)
    """Where a spec is not the network that it was written from."""


def correspondence(
    network: ImportedNetwork, order: Sequence[int], typed: TypedNetwork
) -> Mapping[int, int]:
    """For each node of the imported network the position of its (first) layer in the spec.

    ``order`` are the positions of the imported nodes in the order of the text.

    Raises:
        Mismatch: where the two differ.
    """
    values = _inputs(network, typed)
    theirs = _layers(typed, values)
    found: dict[int, int] = {}
    for at in order:
        node = network.nodes[at]
        for index, value in enumerate(node.outputs):
            position = next(theirs, None)
            if position is None:
                raise Mismatch(f"the spec ends before {node.place or node.keyword}")
            _compare(network, node, index, typed, position, values)
            values[position] = value
            found.setdefault(at, position)
    if (more := next(theirs, None)) is not None:
        raise Mismatch(f"the spec has a layer too many: `{typed.network.nodes[more].name}`")
    wanted = list(network.outputs.values())
    given = [values[position] for position in typed.network.outputs.values()]
    if given[:1] != wanted[:1] or set(given) != set(wanted):
        raise Mismatch(f"the spec gives {given}, and the network {wanted}")
    _compare_owners(network, typed, found)
    return found


def _inputs(network: ImportedNetwork, typed: TypedNetwork) -> dict[int, str]:
    """The imported value that each node of the spec is: those of the inputs, to begin with."""
    positions = [
        at for at, node in enumerate(typed.network.nodes) if not isinstance(node, LayerNode)
    ]
    types = [typed.types[at] for at in positions]
    if types != [one.type for one in network.inputs]:
        raise Mismatch("the inputs differ")
    return dict(zip(positions, (one.name for one in network.inputs), strict=True))


def _layers(typed: TypedNetwork, values: dict[int, str]) -> Iterator[int]:
    """The positions of the spec's layers; where the spec says `identity` it means its input."""
    for position, node in enumerate(typed.network.nodes):
        if not isinstance(node, LayerNode):
            continue
        if node.layer.keyword == "identity" and len(node.inputs) == 1:
            values[position] = values[node.inputs[0]]
        else:
            yield position


def _compare(
    network: ImportedNetwork,
    node: ImportedNode,
    index: int,
    typed: TypedNetwork,
    position: int,
    values: Mapping[int, str],
) -> None:
    other = typed.network.nodes[position]
    assert isinstance(other, LayerNode)
    ours, theirs = node.layer, other.layer
    where = f"`{other.name}`, which was {node.place or node.label or node.keyword},"
    if ours.keyword != theirs.keyword:
        raise Mismatch(f"{where} is `{theirs.keyword}`, not `{ours.keyword}`")
    if isinstance(theirs, Part) and theirs.index != index:
        raise Mismatch(f"{where} is another part")
    types: list[TensorType] = [network.types[one] for one in node.inputs]
    wanted, given = brief_settings(ours, types), brief_settings(theirs, types)
    if not same_settings(wanted, given):
        raise Mismatch(f"{where} has {given}, not {wanted}")
    if typed.types[position] != node.types[index]:
        raise Mismatch(f"{where} gives {typed.types[position]}, not {node.types[index]}")
    sources = [values.get(at, "") for at in other.inputs]
    if sources[: len(node.inputs)] != list(node.inputs):
        raise Mismatch(f"{where} reads {sources}, not {list(node.inputs)}")


def _compare_owners(
    network: ImportedNetwork, typed: TypedNetwork, found: Mapping[int, int]
) -> None:
    """Layers share weights where those of the source do, and nowhere else."""
    places = {id(node): at for at, node in enumerate(network.nodes)}
    for at, position in found.items():
        node = network.nodes[at]
        owner = at if not node.share else places[id(network.producers[node.share])]
        if typed.network.owners[position] != found[owner]:
            name = typed.network.nodes[position].name
            raise Mismatch(f"`{name}` has not the weights of {network.nodes[owner].place}")


def labels_of(
    network: ImportedNetwork, typed: TypedNetwork, found: Mapping[int, int]
) -> dict[str, str]:
    """The names in the spec of the layers that the network's recipe speaks of, by their labels."""
    recipe = network.recipe
    if recipe is None:
        return {}
    spoken_of = {
        *recipe.freeze,
        *(one.label for one in recipe.lr_factors),
        *(one.label for one in recipe.max_norms),
    }
    return {
        network.nodes[at].label: typed.network.nodes[position].name
        for at, position in found.items()
        if network.nodes[at].label in spoken_of and not network.nodes[at].share
    }


def names_of(
    network: ImportedNetwork, typed: TypedNetwork, found: Mapping[int, int]
) -> dict[str, str]:
    """The names in the spec of layers with weights, by what the source calls them, each once."""
    known = network.types
    names: dict[str, list[str]] = {}
    for at, position in found.items():
        node = network.nodes[at]
        if node.label and not node.share and node.layer.weights(*(known[v] for v in node.inputs)):
            names.setdefault(node.label, []).append(typed.network.nodes[position].name)
    return {label: one for label, (one, *more) in names.items() if not more}


def weights_of(
    network: ImportedNetwork, typed: TypedNetwork, found: Mapping[int, int]
) -> dict[str, Array]:
    """The numbers of the network's weights, under the names that the spec gives them."""
    weights: dict[str, Array] = {}
    for at, position in found.items():
        node = network.nodes[at]
        if not node.share:
            name = typed.network.nodes[position].name
            weights.update({f"{name}.{role}": array for role, array in node.weights.items()})
    return weights
