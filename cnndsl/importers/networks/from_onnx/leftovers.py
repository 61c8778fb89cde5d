"""Sees to it that nothing of a node is passed over: each attribute and each input was asked for.

What a translation does not look at is either known to change nothing here (a seed, a hint, what
the shape of the result says already), or it makes the node one that no layer says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.lowered import LAYER

__all__ = ["Reading", "unread"]


@dataclass
class Reading:
    """What was looked at of a node: names of its attributes, places of its inputs."""

    attributes: set[str] = field(default_factory=set)
    inputs: set[int] = field(default_factory=set)


_SHAPED = frozenset(("Expand", "Flatten", "Reshape", "Resize", "Squeeze", "Unsqueeze", "Upsample"))
"""Operators of whose result the shape says all that their other inputs and their attributes do."""

_SHAPES = frozenset(("allowzero", "axes", "axis", "keep_aspect_ratio_policy", "scales", "shape"))
"""Attributes that say a shape."""

_IDLE = {
    ("Conv", "kernel_shape"): "its weights have that shape",
    ("ConvTranspose", "kernel_shape"): "its weights have that shape",
    ("Dropout", "seed"): "nothing is dropped when a network answers",
    ("LayerNormalization", "stash_type"): "a precision",
    ("RMSNormalization", "stash_type"): "a precision",
    ("GroupNormalization", "stash_type"): "a precision",
    ("MaxPool", "storage_order"): "of places, which nothing reads",
    ("Split", "num_outputs"): "its results are counted",
    ("Cast", "saturate"): "of numbers in float8",
    ("CastLike", "saturate"): "of numbers in float8",
    ("Cast", "round_mode"): "of numbers in float8",
    ("Resize", "cubic_coeff_a"): "of cubic weights, which are refused",
    ("Resize", "nearest_mode"): "of copied cells, where it is looked at",
    ("Resize", "extrapolation_value"): "of boxes, which are refused",
    ("Resize", "exclude_outside"): "of cubic weights: linear ones are clamped",
}
"""Attributes that change nothing of an answer, and why."""

_IDLE_INPUTS = {("Resize", 1): "boxes, which are refused", ("CastLike", 1): "a type"}


def unread(node: OnnxNode, reading: Reading) -> str:
    """What of a node was not looked at and could matter, for people; empty where nothing."""
    if node.op == LAYER or node.domain:
        return ""
    read = set(reading.attributes)
    if "auto_pad" in read and node.attributes.get("auto_pad") != b"NOTSET":
        read.add("pads")
    for name in node.attributes:
        known = node.op in _SHAPED and name in _SHAPES
        if name not in read and not known and (node.op, name) not in _IDLE:
            return f"its attribute `{name}` is none that is known here"
    for at, name in enumerate(node.inputs):
        known = node.op in _SHAPED and at > 0
        if name and at not in reading.inputs and not known and (node.op, at) not in _IDLE_INPUTS:
            return f"its input `{name}`, number {at + 1}, is none that is known here"
    return ""
