"""Normalisation by running statistics, or by each sample's own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.translator import Translator, Unsaid, operator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnndsl.elaborate.values import Value

    Array = NDArray[numpy.float32]

__all__ = [
    "batchnorm",
    "groupnorm",
    "instancenorm",
    "layer_normalised",
    "layernorm",
    "lpnorm",
    "lrn",
    "rmsnorm",
]


@operator("BatchNormalization")
def batchnorm(t: Translator, node: OnnxNode) -> None:
    """BatchNormalization as it answers."""
    if t.attribute("training_mode", 0):
        raise Unsaid("it normalises by the batch's own statistics, as in training")
    if not t.attribute("spatial", 1):
        raise Unsaid("it has statistics for each place, and `batchnorm` for each channel")
    roles = ("scale", "bias", "mean", "var")
    weights = {role: t.weight(at).reshape(-1) for at, role in enumerate(roles, 1)}
    settings = {
        "eps": float(t.attribute("epsilon", 1e-5)),
        # ONNX's is the share that stays, in float32.
        "momentum": round(1 - float(t.attribute("momentum", 0.9)), 7),
    }
    t.give(t.add("batchnorm", [t.stream()], settings, weights=weights, shared=[1, 2, 3, 4]))


@operator("InstanceNormalization")
def instancenorm(t: Translator, node: OnnxNode) -> None:
    """InstanceNormalization."""
    weights = {"scale": t.weight(1).reshape(-1), "bias": t.weight(2).reshape(-1)}
    settings = {"eps": float(t.attribute("epsilon", 1e-5))}
    t.give(t.add("instancenorm", [t.stream()], settings, weights=weights, shared=[1, 2]))


@operator("GroupNormalization")
def groupnorm(t: Translator, node: OnnxNode) -> None:
    """GroupNormalization; before opset 21 its scales are those of groups."""
    groups, channels = int(t.attribute("num_groups", 1)), t.type().channels
    weights = {"scale": t.weight(1).reshape(-1), "bias": t.weight(2).reshape(-1)}
    if t.graph.opset < 21:
        weights = {role: numpy.repeat(one, channels // groups) for role, one in weights.items()}
    settings: dict[str, Value] = {"groups": groups, "eps": float(t.attribute("epsilon", 1e-5))}
    t.give(t.add("groupnorm", [t.stream()], settings, weights=weights))


@operator("LayerNormalization")
def layernorm(t: Translator, node: OnnxNode) -> None:
    """LayerNormalization: of all of a sample, or of its last dimension at each place."""
    axis = t.axis(int(t.attribute("axis", -1)))
    weights = {"scale": t.weight(1)}
    if t.has(2):
        weights["bias"] = t.weight(2)
    t.give(layer_normalised(t, "layernorm", axis, float(t.attribute("epsilon", 1e-5)), weights))


@operator("RMSNormalization")
def rmsnorm(t: Translator, node: OnnxNode) -> None:
    """RMSNormalization, in the same two ways."""
    axis = t.axis(int(t.attribute("axis", -1)))
    epsilon = float(t.attribute("epsilon", 1e-5))
    t.give(layer_normalised(t, "rmsnorm", axis, epsilon, {"scale": t.weight(1)}))


def layer_normalised(
    t: Translator, keyword: str, axis: int, epsilon: float, weights: dict[str, Array]
) -> str:
    """The first input normalised over its dimensions from one on, then scaled."""
    dims = t.type().dims
    rank, size = len(dims), math.prod(dims[axis:])
    value = t.stream()
    if keyword == "layernorm" and weights and "bias" not in weights:
        weights["bias"] = numpy.zeros_like(weights["scale"])
    settings: dict[str, Value] = {"eps": epsilon, "affine": bool(weights)}
    if axis == 0:
        full = {role: numpy.broadcast_to(one, dims).copy() for role, one in weights.items()}
        return t.add(keyword, [value], settings, weights=full, shared=[1, 2])
    if axis != rank - 1:
        raise Unsaid("it normalises some dimensions together, and layers all of them, or one")
    settings["over"] = "channels"
    flat = {role: numpy.resize(one.reshape(-1), size) for role, one in weights.items()}
    front = t.transposed(value, [rank - 1, *range(rank - 1)])
    made = t.add(keyword, [front], settings, weights=flat, shared=[1, 2])
    return t.transposed(made, [*range(1, rank), 0])


@operator("LRN")
def lrn(t: Translator, node: OnnxNode) -> None:
    """LRN across channels."""
    settings: dict[str, Value] = {
        "size": int(t.attribute("size", 5)),
        "alpha": float(t.attribute("alpha", 1e-4)),
        "beta": float(t.attribute("beta", 0.75)),
        "k": float(t.attribute("bias", 1.0)),
    }
    t.single("lrn", settings)


@operator("LpNormalization")
def lpnorm(t: Translator, node: OnnxNode) -> None:
    """LpNormalization of the channels by their Euclidean length."""
    if t.attribute("p", 2) != 2 or t.axis(t.attribute("axis", -1)) != 0:
        raise Unsaid("`l2norm` divides the channels at each place by their Euclidean length")
    t.single("l2norm")
