"""Gates that are activations: ``multiply(x, sigmoid(x))`` is ``silu``."""

from __future__ import annotations

from cnndsl.importers.networks.graph import ImportedNode
from cnndsl.importers.networks.rewriting.rewriter import Rewriter, Rule

__all__ = ["RULES", "gate"]

_GATES = {"sigmoid": "silu", "hardsigmoid": "hardswish"}


def gate(rewriter: Rewriter, node: ImportedNode) -> bool:
    """A value times a function of itself."""
    if node.keyword != "multiply" or len(node.inputs) != 2:
        return False
    for value, other in (node.inputs, node.inputs[::-1]):
        maker = rewriter.maker(other, *_GATES)
        if maker is not None and maker.inputs == (value,) and rewriter.only_reader(maker):
            return rewriter.put(node, [maker], _GATES[maker.keyword], [value])
        outer = rewriter.maker(other, "tanh")
        if outer is None or rewriter.only_reader(outer) is None:
            continue
        inside = rewriter.maker(outer.inputs[0], "softplus")
        if inside is not None and inside.inputs == (value,) and rewriter.only_reader(inside):
            return rewriter.put(node, [outer, inside], "mish", [value])
    return False


RULES: tuple[Rule, ...] = (gate,)
