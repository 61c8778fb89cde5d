"""The table of gradient rules, one for each operator or composite, and what a rule is given.

A rule gets the gradient of the loss with respect to a node's output and gives those with respect
to its inputs: the vector-Jacobian product. It emits them into the same graph. A gradient may have
the shape that broadcasting gave an input: :mod:`cnndsl.autodiff.reverse` sums it back, and adds
up the gradients of values that are used several times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy
import numpy.typing
import onnx_ir

from cnndsl.graph.builder import COMPOSITES, GraphBuilder, LoweringError
from cnndsl.layers.lowering import Attribute

__all__ = [
    "COMPOSITE_RULES",
    "GROUP",
    "NOT_DIFFERENTIABLE",
    "RULES",
    "Array",
    "Rule",
    "Target",
    "VjpContext",
    "constant_of",
    "dims_of",
    "rule_of",
    "vjp",
    "vjp_of_composite",
]

Array: TypeAlias = numpy.typing.NDArray[Any]
"""Numbers that are known when the graph is made."""

Target: TypeAlias = Literal["cpu", "cuda", "host"]
"""What a graph is emitted for: some gradients have forms that are fast on one of them only.

``cpu`` and ``cuda`` are any processor and any GPU, by standard operators; ``host`` is the processor
of this machine, by what ONNX Runtime has for it too.
"""


@dataclass(frozen=True, eq=False)
class VjpContext:
    """What a rule needs to know of a node, and the door to the graph it emits into.

    ``gradient`` is that of the node's output, of its shape. ``needs_grad`` says for each input
    whether its gradient is needed at all: where not, a rule gives None and emits nothing.
    """

    emit: GraphBuilder
    node: onnx_ir.Node
    gradient: onnx_ir.Value
    needs_grad: tuple[bool, ...]
    target: Target = "cpu"

    @property
    def inputs(self) -> tuple[onnx_ir.Value, ...]:
        """The node's inputs; those left out in the middle have no place in our graphs."""
        return tuple(value for value in self.node.inputs if value is not None)

    @property
    def output(self) -> onnx_ir.Value:
        """The node's output."""
        return self.node.outputs[0]

    def op(
        self, op_type: str, *inputs: onnx_ir.Value | None, **attributes: Attribute
    ) -> onnx_ir.Value:
        """Emit one node and give its output."""
        return self.emit.op(op_type, *inputs, **attributes)

    def scalar(self, number: float) -> onnx_ir.Value:
        """A number of the gradient's element type."""
        return self.emit.scalar(number, self.gradient)

    def tensor(self, array: Array) -> onnx_ir.Value:
        """A constant of the gradient's element type."""
        return self.emit.array(numpy.asarray(array), self.gradient)

    def known(self, position: int) -> Array:
        """The numbers of an input that is a constant.

        Raises:
            LoweringError: where it is none.
        """
        numbers = constant_of(self.node.inputs[position])
        if numbers is None:
            kind = f"input {position} of `{self.node.op_type}`"
            raise LoweringError(f"{self.origin}: {kind} must be a constant, to have a gradient")
        return numbers

    @property
    def origin(self) -> str:
        """Where the node comes from, for messages: the line of the spec, where it has one."""
        return self.node.doc_string or str(self.node.name)

    def integers(self, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """An attribute of the node: whole numbers."""
        attribute = self.node.attributes.get(name)
        return tuple(default) if attribute is None else tuple(attribute.as_ints())

    def integer(self, name: str, default: int) -> int:
        """An attribute of the node: a whole number."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.as_int()

    def number(self, name: str, default: float) -> float:
        """An attribute of the node: a number."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.as_float()

    def text(self, name: str, default: str) -> str:
        """An attribute of the node: a word."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.as_string()


Rule: TypeAlias = Callable[[VjpContext], Sequence[onnx_ir.Value | None]]
"""Gives the gradient of each of the node's inputs, or None where it is not wanted or is zero."""

RULES: dict[str, Rule] = {}
"""The rule of each operator that has one, by the operator's name."""

COMPOSITE_RULES: dict[str, Rule] = {}
"""The rule of each composite, by its name: see :meth:`GraphBuilder.composite`."""

GROUP = "cnndsl.gradients"
"""The entry points by which other packages add rules: an operator's name, and a :data:`Rule`."""

NOT_DIFFERENTIABLE: dict[str, str] = {}
"""Operators whose outputs do not change smoothly with their inputs, each with the reason why."""


def vjp(*op_types: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of one or more operators."""

    def register(rule: Rule) -> Rule:
        for op_type in op_types:
            assert op_type not in RULES, f"two rules for {op_type}"
            RULES[op_type] = rule
        return rule

    return register


def vjp_of_composite(name: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of the composite of that name: of its first output."""

    def register(rule: Rule) -> Rule:
        assert name not in COMPOSITE_RULES, f"two rules for the composite {name}"
        COMPOSITE_RULES[name] = rule
        return rule

    return register


def rule_of(node: onnx_ir.Node) -> Rule | None:
    """The rule for a node's gradient, where it has one: ours, or that of another package.

    Raises:
        LoweringError: where two packages have one, or one does not load.
    """
    if node.domain == COMPOSITES:
        return COMPOSITE_RULES.get(node.op_type)
    return RULES.get(node.op_type) or _rule_of_others(node.op_type)


@cache
def _rule_of_others(op_type: str) -> Rule | None:
    """The rule of an operator that another package names by an entry point."""
    from importlib.metadata import entry_points

    points = sorted(entry_points(group=GROUP, name=op_type), key=lambda point: point.value)
    if len(points) > 1:
        named = " and ".join(f"`{one.value}`" for one in points)
        raise LoweringError(f"`{op_type}` has the gradients of {len(points)} packages: {named}")
    if not points:
        return None
    try:
        rule: Rule = points[0].load()
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        what = f"the gradient of `{op_type}`, `{points[0].value}`, does not load: {why}"
        raise LoweringError(what) from error
    return rule


def constant_of(value: onnx_ir.Value | None) -> Array | None:
    """The numbers of a value, where they are known when the graph is made."""
    producer = None if value is None else value.producer()
    if producer is None or producer.op_type != "Constant":
        return None
    # `as_tensor` would look for all that a tensor must have, each time.
    numbers: Array = producer.attributes["value"].value.numpy()
    return numbers


def dims_of(value: onnx_ir.Value) -> tuple[int, ...]:
    """The sizes of a value; in a graph that is differentiated all of them are known."""
    assert value.shape is not None
    sizes: tuple[Any, ...] = value.shape.dims
    for size in sizes:  # asked often: 200,000 times while a ResNet-152's step is made
        assert isinstance(size, int), f"{value.name} has no fixed shape"
    return sizes
