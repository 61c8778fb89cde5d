"""A PyTorch graph's operators as ONNX's, while they are added one by one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, OnnxNode
from cnndsl.importers.networks.from_onnx.lowered import LAYER

if TYPE_CHECKING:
    import torch.fx

__all__ = ["AtenGraph"]

_PLAIN = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "HardSwish",
    "silu": "Swish", "mish": "Mish", "softsign": "Softsign", "selu": "Selu", "neg": "Neg",
    "abs": "Abs", "matmul": "MatMul", "bmm": "MatMul", "maximum": "Max", "minimum": "Min",
    "mul": "Mul", "div": "Div", "alias": "Identity", "clone": "Identity", "detach": "Identity",
    "contiguous": "Identity", "lift_fresh_copy": "Identity", "detach_": "Identity",
}  # fmt: skip
"""Operators that ONNX has alike, of one stream or two."""

_BINARY = frozenset(("matmul", "bmm", "maximum", "minimum", "mul", "div"))

_RESHAPED = frozenset(
    ("flatten", "view", "reshape", "unsqueeze", "squeeze", "_unsafe_view", "unflatten")
)
"""Operators that the shape of their result says."""

_MANY = 99
"""No operator has more arguments."""

_IDLE = frozenset(
    ("memory_format", "cudnn_enabled", "cudnn_enable", "padding_idx", "scale_grad_by_freq",
     "sparse", "momentum", "layout", "device", "pin_memory", "non_blocking", "copy", "implicit")
)  # fmt: skip
"""Arguments that change nothing of an answer."""


class AtenGraph:
    """A graph of ONNX's operators while ATen's are added to it.

    Attributes:
        unknown: the operators that have no handler here.
    """

    def __init__(
        self,
        graph: OnnxGraph,
        names: Mapping[str, str],
        operators: Mapping[str, Callable[..., None]],
    ) -> None:
        self.graph = graph
        self.unknown: set[Any] = set()
        self._operators = operators
        self._names = names
        self.node: torch.fx.Node
        self.label = ""
        self._split: dict[str, OnnxNode] = {}

    def add(self, node: torch.fx.Node) -> None:
        """Add what a node of PyTorch's graph does."""
        self.node = node
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        self.label = str(stack[-1][0]).partition("@")[0] if stack else ""
        word = str(node.target).removeprefix("aten.").partition(".")[0]
        if "getitem" in word:
            return self._part(node)
        base = word.rstrip("_") if not word.startswith("_") else word
        given = _arguments(node)
        if base in _RESHAPED:
            return self.put("Reshape", [self.name(node.args[0]), ""])
        if base in _PLAIN:
            count = 2 if base in _BINARY else 1
            handler: Callable[..., None] = _plain(_PLAIN[base], count)
        elif base in self._operators:
            handler, count = self._operators[base], _takes(self._operators[base])
        else:
            self.unknown.add(node.target)
            return self.unsaid(base, given)
        names = [*given]
        more = {name: given[name] for name in names[count:] if not _is_idle(node, name, given)}
        taken = {name: more.pop(name) for name in [*more] if name in _keywords(handler)}
        if more:
            return self.unsaid(base, more)
        return handler(self, *(given[name] for name in names[:count]), **taken)

    def unsaid(self, word: str, given: Mapping[str, Any]) -> None:
        """Add a node that no layer says, with those of its arguments that are numbers and words."""
        shown = {
            name: value for name, value in given.items() if not _reads(value) and value is not None
        }
        inputs = [self.name(one) for one in self.node.all_input_nodes]
        value = self.node.meta.get("val")
        count = len(value) if isinstance(value, tuple | list) else 1
        names = [f"{self.node.name}.{at}" for at in range(count)] if count > 1 else []
        self._put(f"aten.{word}", inputs, names or [self.node.name], shown)

    def _part(self, node: torch.fx.Node) -> None:
        """A result of an operator of several: the names that they were given."""
        source, index = node.args
        whole = self._split.get(source.name)  # type: ignore[union-attr, arg-type]
        if whole is not None and isinstance(index, int):
            whole.outputs[index] = node.name
        elif index:
            self.unsaid(f"{source.target}, result {index}", {})  # type: ignore[union-attr]
        else:
            self.put("Identity", [self.name(source)])

    def name(self, value: Any) -> str:
        """The name of a value: a stream's, a weight's, or a number's as a new constant."""
        if value is None:
            return ""
        if hasattr(value, "name"):
            return self._names.get(value.name, value.name)
        return self.number(value)

    def number(self, value: Any, kind: type = numpy.float32) -> str:
        """A number as a constant of the graph."""
        name = f"{self.node.name}.constant{len(self.graph.constants)}"
        self.graph.constants[name] = numpy.asarray(value, kind)
        return name

    def array(self, value: Any) -> numpy.ndarray[Any, Any]:
        """The numbers of a weight."""
        return self.graph.constants[self.name(value)]

    def shape(self, value: Any) -> tuple[int, ...]:
        """The shape of a stream, the batch first."""
        return self.graph.shapes[value.name]

    def put(
        self,
        op: str,
        inputs: Sequence[str],
        output: str = "",
        *,
        outputs: Sequence[str] = (),
        **attributes: Any,
    ) -> None:
        """Add a node of ONNX's."""
        self._put(op, inputs, list(outputs) or [output or self.node.name], attributes)

    def _put(
        self, op: str, inputs: Sequence[str], names: list[str], attributes: dict[str, Any]
    ) -> None:
        place = f"`{self.label}`" if self.label else f"node `{self.node.name}`"
        made = OnnxNode(op, list(inputs), names, attributes, self.label, place)
        self.graph.nodes.append(made)
        if len(names) > 1:
            self._split[self.node.name] = made

    def layer(self, keyword: str, value: Any, **settings: Any) -> None:
        """Add a node that stands for one of our layers."""
        self.put(LAYER, [self.name(value)], keyword=keyword, settings=settings, roles=[])


def _arguments(node: torch.fx.Node) -> dict[str, Any]:
    """What a node was called with, by the names of its operator's arguments, in their order."""
    schema = getattr(node.target, "_schema", None)
    names = [one.name for one in schema.arguments] if schema else list(map(str, range(_MANY)))
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def _is_idle(node: torch.fx.Node, name: str, given: Mapping[str, Any]) -> bool:
    """Whether an argument that nobody takes changes nothing."""
    value = given[name]
    if name == "dtype":  # of numbers with a point, which are float32 here
        return value is None or bool(value.is_floating_point)
    schema = getattr(node.target, "_schema", None)
    usual = {one.name: one.default_value for one in schema.arguments} if schema else {}
    return name in _IDLE or (name in usual and value == usual[name])


def _plain(op: str, count: int) -> Callable[..., None]:
    def handler(g: AtenGraph, *values: Any) -> None:
        g.put(op, [g.name(one) for one in values[:count]])

    return handler


def _takes(handler: Callable[..., None]) -> int:
    """How many arguments a handler takes by their places."""
    kinds = [one.kind for one in inspect.signature(handler).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return _MANY
    return kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) - 1


def _keywords(handler: Callable[..., None]) -> frozenset[str]:
    """The arguments that a handler takes by their names alone."""
    parameters = inspect.signature(handler).parameters
    return frozenset(
        name for name, one in parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY
    )


def _reads(value: object) -> bool:
    """Whether an argument is a stream, or a list of them."""
    if isinstance(value, list | tuple):
        return any(map(_reads, value))
    return hasattr(value, "all_input_nodes")
