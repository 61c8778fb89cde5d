"""What a node of an ONNX graph is called: the name that people gave, if there is one.

PyTorch's exporters name weights after modules (``layer1.0.conv1.weight``) and nodes after the way
to them (``/layer1/layer1.0/conv1/Conv``); others number nodes (``Conv_12``), which says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cnndsl.importers.networks.from_onnx.graph import OnnxNode

__all__ = ["label_of"]

_ROLES = re.compile(
    r"[._/]?(weights?|bias(es)?|kernels?|gamma|beta|scale|mean|var|variance|running_(mean|var)"
    r"|moving_(mean|variance)|slope|w|b|W|B|s|m|v)(_?\d+)?(:0)?$"
)
"""What weights are called behind the name of their layer."""

_GENERATED = re.compile(r"(onnx::.*|_?[vn]al_?\d+|[A-Za-z]?\d+|node_.*|initializer.*|.*::.*)$")


def label_of(node: OnnxNode, weights: Sequence[str] = ()) -> str:
    """The name of a node's layer; empty where it has only a number.

    >>> label_of(OnnxNode("Conv", [], [], name="/layer1/layer1.0/conv1/Conv"))
    'layer1.0.conv1'
    >>> label_of(OnnxNode("Conv", [], [], name="Conv_12"), ["features.0.weight"])
    'features.0'
    >>> label_of(OnnxNode("Relu", [], [], name="Relu_13"))
    ''
    """
    for name in weights:
        stem = _ROLES.sub("", name)
        if stem and stem != name and not _GENERATED.match(stem):
            return stem
    path = _path(node.name)
    if len(path) > 1 and _says_nothing(path[-1], node.op):
        path = path[:-1]
    label = ".".join(path)
    return "" if _says_nothing(label, node.op) else label


def _path(name: str) -> list[str]:
    """The parts of a node's name; a part that says the one before again stands for both."""
    found: list[str] = []
    for part in (one for one in name.split("/") if one):
        if found and part.startswith(f"{found[-1]}."):
            found[-1] = part
        else:
            found.append(part)
    return found


def _says_nothing(name: str, op: str) -> bool:
    words = re.sub(r"[\W_]*\d*$", "", name)
    return not name or bool(_GENERATED.match(name)) or words in (op, f"{op}_node", f"{op}Node")
