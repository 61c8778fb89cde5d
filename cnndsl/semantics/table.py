"""The layer table of ``cnndsl check``: as far as shapes are known, up to a fault and past it."""

from __future__ import annotations

from dataclasses import dataclass

from cnndsl.semantics.draft import Poison
from cnndsl.semantics.infer import Inference
from cnndsl.semantics.network import InputNode

__all__ = ["Row", "rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """One layer: its name, what the spec writes, its output, its parameters, whether it is at fault.

    ``output`` has a ``?`` for every size that an earlier mistake leaves open, and is a single
    ``?`` where nothing is known; ``params`` is then None.
    """

    name: str
    layer: str
    output: str
    params: int | None
    faulty: bool = False


def rows(inference: Inference) -> tuple[Row, ...]:
    """The rows of a network, inputs first."""
    faulty = {failure.node for failure in inference.failures}
    table: list[Row] = []
    for position, (node, fact) in enumerate(
        zip(inference.network.nodes, inference.facts, strict=True)
    ):
        if isinstance(node, InputNode):
            table.append(Row(node.name, "input", str(fact), 0))
            continue
        certain = all(inference.facts[i].certain for i in node.inputs)
        known = certain and position not in faulty and not isinstance(node.layer, Poison)
        weights = inference.weights[position]
        params = sum(weight.elements for weight in weights if weight.trainable) if known else None
        text = " ".join(node.span.text.split())
        bad = position in faulty or isinstance(node.layer, Poison)
        table.append(Row(node.name, text, str(fact), params, bad))
    return tuple(table)
