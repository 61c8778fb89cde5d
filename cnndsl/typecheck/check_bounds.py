"""Holds the numbers that can reach a layer against those that mean something to it."""

from __future__ import annotations

import math

from cnndsl.diagnostics.model import Report
from cnndsl.elaborate.network import LayerNode, TypedNetwork

__all__ = ["check_bounds"]


def check_bounds(network: TypedNetwork, report: Report) -> None:
    """Warn of layers for which numbers are weights, and that may be given negative ones."""
    layers = (node.layer for node in network.network.nodes if isinstance(node, LayerNode))
    if any(layer.least_input > -math.inf for layer in layers):
        from cnndsl.typecheck.bounds import negative_inputs  # most networks have no such layer

        report.extend(negative_inputs(network))
