"""Finds the kernels of a layer in a compiled model's file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy

from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import closest, quoted
from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.onnx_weights import weights_of_model
from cnndsl.layers.transposed_window import TransposedWindow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Kernels", "kernels_figure", "kernels_of"]

Kernels = tuple[Array, bool]
"""Kernels ``[filters, channels, ...]``, and whether their channels are red, green and blue."""


def kernels_of(
    typed: TypedNetwork,
    model: Artifact | str | os.PathLike[str],
    name: str,
    *,
    verify: bool = True,
) -> Kernels:
    """The kernels of a layer, from a model that was compiled from the network, or its file.

    Raises:
        UserError: CNN704 for a layer that there is not, CNN715 for one without kernels, and as
            reading the file does.
    """
    nodes = {node.name: at for at, node in enumerate(typed.network.nodes)}
    if name not in nodes:
        known = {node for node, at in nodes.items() if _weight(typed, at)}
        near = closest(name, known or nodes)
        raise UserError(
            "CNN704",
            f"no layer is called `{name}`",
            help=f"did you mean `{near[0]}`?" if near else _named(typed),
        )
    position = nodes[name]
    weight = _weight(typed, position)
    node = typed.network.nodes[position]
    if not weight or not isinstance(node, LayerNode):
        what = node.layer.keyword if isinstance(node, LayerNode) else "input"
        raise UserError(
            "CNN715", f"`{name}` (`{what}`) has no kernels that learn", help=_named(typed)
        )
    if isinstance(model, Artifact):
        numbers = numpy.asarray(model.weights[weight])
    else:
        numbers = weights_of_model(model, typed, verify=verify)[weight]
    windows = node.layer.windows(*typed.input_types(node))
    if any(isinstance(window, TransposedWindow) for window in windows):
        # These have their input's channels first.
        numbers = numpy.swapaxes(numbers, 0, 1)
    return numbers, _sees_colours(typed, node)


def kernels_figure(
    typed: TypedNetwork, model: Artifact | str | os.PathLike[str], name: str, *, verify: bool = True
) -> Figure:
    """The figure of a layer's kernels.

    Raises:
        UserError: as :func:`kernels_of` does.
    """
    from cnndsl.plots.kernels import draw_kernels

    kernels, is_colour = kernels_of(typed, model, name, verify=verify)
    return draw_kernels(kernels, name, typed.name, is_colour=is_colour)


def _weight(typed: TypedNetwork, position: int) -> str:
    """The full name of a layer's kernels; empty where it has none."""
    node = typed.network.nodes[position]
    if not isinstance(node, LayerNode):
        return ""
    rank = len(node.layer.windows(*typed.input_types(node)))
    shapes = typed.weights_of(position).items()
    found = (name for name, weight in shapes if rank and len(weight.shape) == rank + 2)
    return next(found, "")


def _sees_colours(typed: TypedNetwork, node: LayerNode) -> bool:
    """Whether a layer's channels are those of a picture's colours."""
    source = typed.network.nodes[node.inputs[0]]
    return isinstance(source, InputNode) and source.preparation.layout_for(source.type) == "rgb"


def _named(typed: TypedNetwork) -> str:
    names = [node.name for at, node in enumerate(typed.network.nodes) if _weight(typed, at)]
    if not names:
        return "the network has no convolution that learns"
    return f"name a convolution: {quoted(names[:8])}"
