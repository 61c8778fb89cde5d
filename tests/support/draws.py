"""What it takes to draw a layer: its text, and how PyTorch computes it in float64.

A draw gets a drawing, which keeps weights and counts, and an input whose sizes it may look at. It
gives a text and a `make`: each call of that has weights of its own, and gives what computes. So one
text can stand for several layers, and one layer can be used several times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy
import pytest
from oracle import Array
from random_choices import Choices

torch: Any = pytest.importorskip("torch")
torch.set_num_threads(1)  # more only wait for each other, beside the other tests

__all__ = [
    "Draw",
    "Drawing",
    "Drawn",
    "Kind",
    "Needs",
    "Run",
    "Tensor",
    "chained",
    "kinds",
    "plain",
    "torch",
]

Tensor: TypeAlias = Any
Run: TypeAlias = Callable[[Tensor], Tensor]
Needs: TypeAlias = Literal["anything", "maps", "vector"]


@dataclass(frozen=True)
class Drawn:
    """The text of a layer or a chain, and what makes it."""

    text: str
    make: Callable[[], Run]


class Drawing(Choices):
    """The weights, counts and streams of a network that is being drawn, or that computes.

    ``training`` says how it computes; ``chance`` that it has a layer that draws in training.
    ``macs`` counts what was computed since it was last set to 0.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.numbers = numpy.random.default_rng(seed)
        self.weights: list[Tensor] = []
        self.macs = 0
        self.training = False
        self.chance = False
        self.values: dict[str, Tensor] = {}
        self.constants: dict[str, int] = {}

    def weight(self, *shape: int, size: float | None = None) -> Tensor:
        """Numbers around 0, of a variance that keeps that of what they are multiplied with."""
        size = 1 / math.sqrt(max(1, math.prod(shape[1:]))) if size is None else size
        return self._added(self.numbers.normal(size=shape) * size)

    def factor(self, *shape: int, learns: bool = True) -> Tensor:
        """Numbers around 1, all above 0."""
        return self._added(self.numbers.uniform(0.5, 1.5, shape), learns=learns)

    def shift(self, *shape: int, learns: bool = True) -> Tensor:
        """Numbers around 0, such as biases."""
        return self._added(self.numbers.normal(size=shape) / 2, learns=learns)

    def _added(self, array: Array, *, learns: bool = True) -> Tensor:
        """Ours are in float32; PyTorch computes with the same numbers."""
        tensor = torch.tensor(array.astype(numpy.float32)).double().requires_grad_(learns)
        self.weights.append(tensor)
        return tensor

    def number(self, value: int, x: Tensor | None = None) -> str:
        """A whole number, or something that gives it."""
        forms = [str(value)] * 4
        if value > 1:
            forms.append(f"({value + 1} - 1)")
            forms.append(f"min({value}, {value + 2})")
        if value % 2 == 0:
            forms.append(f"{value // 2}*2")
        if x is not None and value == x.shape[1]:
            forms += ["channels(identity)"] * 4
        elif x is not None and value == 2 * x.shape[1]:
            forms += ["2*channels(identity)"] * 2
        name = f"n{value}"
        if self.count(0, 9) == 9:
            self.constants[name] = value
            forms = [name]
        return str(self.pick(*forms))


Draw: TypeAlias = Callable[[Drawing, Tensor], Drawn]


@dataclass(frozen=True)
class Kind:
    """A kind of layer that can be drawn, and what its input must be."""

    draw: Draw
    needs: Needs = "anything"


def plain(text: str, run: Run) -> Drawn:
    """A layer without weights."""
    return Drawn(text, lambda: run)


def chained(*drawn: Drawn) -> Drawn:
    """Layers one after the other."""

    def make() -> Run:
        runs = [one.make() for one in drawn]

        def run(x: Tensor) -> Tensor:
            for each in runs:
                x = each(x)
            return x

        return run

    return Drawn(" -> ".join(one.text for one in drawn), make)


def kinds(needs: Needs, draws: Mapping[str, Draw]) -> dict[str, Kind]:
    """Kinds that all need the same."""
    return {word: Kind(draw, needs) for word, draw in draws.items()}
