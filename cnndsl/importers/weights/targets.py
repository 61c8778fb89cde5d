"""Turns a network into the layers that weights are wanted for, in terms of roles as sources are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cnndsl.analysis.liveness import live_nodes
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import LayerNode, Network, TypedNetwork
from cnndsl.graph.lower import network_weights
from cnndsl.importers.weights.darknet_file import DarknetLayer
from cnndsl.importers.weights.source import Role, kernel_axes
from cnndsl.layers.rearrange import Transpose
from cnndsl.typecheck.heads import head_positions

__all__ = [
    "Group",
    "TargetLayer",
    "TargetTensor",
    "darknet_layers",
    "group_of",
    "targets_of",
    "training_heads",
]


class Group(StrEnum):
    """Layers that may stand for each other: those with the same roles, whatever they are called."""

    KERNEL = "kernel"
    """Convolutions, products and embeddings."""
    NORM = "normalisation"
    """With running statistics."""
    AFFINE = "scale and bias"
    VECTOR = "vector"
    OFFSET = "bias alone"
    ATTENTION = "attention"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TargetTensor:
    """A weight of the network: its full name, what it is, and its shape.

    ``optional`` is whether it is 0 where a file has none.
    """

    name: str
    role: Role
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class TargetLayer:
    """A layer that has weights.

    Attributes:
        name: its name in the spec.
        keyword: what it is there.
        axes: a letter for each axis of its kernel, as in :mod:`~cnndsl.importers.weights.source`.
        required: whether the compiled model has it too; heads of training it has not.
        maps: the feature maps (channels, sizes…) that its input is the flattened numbers of; empty
            where it is no such input, None where such are mixed with others.
        norm: the normalisation that alone reads what it gives, empty where there is none.
        eps: what a normalisation adds to variances.
        place: its node's position, and ``before`` those of all nodes that it depends on, as bits.
    """

    name: str
    keyword: str
    tensors: tuple[TargetTensor, ...]
    axes: str = ""
    required: bool = True
    maps: tuple[int, ...] | None = ()
    norm: str = ""
    place: int = 0
    before: int = 0
    eps: float | None = None

    def is_beside(self, other: TargetLayer) -> bool:
        """Whether neither of two layers depends on the other: they stand on branches."""
        return not (self.before >> other.place & 1 or other.before >> self.place & 1)

    def get(self, role: Role) -> TargetTensor | None:
        """The weight of a role."""
        return next((one for one in self.tensors if one.role == role), None)

    @property
    def group(self) -> Group:
        """What it may be paired with."""
        return group_of(frozenset(one.role for one in self.tensors))


def group_of(roles: frozenset[Role]) -> Group:
    """The group of a layer, here or there, by the roles of its tensors."""
    if Role.OTHER in roles:
        return Group.OTHER
    if Role.KERNEL in roles:
        return Group.KERNEL
    if Role.MEAN in roles:
        return Group.NORM
    if Role.IN_WEIGHT in roles:
        return Group.ATTENTION
    if roles == {Role.BIAS}:
        return Group.OFFSET
    return Group.AFFINE if Role.BIAS in roles else Group.VECTOR


_ORDERS = {
    "conv": "OI*",
    "depthwise": "OI*",
    "upconv": "IO*",
    "dense": "OI",
    "dropconnect": "OI",
}
"""The axes of our kernels; others have none that another tool's have too."""


def targets_of(typed: TypedNetwork) -> tuple[TargetLayer, ...]:
    """The layers with weights of a network and its heads, in the order of the spec."""
    network = typed.network
    needed = network_weights(typed)
    heads = training_heads(network)
    readers: dict[int, list[int]] = {}
    for at, node in enumerate(network.nodes):
        for read in node.inputs:
            readers.setdefault(read, []).append(at)
    before = _before(network)
    answers = {*network.outputs.values(), *heads}
    found = []
    for at in live_nodes(network, [*network.outputs.values(), *heads]):
        node, weights = network.nodes[at], typed.weights[at]
        if not isinstance(node, LayerNode) or not weights:
            continue
        tensors = tuple(
            TargetTensor(f"{node.name}.{one.name}", Role(one.name), one.shape) for one in weights
        )
        found.append(
            TargetLayer(
                node.name,
                node.layer.keyword,
                tensors,
                axes=kernel_axes(_ORDERS.get(node.layer.keyword, ""), len(weights[0].shape)),
                required=tensors[0].name in needed,
                maps=_maps(typed, node.inputs[0]) if node.inputs else (),
                norm="" if at in answers else _norm(typed, readers.get(at, [])),
                place=at,
                before=before[at],
                eps=getattr(node.layer, "eps", None),
            )
        )
    return tuple(found)


def training_heads(network: Network) -> Sequence[int]:
    """The positions of the heads of training; none where its recipe cannot be carried out."""
    try:
        return head_positions(network)
    except UserError:  # the network still answers
        return ()


def _before(network: Network) -> list[int]:
    """For each node the positions of those that it depends on, as bits."""
    before: list[int] = []
    for node in network.nodes:
        bits = 0
        for read in node.inputs:
            bits |= before[read] | 1 << read
        before.append(bits)
    return before


def _norm(typed: TypedNetwork, readers: list[int]) -> str:
    if len(readers) != 1:
        return ""
    node = typed.network.nodes[readers[0]]
    is_norm = isinstance(node, LayerNode) and node.layer.keyword == "batchnorm"
    return node.name if is_norm else ""


def _maps(typed: TypedNetwork, position: int) -> tuple[int, ...] | None:
    """The feature maps whose numbers, one behind the other, a node gives; () where it gives none.

    What goes on between `flatten` and the node treats each number by itself.
    """
    while True:
        node, kind = typed.network.nodes[position], typed.types[position]
        if not isinstance(node, LayerNode) or kind.spatial:
            return ()
        if node.layer.keyword in ("flatten", "reshape") and typed.types[node.inputs[0]].spatial:
            return _flattened(typed, node.inputs[0])
        if len(node.inputs) != 1:
            found = {_maps(typed, one) for one in node.inputs}
            if node.layer.keyword == "concat" or len(found) > 1:
                return () if found == {()} else None
            return found.pop()
        layer = node.layer
        by_itself = layer.per_channel or layer.activation or layer.shares != "never"
        if not by_itself or typed.types[node.inputs[0]].dims != kind.dims:
            return ()
        position = node.inputs[0]


def _flattened(typed: TypedNetwork, position: int) -> tuple[int, ...] | None:
    """The maps that are flattened, if the channels of these come first.

    Where the spec itself has put them last, their numbers are in the order of tools that do; None
    for any other order.
    """
    maps = typed.types[position]
    if math.prod(maps.spatial) == 1 or maps.channels == 1:
        return ()
    while True:
        node = typed.network.nodes[position]
        if not isinstance(node, LayerNode) or len(node.inputs) != 1:
            return maps.dims
        before = typed.types[node.inputs[0]]
        if isinstance(node.layer, Transpose):
            is_last = node.layer.order_of(before) == (*range(1, len(before.dims)), 0)
            return () if is_last else None
        by_itself = node.layer.activation or node.layer.shares != "never"
        if not by_itself or before.dims != maps.dims:
            return maps.dims
        position = node.inputs[0]


def darknet_layers(targets: tuple[TargetLayer, ...], path: str) -> Iterator[DarknetLayer]:
    """What Darknet's file of this network holds: a layer and its normalisation are one there.

    Raises:
        UserError: CNN652 for a layer that Darknet does not have.
    """
    kinds = {"conv": "convolutional", "depthwise": "convolutional", "upconv": "deconvolutional"}
    kinds |= {"dense": "connected", "localconv": "local"}
    norms = {one.norm for one in targets if one.norm and one.keyword in kinds}
    for one in targets:
        if one.name in norms or not one.required:
            continue
        kernel, bias = one.get(Role.KERNEL), one.get(Role.BIAS)
        if one.keyword == "batchnorm":
            shape = one.tensors[0].shape
            yield DarknetLayer(one.name, "batchnorm", shape[0])
            continue
        has_bias = bias is not None
        if one.keyword not in kinds or kernel is None or has_bias == bool(one.norm):
            why = "is no layer of Darknet's"
            if one.keyword in kinds:
                why = "has a bias and a normalisation" if has_bias else "has neither bias nor norm"
            raise UserError(
                "CNN652",
                f"`{path}` cannot be read by this spec: `{one.name}` ({one.keyword}) {why}",
                help="write the network as Darknet has it: each convolution has a bias, or"
                " `bias no` and a `batchnorm` behind it",
            )
        outputs = math.prod(bias.shape) if bias is not None else kernel.shape[0]
        if one.keyword == "upconv" and one.norm:
            outputs = kernel.shape[1]
        yield DarknetLayer(
            one.name,
            kinds[one.keyword],  # type: ignore[arg-type]
            outputs,
            kernel.shape,
            normalised=bool(one.norm),
            norm=one.norm,
        )
