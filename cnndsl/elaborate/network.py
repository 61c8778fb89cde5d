"""Networks: a spec with its blocks expanded and names resolved, and the same with types.

``resolve`` makes a :class:`Network`: a list of nodes in topological order, each an input or a
layer with its parameters validated. ``infer`` makes a :class:`TypedNetwork` of it: the type of
every node's output. Nodes name each other by their position in the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property

import typing_extensions

from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.scope import BlockCall, BlockDefinition
from cnndsl.elaborate.values import Value
from cnndsl.frozen import frozen
from cnndsl.layers.base import Layer, Weight
from cnndsl.recipe.preparation import Preparation
from cnndsl.recipe.recipe import Recipe
from cnndsl.syntax.ast import Comparison, Module
from cnndsl.types import TensorType

__all__ = [
    "Budget",
    "Expectation",
    "InputNode",
    "LayerNode",
    "Network",
    "Node",
    "NodeClaim",
    "Share",
    "TypedNetwork",
]


@frozen
class InputNode:
    """An input of the network.

    ``assumed`` are the positions of sizes that are a ``?``, while no number is found for it.
    """

    name: str
    type: TensorType
    preparation: Preparation
    span: Span
    assumed: frozenset[int] = frozenset()

    @property
    def inputs(self) -> tuple[int, ...]:
        """The positions of the nodes that it reads, as a layer has them: none."""
        return ()


@frozen
class Share:
    """``share left``: the layer that has the weights, and where its label stands."""

    owner: str
    span: Span


@frozen
class LayerNode:
    """A layer in its place.

    ``name`` is unique in the network: ``layer1.2.conv1``. ``inputs`` are the positions of the
    nodes it reads. ``span`` covers the layer and its arguments, ``places`` the value of each
    parameter that was written; ``trace`` are the calls that led here through blocks, the outermost
    first. ``share`` says whose weights it uses, where they are not its own.
    """

    name: str
    layer: Layer
    inputs: tuple[int, ...]
    span: Span
    places: Mapping[str, Span] = field(default_factory=dict)
    trace: tuple[Span, ...] = ()
    share: Share | None = None
    notes: tuple[str, ...] = ()
    """What is worth saying beside a fault of it."""

    @property
    def owner(self) -> str:
        """The name of the layer that has its weights, and after which they are called."""
        return self.share.owner if self.share else self.name


Node = InputNode | LayerNode


@frozen
class NodeClaim:
    """``=> 6x28x28`` about a node's output."""

    node: int
    dims: tuple[int, ...]
    span: Span


@frozen
class Expectation:
    """``expect params 61706``: a quantity and what it must be (a number, or sizes)."""

    quantity: str
    value: tuple[int, ...]
    span: Span
    value_span: Span


@frozen
class Budget:
    """``expect params <= 5e6``: a quantity, a sign, and the number or sizes on its other side."""

    quantity: str
    comparison: Comparison
    value: tuple[int | float, ...]


@frozen
class Network:
    """A whole network: ``nodes`` in topological order, inputs first, ``outputs`` by name.

    The first output is the main one: the stream at the end of the file.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: Mapping[str, int]
    scopes: Mapping[str, int]
    """The nodes that labels and calls of blocks name, besides each node's own name."""
    claims: tuple[NodeClaim, ...]
    expectations: tuple[Expectation, ...]
    classes: tuple[str, ...]
    recipe: Recipe | None
    parameters: Mapping[str, Value]
    module: Module
    budgets: tuple[Budget, ...] = ()
    imported: tuple[BlockDefinition, ...] = ()
    """The blocks that the file brings in from others."""
    overridden: bool = False
    """Whether a parameter has another value than its default, so that expectations do not speak of
    this network; budgets do."""
    calls: Mapping[str, BlockCall] = field(default_factory=dict)
    """Every call of a block, by its full name, which the names of the layers in it begin with."""
    labels: frozenset[str] = frozenset()
    """The full names that are labels of the text; layers and calls without one got a number."""

    @cached_property
    def inputs(self) -> tuple[InputNode, ...]:
        """The input nodes."""
        return tuple(node for node in self.nodes if isinstance(node, InputNode))

    @property
    def main(self) -> str:
        """The name of the main output."""
        return next(iter(self.outputs))

    @property
    def main_output(self) -> int:
        """The position of the node that the main output is."""
        return self.outputs[self.main]

    @cached_property
    def owners(self) -> tuple[int, ...]:
        """For every node, the position of the one that has its weights: nearly always its own."""
        positions = {node.name: at for at, node in enumerate(self.nodes)}
        return tuple(
            positions[node.owner] if isinstance(node, LayerNode) and node.share else at
            for at, node in enumerate(self.nodes)
        )


@frozen
class TypedNetwork:
    """A network with the type of every node's output and every layer's weights: all known."""

    network: Network
    types: tuple[TensorType, ...]
    weights: tuple[tuple[Weight, ...], ...]
    """The weights that each node owns, by position; names are local (``weight``)."""

    @typing_extensions.override
    def __repr__(self) -> str:
        return f"<TypedNetwork {self.name}: {len(self.network.nodes)} nodes>"

    @property
    def name(self) -> str:
        """The network's name."""
        return self.network.name

    @property
    def main_type(self) -> TensorType:
        """The type of the main output."""
        return self.types[self.network.main_output]

    def input_types(self, node: LayerNode) -> tuple[TensorType, ...]:
        """The types of what a node reads."""
        return tuple(self.types[position] for position in node.inputs)

    def weights_of(self, position: int) -> dict[str, Weight]:
        """The weights that a node computes with, its own or shared, by full names: ``C1.weight``.

        Every name of a weight comes from here.
        """
        owner = self.network.owners[position]
        name = self.network.nodes[owner].name
        return {f"{name}.{weight.name}": weight for weight in self.weights[owner]}
