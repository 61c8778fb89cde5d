"""Says in our words what a layer of a Darknet or a Caffe file computes.

What has no counterpart of the same meaning, or none that is certain, gives None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["caffe_layer", "darknet_layer"]

_DARKNET_ACTIVATIONS = {
    "linear": "",
    "relu": " -> relu",
    "leaky": " -> leakyrelu slope 0.1",
    "logistic": " -> sigmoid",
    "tanh": " -> tanh",
    "elu": " -> elu",
    "gelu": " -> gelu form tanh",
    "hardtan": " -> hardtanh",
    "mish": " -> mish",
    "relu6": " -> relu6",
    "selu": " -> selu",
    "swish": " -> silu",
}


def darknet_layer(settings: Mapping[str, str]) -> str | None:
    """A section of Darknet; its name is the setting ``""``.

    >>> darknet_layer({"": "convolutional", "filters": "32", "size": "3", "activation": "relu"})
    'conv 32@3 -> relu'
    """
    number = _numbers(settings)
    match settings[""]:
        case "convolutional" | "conv":
            kernel, stride = number.get("size", 1), number.get("stride", 1)
            padding = kernel // 2 if number.get("pad") else number.get("padding", 0)
            activation = _DARKNET_ACTIVATIONS.get(settings.get("activation", "logistic"))
            if activation is None or "filters" not in number:
                return None
            normed = " bias no -> batchnorm" if number.get("batch_normalize") else ""
            parts = _sliding(stride, padding, number.get("groups", 1))
            return f"conv {number['filters']}@{kernel}{parts}{normed}{activation}"
        case "maxpool" if number.get("size") == 2 and number.get("stride") == 2:
            return "maxpool 2"
        case "avgpool":
            return "globalavgpool"
        case "softmax":
            return "softmax"
        case _:
            return None


def caffe_layer(text: str) -> str | None:
    """A layer of a prototxt, ``layer { … }``.

    >>> caffe_layer('{ type: "Convolution" convolution_param { num_output: 20 kernel_size: 5 } }')
    'conv 20@5'
    """
    fields: dict[str, str] = {}
    for name, value in re.findall(r'(\w+)[ \t]*:[ \t]*"?([\w.]+)"?', text):
        fields.setdefault(name, value)  # fillers further in have a type too
    number = _numbers(fields)
    kind = fields.get("type", "").lower()
    kernel, stride = number.get("kernel_size"), number.get("stride", 1)
    padding = number.get("pad", 0)
    if kind == "convolution" and kernel and "num_output" in number:
        bias = " bias no" if fields.get("bias_term") == "false" else ""
        parts = _sliding(stride, padding, number.get("group", 1))
        return f"conv {number['num_output']}@{kernel}{parts}{bias}"
    if kind == "pooling" and kernel and fields.get("pool", "MAX") == "MAX":
        moves = f" stride {stride}" if stride != kernel else ""
        padded = f" padding {padding}" if padding else ""
        return f"maxpool {kernel}{moves}{padded}{' rounding ceil' if stride > 1 else ''}"
    if kind in ("innerproduct", "inner_product") and "num_output" in number:
        return f"dense {number['num_output']}"
    return {"relu": "relu", "softmax": "softmax", "tanh": "tanh", "sigmoid": "sigmoid"}.get(kind)


def _numbers(settings: Mapping[str, str]) -> dict[str, int]:
    found = settings.items()
    return {name: int(text) for name, text in found if re.fullmatch("[0-9]{1,6}", text)}


def _sliding(stride: int, padding: int, groups: int) -> str:
    """The attributes of a convolution that are not its defaults; both tools round down."""
    pairs = [("stride", stride, 1), ("padding", padding, 0), ("groups", groups, 1)]
    text = "".join(f" {name} {value}" for name, value, default in pairs if value != default)
    return f"{text} rounding floor" if stride > 1 else text
