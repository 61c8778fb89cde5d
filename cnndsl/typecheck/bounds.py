"""Between which numbers the values of a network lie, as far as its layers say.

Inputs may hold any number; what a layer makes of them follows from its own rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from cnndsl.diagnostics.model import Diagnostic, Label, Severity
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.layers.base import Bounds
from cnndsl.typecheck.spans import layer_place

__all__ = ["bounds_of", "negative_inputs"]


def bounds_of(typed: TypedNetwork) -> tuple[Bounds, ...]:
    """The least and the most that the numbers of each node can be."""
    known: list[Bounds] = []
    for node in typed.network.nodes:
        if isinstance(node, LayerNode):
            known.append(node.layer.bounds(*(known[read] for read in node.inputs)))
        else:
            known.append((-math.inf, math.inf))
    return tuple(known)


def negative_inputs(typed: TypedNetwork) -> Iterator[Diagnostic]:
    """CNN325, a warning, for each layer whose input can be below what means something to it."""
    nodes = typed.network.nodes
    bounds = bounds_of(typed)
    for node in nodes:
        if not isinstance(node, LayerNode):
            continue
        below = [read for read in node.inputs if bounds[read][0] < node.layer.least_input]
        if below:
            source, least = nodes[below[0]], bounds[below[0]][0]
            reach = "any number" if least == -math.inf else f"numbers from {least:g} on"
            yield Diagnostic(
                "CNN325",
                f"`{node.layer.keyword}` takes numbers below {node.layer.least_input:g} for"
                f" {node.layer.least_input:g}, and `{source.name}` gives {reach}",
                layer_place(node),
                labels=(Label(source.span, "this can be negative"),),
                help="put `relu` before it",
                severity=Severity.WARNING,
            )
