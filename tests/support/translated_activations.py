"""Turns nodes of activations with numbers of their own into phrases, for ``translation``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import onnx
from onnx import helper

__all__ = ["ACTIVATIONS"]


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def refusal(reason: str) -> Exception:
    from translation import Untranslatable  # which imports this module

    return Untranslatable(reason)


def elu(self: Any, node: onnx.NodeProto, label: str) -> str:
    return f"{self.stream(node)} -> elu {attributes_of(node).get('alpha', 1)}"


def selu(self: Any, node: onnx.NodeProto, label: str) -> str:
    known = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
    given = known | attributes_of(node)
    if any(abs(given[name] - number) > 1e-6 for name, number in known.items()):
        raise refusal("it has other numbers")
    return f"{self.stream(node)} -> selu"


def clip(self: Any, node: onnx.NodeProto, label: str) -> str:
    given = attributes_of(node)
    least, most = (
        self.constant(node, at) if len(node.input) > at and node.input[at] else given.get(name)
        for at, name in ((1, "min"), (2, "max"))
    )
    if least is None or most is None or least >= most:
        raise refusal("clip has two bounds")
    return f"{self.stream(node)} -> clip {float(least)} {float(most)}"


def prelu(self: Any, node: onnx.NodeProto, label: str) -> str:
    slopes, shape = self.constant(node, 1), self.shape(node)
    assert slopes is not None
    if not self.batched or slopes.size not in (1, shape[1]):
        raise refusal("a slope belongs to a channel")
    self.weights[f"{label}.slope"] = slopes.reshape(-1)
    return f"{self.stream(node)} -> {label}: prelu shared {'yes' if slopes.size == 1 else 'no'}"


ACTIVATIONS: Mapping[str, Callable[[Any, onnx.NodeProto, str], str]] = MappingProxyType(
    {"Clip": clip, "Elu": elu, "PRelu": prelu, "Selu": selu}
)
"""By operator: a translator, a node and its label to a phrase."""
