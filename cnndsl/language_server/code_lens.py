"""Shows above a network what it costs as a whole."""

from __future__ import annotations

from lsprotocol import types

from cnndsl.analysis.cost import macs_of, params_of, total
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import LayerNode
from cnndsl.language_server.positions import Lines
from cnndsl.language_server.view import View
from cnndsl.syntax.ast import Input, NetworkName

__all__ = ["lenses"]


def lenses(view: View, lines: Lines) -> list[types.CodeLens]:
    """The totals, above ``network`` or the first ``input``; none while shapes are not known."""
    typed = view.typed
    statements = view.module.statements
    heads = [one for kind in (NetworkName, Input) for one in statements if isinstance(one, kind)]
    if typed is None or not heads:
        return []
    layers = sum(isinstance(node, LayerNode) for node in typed.network.nodes)
    inputs = ", ".join(str(node.type) for node in typed.network.inputs)
    parts = (
        f"{inputs} -> {typed.main_type}",
        count(layers, "layer", commas=True),
        count(total(params_of, typed), "parameter", commas=True),
        count(total(macs_of, typed), "MAC", commas=True),
    )
    command = types.Command(title=" · ".join(parts), command="")
    return [types.CodeLens(range=lines.span(heads[0].span), command=command)]
