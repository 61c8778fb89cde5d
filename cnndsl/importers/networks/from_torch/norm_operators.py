"""Says ATen's normalisations as ONNX's."""

from __future__ import annotations

from typing import Any

import numpy

from cnndsl.importers.networks.from_torch.aten_graph import AtenGraph

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]


def batch_norm(
    g: AtenGraph, x: Any, w: Any, b: Any, mean: Any, var: Any, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> None:  # fmt: skip
    """By running statistics."""
    channels = g.shape(x)[1]
    scale = g.name(w) if w is not None else g.number(numpy.ones(channels))
    bias = g.name(b) if b is not None else g.number(numpy.zeros(channels))
    inputs = [g.name(x), scale, bias, g.name(mean), g.name(var)]
    how: dict[str, Any] = {"epsilon": eps, "momentum": 1 - momentum, "training_mode": int(training)}
    g.put("BatchNormalization", inputs, **how)


def layer_norm(
    g: AtenGraph, x: Any, shape: Any, w: Any = None, b: Any = None, eps: float = 1e-5
) -> None:
    """Over the last dimensions."""
    scale = g.name(w) if w is not None else g.number(numpy.ones(shape))
    inputs = [g.name(x), scale, g.name(b)]
    g.put("LayerNormalization", inputs, axis=len(g.shape(x)) - len(shape), epsilon=eps)


def group_norm(
    g: AtenGraph, x: Any, groups: int, w: Any = None, b: Any = None, eps: float = 1e-5
) -> None:
    """Over groups of channels."""
    channels = g.shape(x)[1]
    scale = g.name(w) if w is not None else g.number(numpy.ones(channels))
    bias = g.name(b) if b is not None else g.number(numpy.zeros(channels))
    g.put("GroupNormalization", [g.name(x), scale, bias], num_groups=groups, epsilon=eps)


def instance_norm(
    g: AtenGraph, x: Any, w: Any, b: Any, mean: Any, var: Any, own: bool, momentum: float,
    eps: float,
) -> None:  # fmt: skip
    """Over each channel."""
    if not own:  # by running statistics
        return batch_norm(g, x, w, b, mean, var, False, momentum, eps)
    channels = g.shape(x)[1]
    if w is None:  # nothing learns
        return g.layer("groupnorm", x, groups=channels, eps=float(eps), affine=False)
    bias = g.name(b) if b is not None else g.number(numpy.zeros(channels))
    return g.put("InstanceNormalization", [g.name(x), g.name(w), bias], epsilon=eps)


def rms_norm(g: AtenGraph, x: Any, shape: Any, w: Any = None, eps: Any = None) -> None:
    """By a length over the last dimensions."""
    scale = g.name(w) if w is not None else g.number(numpy.ones(shape))
    epsilon = float(numpy.finfo(numpy.float32).eps) if eps is None else float(eps)
    axis = len(g.shape(x)) - len(shape)
    g.put("RMSNormalization", [g.name(x), scale], axis=axis, epsilon=epsilon)
