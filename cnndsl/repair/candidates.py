"""A window that does not fit, a change that may mend it, and how the change is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum, auto
from functools import cached_property

from cnndsl.diagnostics.model import Edit
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.network import LayerNode, Node
from cnndsl.frozen import frozen, replace
from cnndsl.layers.base import Layer
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.window import Rounding, Window
from cnndsl.syntax.ast import Let, Module, Number, Param
from cnndsl.typecheck.facts import Inference
from cnndsl.types import TensorType

__all__ = [
    "Candidate",
    "Case",
    "Literal",
    "Rank",
    "Surroundings",
    "collapsed",
    "edit_of",
    "literal",
    "padding_rank",
    "rewritten",
    "spelled",
    "with_parameters",
]


class Rank(IntEnum):
    """What is proposed first: what a person most likely meant, and changes the least."""

    ORDER = auto()
    """An input with its channels first, where they stand last."""
    PADDING = auto()
    """Up to half the kernel, as it is nearly always: a padding that was forgotten."""
    OUTPUT_PADDING = auto()
    BRANCH = auto()
    """Paddings that were forgotten in branches of a join."""
    FREE_FLOOR = auto()
    """`rounding floor` where it drops nothing but padding."""
    INPUT = auto()
    """Near the size written: the layers stay as they are."""
    FLOOR = auto()
    FLOOR_EVERYWHERE = auto()
    CEIL = auto()
    KERNEL = auto()
    STRIDE = auto()
    SECOND = auto()
    """A second choice of any of these."""
    DILATION = auto()
    SAME = auto()
    WIDE_PADDING = auto()
    FAR_INPUT = auto()


@frozen
class Candidate:
    """A change that may mend a failure.

    ``action`` says it as an imperative; ``reason`` adds what that does, where the size rule with
    its new numbers would not. ``distance`` orders candidates of the same rank. ``changed`` are the
    network's nodes as the edits would make them.
    """

    rank: Rank
    action: str
    edits: tuple[Edit, ...]
    changed: Mapping[int, Node]
    reason: str = ""
    distance: int = 0


@frozen
class Literal:
    """Where the digits of a value stand: at its place, or in the ``let`` or ``param`` it names."""

    span: Span
    constant: str = ""


@frozen
class Surroundings:
    """What the failures of one spec have in common."""

    inference: Inference
    kinds: Mapping[FaultKind, int]
    """How many places of the text have each kind of fault."""

    @cached_property
    def floored(self) -> Mapping[int, Node]:
        """The nodes that `rounding floor` at the top of the file would change."""
        network = self.inference.network
        return {
            position: with_parameters(node, {"rounding": Rounding.FLOOR})
            for position, node in enumerate(network.nodes)
            if isinstance(node, LayerNode)
            and node.span.source is network.module.source
            and "rounding" not in node.places
            and getattr(node.layer, "rounding", None) is Rounding.EXACT
        }


@frozen
class Case:
    """A layer in the text whose window does not fit its input.

    ``failing`` are the nodes at which that is so, ``alike`` all nodes that the same text makes:
    one for each call of its block, and for each round of a loop.
    """

    around: Surroundings
    kind: FaultKind
    failing: tuple[int, ...]
    alike: tuple[int, ...]

    @property
    def inference(self) -> Inference:
        """What is known of the network."""
        return self.around.inference

    @property
    def accompanied(self) -> bool:
        """Whether the same is wrong in other places of the text too."""
        return self.around.kinds[self.kind] > 1

    @property
    def node(self) -> LayerNode:
        """The node at which the failure is shown."""
        node = self.inference.network.nodes[self.failing[0]]
        assert isinstance(node, LayerNode)
        return node

    @property
    def layer(self) -> Layer:
        """Its layer."""
        return self.node.layer

    @cached_property
    def source(self) -> TensorType:
        """What that node reads."""
        kind = self.inference.facts[self.node.inputs[0]].type
        assert kind is not None
        return kind

    def written(self, name: str) -> object:
        """The value of one of its layer's parameters; None where it has no such parameter."""
        return getattr(self.layer, name, None)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """Its windows."""
        return self.layer.windows(self.source)

    @cached_property
    def wrong(self) -> tuple[int, ...]:
        """The dimensions along which they do not fit."""
        wrong = [at for at, window in enumerate(self.windows) if not self.fits(window)]
        return tuple(wrong or range(len(self.windows)))

    @property
    def module(self) -> Module:
        """The main file."""
        return self.inference.network.module

    @property
    def mends(self) -> frozenset[tuple[int, FaultKind]]:
        """The failures that a repair must make go away."""
        return frozenset((position, self.kind) for position in self.failing)

    def fits(self, window: Window) -> bool:
        """Whether a window of this layer fits its input."""
        return self.layer.accepts(window)

    def with_layer(self, **values: object) -> dict[int, Node]:
        """The nodes that this text makes, with other values of their parameters."""
        nodes = self.inference.network.nodes
        return {at: with_parameters(nodes[at], values) for at in self.alike}


# --- edits ---------------------------------------------------------------------------------------

_LITERAL = re.compile(r"\d+(x\d+)*|\[\s*\d+(\s*,\s*\d+)*\s*\]|valid|full|same|exact")


def edit_of(node: LayerNode, module: Module, name: str, text: str) -> Edit | None:
    """The edit that writes a parameter; None where its value is no literal."""
    place = node.places.get(name)
    if place is None:
        end = Span(node.span.source, node.span.end, node.span.end)
        return Edit(end, f" {name} {text}")
    found = literal(place, module)
    return Edit(found.span, text) if found else None


def padding_rank(sizes: Sequence[int], windows: Sequence[Window]) -> Rank:
    """How likely a padding is meant."""
    pairs = zip(sizes, windows, strict=True)
    likely = all(size <= window.extent // 2 for size, window in pairs)
    return Rank.PADDING if likely else Rank.WIDE_PADDING


def collapsed(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes as a layer has them: one for all dimensions where they are alike."""
    return sizes[:1] if len(set(sizes)) == 1 else sizes


def rewritten(
    node: LayerNode, module: Module, name: str, sizes: tuple[int, ...]
) -> tuple[str, Edit] | None:
    """What to do to give a parameter other sizes, and the edit; None where it cannot be written."""
    place = node.places.get(name)
    found = literal(place, module) if place else None
    text = spelled(sizes, found.span.text if found else "")
    edit = edit_of(node, module, name, text)
    if edit is None:
        return None
    if found is not None and found.constant:
        return (f"change `{found.constant}` to {text}", edit) if text.isdecimal() else None
    is_named = name not in node.layer.positional
    return (f"write `{name} {text}`" if is_named else f"change the {name} to {text}"), edit


def literal(place: Span, module: Module) -> Literal | None:
    """Where a value is written out in digits or a word; None where it is computed."""
    text = place.text
    if _LITERAL.fullmatch(text):
        return Literal(place)
    for statement in module.statements:
        if isinstance(statement, Let | Param) and statement.name.name == text:
            value = statement.value if isinstance(statement, Let) else statement.default
            return Literal(value.span, text) if isinstance(value, Number) else None
    return None


def spelled(sizes: tuple[int, ...], like: str) -> str:
    """Sizes in the form of those that they replace.

    >>> spelled((3, 3), ""), spelled((3, 3), "5x5"), spelled((3, 1), "5"), spelled((3, 1), "[5, 3]")
    ('3', '3x3', '3x1', '[3, 1]')
    """
    if like.startswith("["):
        return f"[{', '.join(map(str, sizes))}]"
    if "x" in like or len(set(sizes)) > 1:
        return "x".join(map(str, sizes))
    return str(sizes[0])


def with_parameters(node: Node, values: Mapping[str, object]) -> Node:
    """A layer's node with other values of the layer's parameters."""
    assert isinstance(node, LayerNode)
    return replace(node, layer=node.layer.model_copy(update=dict(values)))
