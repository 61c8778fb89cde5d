"""Activations: functions of each number, or of the channels at each place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.translator import Translator, Unsaid, operator

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = [
    "clip",
    "clipped",
    "elu",
    "gelu",
    "hardsigmoid",
    "leaky",
    "plain",
    "prelu",
    "scalar",
    "selu",
    "softmax",
    "swish",
]

_PLAIN = {
    "HardSwish": "hardswish",
    "Mish": "mish",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}
"""Those without numbers of their own."""

_CLOSE = 1e-6


@operator(*_PLAIN)
def plain(t: Translator, node: OnnxNode) -> None:
    """An activation that has a layer of its own."""
    t.single(_PLAIN[node.op])


@operator("Elu", "Celu")
def elu(t: Translator, node: OnnxNode) -> None:
    """Elu; Celu is the same where its alpha is 1."""
    alpha = float(t.attribute("alpha", 1.0))
    if node.op == "Celu" and abs(alpha - 1) > _CLOSE:
        raise Unsaid(f"`elu` has no alpha inside the exponent, and this one is {alpha:g}")
    t.single("elu", {"alpha": alpha})


@operator("Selu")
def selu(t: Translator, node: OnnxNode) -> None:
    """Selu, with the numbers that make it normalise itself."""
    known = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
    for name, number in known.items():
        if abs(t.attribute(name, number) - number) > 1e-5:
            raise Unsaid(f"`selu` has the {name} {number:.7g}")
    t.single("selu")


@operator("LeakyRelu")
def leaky(t: Translator, node: OnnxNode) -> None:
    """LeakyRelu."""
    t.single("leakyrelu", {"slope": float(t.attribute("alpha", 0.01))})


@operator("PRelu")
def prelu(t: Translator, node: OnnxNode) -> None:
    """PRelu, with a slope for all or for each channel."""
    slopes = t.weight(1)
    source = t.type()
    shape = (1,) * (len(source.dims) - slopes.ndim) + slopes.shape
    one = slopes.size == 1
    if not one and (slopes.size != source.channels or shape[-len(source.dims)] != source.channels):
        raise Unsaid("a slope of `prelu` belongs to a channel, or to all")
    weights = {"slope": slopes.reshape(-1)}
    t.give(t.add("prelu", [t.stream()], {"shared": one}, weights=weights, shared=[1]))


@operator("Clip")
def clip(t: Translator, node: OnnxNode) -> None:
    """Clip, under the name that its bounds have."""
    bounds: list[float] = []
    for at, name, none in ((1, "min", -math.inf), (2, "max", math.inf)):
        array = t.constant(at)
        value = t.attribute(name, none) if array is None else array.reshape(-1)[0]
        bounds.append(float(value) if abs(float(value)) < 3.4e38 else none)
    clipped(t, t.stream(), *bounds)


def clipped(t: Translator, value: str, least: float, most: float) -> None:
    """Give a value between two bounds."""
    if (least, most) == (0, math.inf):
        return t.give(t.add("relu", [value]))
    if (least, most) == (-math.inf, math.inf):
        return t.give(value)
    if math.inf in (most, -least):
        raise Unsaid("`clip` has two bounds, and this has one that is not 0")
    if least >= most:
        raise Unsaid(f"its bounds leave nothing between them: {least:g} and {most:g}")
    words: dict[tuple[float, float], str] = {(0, 6): "relu6", (-1, 1): "hardtanh"}
    if (least, most) in words:
        return t.give(t.add(words[least, most], [value]))
    return t.give(t.add("clip", [value], {"least": least, "most": most}))


@operator("HardSigmoid")
def hardsigmoid(t: Translator, node: OnnxNode) -> None:
    """HardSigmoid with PyTorch's slope of 1/6."""
    alpha, beta = float(t.attribute("alpha", 0.2)), float(t.attribute("beta", 0.5))
    if abs(alpha - 1 / 6) > 1e-4 or abs(beta - 0.5) > _CLOSE:
        raise Unsaid(f"`hardsigmoid` is x/6 + 1/2, and this is {alpha:g}*x + {beta:g}")
    t.single("hardsigmoid")


@operator("Gelu")
def gelu(t: Translator, node: OnnxNode) -> None:
    """Gelu, exact or by tanh."""
    form = t.attribute("approximate", b"none")
    t.single("gelu", {"form": "tanh" if form == b"tanh" else "exact"})


@operator("Swish")
def swish(t: Translator, node: OnnxNode) -> None:
    """Swish with the factor 1."""
    if abs(t.attribute("alpha", 1.0) - 1) > _CLOSE:
        raise Unsaid(f"`silu` has the factor 1 inside its sigmoid, and this {node.what()}")
    t.single("silu")


@operator("Softmax", "LogSoftmax")
def softmax(t: Translator, node: OnnxNode) -> None:
    """Softmax along one dimension; before opset 13, of all from that one on together."""
    keyword, source = node.op.lower(), t.type()
    old = t.graph.opset < 13
    axis = t.axis(t.attribute("axis", 1 if old else -1))
    value = t.stream()
    rest = math.prod(source.dims[axis + 1 :])
    if old and rest > 1:
        if axis:
            raise Unsaid("before opset 13 it takes several dimensions, but not all, together")
        flat = t.add(keyword, [t.reshaped(value, [source.elements])])
        return t.give(t.reshaped(flat, source.dims))
    order = [axis, *(at for at in range(len(source.dims)) if at != axis)]
    back = [order.index(at) for at in range(len(order))]
    made = t.add(keyword, [t.transposed(value, order)])
    return t.give(t.transposed(made, back))


def scalar(value: object) -> Value:
    """A number as a spec's value."""
    return float(value)  # type: ignore[arg-type]
