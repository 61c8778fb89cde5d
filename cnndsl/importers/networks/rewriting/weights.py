"""Weights that are one: a bias behind a convolution, a scale behind a normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.importers.networks.graph import ImportedNode
from cnndsl.importers.networks.rewriting.rewriter import Rewriter, Rule

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.float32]

__all__ = ["RULES", "bias_of_layer", "scale_of_normalisation"]

_BIASED = ("conv", "depthwise", "upconv", "dense", "scale")


def bias_of_layer(rewriter: Rewriter, node: ImportedNode) -> bool:
    """``conv … bias no -> bias`` is ``conv``, and so on."""
    if node.keyword not in _BIASED or getattr(node.layer, "bias", True):
        return False
    behind = rewriter.only_reader(node, "bias")
    if behind is None or rewriter.is_shared(node) or rewriter.is_shared(behind):
        return False
    if getattr(behind.layer, "over", "") != "channels" and behind.types[0].spatial:
        return False
    settings = {**node.settings, "bias": True}
    weights = {**node.weights, **behind.weights}
    if bool(node.weights) != bool(behind.weights):
        return False
    return rewriter.put(
        behind, [node], node.keyword, node.inputs, settings, weights=weights, like=node
    )


def scale_of_normalisation(rewriter: Rewriter, node: ImportedNode) -> bool:
    """``batchnorm -> scale`` is ``batchnorm``, which has a scale and a bias of its own."""
    if node.keyword != "batchnorm" or rewriter.is_shared(node):
        return False
    behind = rewriter.only_reader(node, "scale", "bias")
    if behind is None or rewriter.is_shared(behind):
        return False
    if behind.keyword == "bias" and getattr(behind.layer, "over", "") != "channels":
        return False
    weights = dict(node.weights)
    if bool(weights) != bool(behind.weights):
        return False
    if weights and behind.keyword == "scale":
        factor = behind.weights["scale"]
        weights["scale"] = weights["scale"] * factor
        weights["bias"] = weights["bias"] * factor + behind.weights.get("bias", 0)
    elif weights:
        weights["bias"] = weights["bias"] + behind.weights["bias"]
    return rewriter.put(
        behind, [node], "batchnorm", node.inputs, node.settings, weights=weights, like=node
    )


RULES: tuple[Rule, ...] = (bias_of_layer, scale_of_normalisation)
