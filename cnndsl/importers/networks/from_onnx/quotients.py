"""Finds layers in divisions of streams that exporters write; nodes are changed in place.

They are local response normalisation (Krizhevsky et al. 2012), as PyTorch writes it by a mean over
channels, and softsign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnndsl.importers.networks.from_onnx.constant_pads import constant_pad
from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, OnnxNode

__all__ = ["with_quotients"]

_SHAPES = frozenset(("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"))


def with_quotients(graph: OnnxGraph) -> None:
    """Make `LRN` and `Softsign` of the divisions that compute them."""
    search = _Search(graph)
    for node in graph.nodes:
        if node.op != "Div" or node.domain or len(node.inputs) != 2:
            continue
        if search.is_softsign(*node.inputs):
            node.op, node.inputs = "Softsign", node.inputs[:1]
        elif (found := search.normalisation(*node.inputs)) is not None:
            node.op, node.inputs, node.attributes = "LRN", node.inputs[:1], found


class _Search:
    """A graph whose values are followed back to what they are computed of."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.graph = graph
        self.producers = graph.producers()

    def is_softsign(self, x: str, below: str) -> bool:
        """x/(1 + |x|)."""
        one, rest = self._with_number(below, "Add")
        made = self.producers.get(rest)
        return one == 1 and made is not None and made.op == "Abs" and made.inputs == [x]

    def normalisation(self, x: str, below: str) -> dict[str, float] | None:
        """The attributes of an LRN: x/(k + alpha mean(x^2))^beta."""
        power = self.producers.get(below)
        if power is None or power.op != "Pow" or (beta := self._number(power.inputs[1])) is None:
            return None
        bias, scaled = self._with_number(power.inputs[0], "Add")
        alpha, mean = self._with_number(scaled, "Mul")
        if bias is None or alpha is None:
            return None
        size = self._channels_in_mean(mean, x)
        return None if not size else {"size": size, "alpha": alpha, "beta": beta, "bias": bias}

    def _channels_in_mean(self, value: str, x: str) -> int:
        """Over how many channels a value is the mean of the squares of ``x``; 0 where it is not.

        PyTorch makes the channels a dimension of places, and pools over these.
        """
        pool = self._before(value, _SHAPES)
        if pool is None or pool.op != "AveragePool":
            return 0
        size, *others = pool.attributes.get("kernel_shape", [0])
        half, rank = size // 2, 1 + len(others)
        pads = pool.attributes.get("pads", [0] * 2 * rank)
        source = pool.inputs[0]
        if [*pads] == [half, *[0] * (rank - 1)] * 2 and pool.attributes.get("count_include_pad"):
            padded = 0
        else:
            around = self.producers.get(source)
            if any(pads) or around is None or not self._adds_zeros(around, half):
                return 0
            source, padded = around.inputs[0], 2 * half
        steps = {*pool.attributes.get("strides", [1])}
        shape, seen = self.graph.shapes.get(x, ()), self.graph.shapes.get(pool.inputs[0], ())
        channels = seen[:3] == (*shape[:1], 1, *(one + padded for one in shape[1:2]))
        places = math.prod(seen[3:]) == math.prod(shape[2:])
        plain = size % 2 == 1 and {*others} <= {1} and steps == {1}
        is_square = self._is_square(self._through(source, _SHAPES), x)
        return size if plain and len(shape) > 2 and channels and places and is_square else 0

    def _adds_zeros(self, node: OnnxNode, half: int) -> bool:
        """Whether a node adds so many zeros on both sides of its third dimension, and nothing."""
        rank = len(self.graph.shapes.get(node.inputs[0], ()))
        wanted = [(half, half) if at == 2 else (0, 0) for at in range(rank)]
        return rank > 2 and constant_pad(self.graph, node, rank) == (wanted, 0)

    def _is_square(self, value: str, x: str) -> bool:
        node = self.producers.get(value)
        if node is None:
            return False
        if node.op == "Mul":
            return node.inputs == [x, x]
        return node.op == "Pow" and node.inputs[0] == x and self._number(node.inputs[1]) == 2

    def _with_number(self, value: str, op: str) -> tuple[float | None, str]:
        """The number and the value that an operator of two joins."""
        node = self.producers.get(value)
        if node is None or node.op != op or len(node.inputs) != 2:
            return None, ""
        numbers: Sequence[float | None] = [self._number(one) for one in node.inputs]
        for at, number in enumerate(numbers):
            if number is not None:
                return number, node.inputs[1 - at]
        return None, ""

    def _number(self, name: str) -> float | None:
        array = self.graph.constants.get(name)
        return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None

    def _through(self, value: str, passed: frozenset[str]) -> str:
        """What a value is, before operators of these kinds."""
        while (node := self.producers.get(value)) is not None and node.op in passed:
            value = node.inputs[0]
        return value

    def _before(self, value: str, passed: frozenset[str]) -> OnnxNode | None:
        return self.producers.get(self._through(value, passed))
