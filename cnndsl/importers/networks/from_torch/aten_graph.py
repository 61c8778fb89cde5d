"""A PyTorch graph's operators as ONNX's, while they are added one by one."""

from __future__ import annotations

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
    "feature_alpha_dropout": "Identity",
}  # fmt: skip
"""Operators that ONNX has alike, of all their inputs."""

_RESHAPED = frozenset(
    ("flatten", "view", "reshape", "unsqueeze", "squeeze", "_unsafe_view", "unflatten", "expand_as")
)


class AtenGraph:
    """A graph of ONNX's operators while ATen's are added to it."""

    def __init__(
        self,
        graph: OnnxGraph,
        names: Mapping[str, str],
        operators: Mapping[str, Callable[..., None]],
    ) -> None:
        self.graph = graph
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
        if base in _PLAIN:
            return self.put(_PLAIN[base], [self.name(one) for one in node.args])
        if base in _RESHAPED:
            return self.put("Reshape", [self.name(node.args[0]), ""])
        handler = self._operators.get(base)
        if handler is None:
            inputs = [self.name(one) for one in node.args if hasattr(one, "name")]
            return self.put(f"aten.{word}", inputs)
        return handler(self, *node.args, **node.kwargs)

    def _part(self, node: torch.fx.Node) -> None:
        """A result of an operator of several: the names that they were given."""
        source, index = node.args
        whole = self._split.get(source.name)  # type: ignore[union-attr, arg-type]
        if whole is not None and isinstance(index, int):
            whole.outputs[index] = node.name
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
        names = list(outputs) or [output or self.node.name]
        place = f"`{self.label}`" if self.label else f"node `{self.node.name}`"
        made = OnnxNode(op, list(inputs), names, attributes, self.label, place)
        self.graph.nodes.append(made)
        if outputs:
            self._split[self.node.name] = made

    def layer(self, keyword: str, value: Any, **settings: Any) -> None:
        """Add a node that stands for one of our layers."""
        self.put(LAYER, [self.name(value)], keyword=keyword, settings=settings, roles=[])
