"""Computes at once what a PyTorch graph makes of its weights and constants alone.

Scales that are reshaped, kernels that are standardised: PyTorch itself carries them out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

from cnndsl.importers.networks.from_onnx.graph import OnnxGraph
from cnndsl.importers.networks.from_onnx.shapes import MOST

if TYPE_CHECKING:
    import torch
    import torch.fx

__all__ = ["as_array", "folded"]

_MOVES = frozenset(
    ("view", "reshape", "flatten", "unsqueeze", "squeeze", "permute", "transpose", "t", "clone",
     "alias", "detach", "contiguous", "expand", "lift_fresh_copy", "_unsafe_view", "unflatten")
)  # fmt: skip
"""What leaves the numbers of a weight as they are: the result can be learnt as well as it."""


def as_array(tensor: torch.Tensor) -> numpy.ndarray[Any, Any]:
    """The numbers of a tensor, those with a point as float32."""
    whole = tensor.detach().cpu()
    return (whole.float() if whole.is_floating_point() else whole).numpy()


def folded(node: torch.fx.Node, known: dict[str, Any], graph: OnnxGraph) -> bool:
    """Compute a node that reads what is ``known`` only, and add it there and to the graph."""
    import torch

    target: Any = node.target
    sources = node.all_input_nodes
    tags = getattr(target, "tags", ())
    if torch.Tag.nondeterministic_seeded in tags or any(one.name not in known for one in sources):
        return False
    if _size(node.meta.get("val")) > MOST:
        return False

    def of(one: torch.fx.Node) -> Any:
        return known[one.name]

    arguments: Any = torch.fx.node.map_arg(node.args, of)
    keywords: Mapping[str, Any] = torch.fx.node.map_arg(node.kwargs, of)
    with torch.no_grad():
        value = target(*arguments, **keywords)
    known[node.name] = value
    if isinstance(value, torch.Tensor):
        graph.constants[node.name] = as_array(value)
        word = str(target).removeprefix("aten.").partition(".")[0].rstrip("_")
        if word in _MOVES:
            graph.weights |= {node.name}
    return True


def _size(value: object) -> int:
    shape = getattr(value, "shape", ())
    return math.prod(map(int, shape))
