"""The layer table of ``cnndsl check``: as far as shapes are known, up to a fault and past it."""

from __future__ import annotations

from cnndsl.analysis.summary import phrase
from cnndsl.elaborate.draft import Poison
from cnndsl.elaborate.network import InputNode
from cnndsl.frozen import frozen
from cnndsl.typecheck.facts import Inference

__all__ = ["Row", "rows"]


@frozen
class Row:
    """One layer: its name, what a spec writes for it, its output, its parameters.

    ``output`` has a ``?`` for every size that an earlier mistake leaves open, and is a single
    ``?`` where nothing is known; ``params`` is None where they are not known.
    """

    name: str
    layer: str
    output: str
    params: int | None
    faulty: bool = False


def rows(inference: Inference) -> tuple[Row, ...]:
    """The rows of a network, inputs first."""
    faulty = {failure.node for failure in inference.failures} | inference.doubted
    table: list[Row] = []
    for position, node in enumerate(inference.network.nodes):
        output = str(inference.computed[position])
        if isinstance(node, InputNode):
            table.append(Row(node.name, "input", output, 0))
            continue
        poison = isinstance(node.layer, Poison)
        weights = inference.weights[position]
        params = None
        if weights is not None:
            params = sum(weight.elements for weight in weights if weight.trainable)
        text = " ".join(node.span.text.split()) if poison else phrase(node)
        table.append(Row(node.name, text, output, params, poison or position in faulty))
    return tuple(table)
