"""Joins of joins, and parts of one stream."""

from __future__ import annotations

from cnndsl.importers.networks.graph import ImportedNode
from cnndsl.importers.networks.rewriting.rewriter import Rewriter, Rule

__all__ = ["RULES", "grown", "of_many"]


def grown(rewriter: Rewriter, node: ImportedNode) -> bool:
    """A concatenation that begins with all of another one goes on from that.

    So DenseNets are written: torchvision's layers join all features before them anew.
    """
    if node.keyword != "concat" or len(node.inputs) < 3:
        return False
    best: ImportedNode | None = None
    for other in rewriter.readers(node.inputs[0]):
        if other is node:
            break
        shorter = other.keyword == "concat" and len(other.inputs) < len(node.inputs)
        if shorter and node.inputs[: len(other.inputs)] == other.inputs:
            best = other
    if best is None:
        return False
    inputs = (best.outputs[0], *node.inputs[len(best.inputs) :])
    return rewriter.put(node, [], "concat", inputs)


def of_many(rewriter: Rewriter, node: ImportedNode) -> bool:
    """A join that begins with one of its kind, which nothing else reads, is one of all of them.

    Sums are taken from the left in both.
    """
    if node.keyword not in ("add", "maximum", "minimum"):
        return False
    first = rewriter.maker(node.inputs[0], node.keyword)
    if first is None or rewriter.only_reader(first) is None or first.outputs[0] in node.inputs[1:]:
        return False
    return rewriter.put(node, [first], node.keyword, (*first.inputs, *node.inputs[1:]))


RULES: tuple[Rule, ...] = (grown, of_many)
