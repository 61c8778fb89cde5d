"""The form that all front ends give: a foreign network in terms of our layers.

A value is named by a text: that of an input, or one of a node's ``outputs``. The order of the
nodes is one in which they can be computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from cnndsl.frozen import frozen
from cnndsl.layers.base import Layer
from cnndsl.types import TensorType

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from cnndsl.elaborate.values import Value
    from cnndsl.recipe.recipe import Recipe

    Array = NDArray[numpy.float32]

__all__ = ["ImportedInput", "ImportedNetwork", "ImportedNode", "Refusal"]


@frozen
class ImportedInput:
    """An input: the name of its value, its type without the batch, how raw data becomes it.

    ``settings`` stand between the input's braces, in the words of a spec and in its order:
    ``{"scale": (1/255,), "mean": ((104, 117, 123),), "layout": ("bgr",), "fit": ("crop", "from",
    256)}``; each a tuple of what stands behind the word.
    """

    name: str
    type: TensorType
    settings: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ImportedNode:
    """One of our layers, as a foreign network has it.

    Attributes:
        layer: with all its settings, as its schema validated them.
        settings: those that were given, in the schema's terms. Words are texts, sizes tuples.
        inputs: the values that it reads.
        outputs: the values that it gives: one, but for ``split``.
        types: the types of these.
        label: what the source calls it, as the source does; empty where it has no name there.
        place: where in the source it stands, for people: ``node `conv1` (Conv)``, ``line 12``.
        weights: its numbers by role (``weight``, ``bias``, ``mean``, …) in our layout; none of
            them where the source has only an architecture.
        share: the first output of the node whose weights it computes with; empty for its own.
    """

    layer: Layer
    settings: Mapping[str, Value]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    types: tuple[TensorType, ...]
    label: str = ""
    place: str = ""
    weights: Mapping[str, Array] = field(default_factory=dict)
    share: str = ""

    @property
    def keyword(self) -> str:
        """The word that a spec writes for it."""
        return self.layer.keyword


@frozen
class Refusal:
    """Something that no spec says: where it stands in the source, what it is, and why not."""

    place: str
    what: str
    why: str


@dataclass(frozen=True, eq=False)
class ImportedNetwork:
    """A foreign network.

    Attributes:
        name: what the source calls it; it need not be a legal name.
        source: what it was read from, for people: ``resnet50.onnx (ONNX, opset 17)``.
        outputs: names for the values that it gives, the main one first.
        heads: names for values that only its training reads: what auxiliary losses are of.
        refused: what cannot be said, in the order of the source. The nodes that depend on it are
            missing from ``nodes``, and ``outputs`` are then the last values before it.
        behind: how many more layers stand behind what is refused.
        notes: what whoever imports should know: numbers that were converted, guesses made.
        classes: the names of the main output's classes.
        recipe: how the source trains it; labels in it are names of ``heads``, and of ``freeze``
            and the like what the source calls layers.
    """

    name: str
    source: str
    inputs: tuple[ImportedInput, ...]
    nodes: tuple[ImportedNode, ...]
    outputs: Mapping[str, str]
    refused: tuple[Refusal, ...] = ()
    behind: int = 0
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    recipe: Recipe | None = None
    heads: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def types(self) -> Mapping[str, TensorType]:
        """The type of every value."""
        found = {one.name: one.type for one in self.inputs}
        for node in self.nodes:
            found.update(zip(node.outputs, node.types, strict=True))
        return found

    @cached_property
    def producers(self) -> Mapping[str, ImportedNode]:
        """The node that gives a value; inputs have none."""
        return {value: node for node in self.nodes for value in node.outputs}

    @property
    def has_weights(self) -> bool:
        """Whether the numbers of all its weights are known."""
        return all(
            node.weights or not node.layer.weights(*(self.types[one] for one in node.inputs))
            for node in self.nodes
            if not node.share
        )
