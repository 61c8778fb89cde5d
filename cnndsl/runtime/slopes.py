"""Compares gradients with the slopes of the loss that they claim.

Along a tensor's own gradient the loss rises by the gradient's norm. The loss is computed in
float64, so the steps can be so short that next to none crosses a kink of a ReLU or a maximum, and
what remains is the float32 noise of the gradients themselves. That is measured, and allowed for.

A slope costs a run of the network in float64. So several tensors are moved at once, each by as
much as should change the loss equally; where the sum is wrong, halves are tried until the tensor
is found. Each group is moved twice, the second time with signs drawn at random: errors that
cancel in one sum do not in the other. So is a tensor without a gradient, each time along numbers
drawn at random, which may by chance lie across the slope.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

__all__ = ["Slopes", "Tensor"]

Doubles: TypeAlias = NDArray[numpy.float64]

_STEP = 1e-8
"""How far a tensor is moved, in shares of its norm: kinks are rarely met, and float64 is exact."""

_LEAST_CHANGE = 1e-10
"""By how much a move should change the loss at least, in shares of it: float64 rounds at 1e-16."""

_SILENT_STEP = 1e-6
_SILENT_CHANGE = 1e-4
"""A tensor whose gradient is all noise is moved farther; the loss must not change by more than
this share of the loss per share of its norm."""

_NOISE = 4.0
"""How many times the measured noise of a gradient is allowed for."""

_ALL_NOISE = 0.05
"""A gradient whose noise is a larger share of it says nothing."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """A weight, its gradient, and how that changes where float32 rounds otherwise.

    Of the change there are several draws, one behind the other along a first axis. ``resolution``
    is a float32's share of the terms that the gradient is the sum of, where that is known.
    """

    name: str
    weight: Doubles
    gradient: Doubles
    noise: Doubles
    resolution: float = 0.0

    @property
    def norm(self) -> float:
        """The gradient's."""
        return float(numpy.linalg.norm(self.gradient))

    @property
    def size(self) -> float:
        """The weight's norm; 1 for a weight of zeros."""
        return float(numpy.linalg.norm(self.weight)) or 1.0

    @property
    def silent(self) -> bool:
        """Whether its gradient is nothing but noise, as that of a bias before a normalisation."""
        return self.norm == 0 or self.spread > _ALL_NOISE * self.norm

    @property
    def spread(self) -> float:
        """The norm of its noise: the root mean square over the draws, and its resolution."""
        drawn = float(numpy.linalg.norm(self.noise)) / math.sqrt(len(self.noise))
        return math.hypot(drawn, self.resolution)

    @property
    def drift(self) -> float:
        """Its noise along the gradient, in the same way."""
        along = (self.noise * self.gradient).reshape(len(self.noise), -1).sum(axis=1)
        drawn = float(numpy.linalg.norm(along)) / math.sqrt(len(self.noise)) / self.norm
        return math.hypot(drawn, self.resolution)


class Slopes:
    """The slopes of a loss at one point.

    Args:
        loss: the loss for some moved weights, in float64; the others stay.
        tensors: the weights with their gradients.
        tolerance: how wrong a gradient may be, as a share of it.
        told: is called with the number of runs so far, before each one.
    """

    def __init__(
        self,
        loss: Callable[[Mapping[str, Doubles]], float],
        tensors: Sequence[Tensor],
        tolerance: float,
        told: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._loss = loss
        self._tensors = tensors
        self._tolerance = tolerance
        self._told = told
        self._runs = 0
        self._random = numpy.random.default_rng(0)
        self.loss = self._run({})

    def worst(self, groups: int) -> tuple[float, str]:
        """The largest error that was found, as a share, and the first tensor of where it is.

        An error above the tolerance is that of a single tensor.
        """
        worst, where = 0.0, ""
        for group in self._groups(groups):
            error, name = self._look(group)
            if error >= worst:
                worst, where = error, name
            if worst > self._tolerance:
                break
        return worst, where

    def _groups(self, count: int) -> Iterator[Sequence[Tensor]]:
        """Tensors that matter about equally; those that are all noise stand apart."""
        silent = [one for one in self._tensors if one.silent]
        others = [one for one in self._tensors if not one.silent]
        others.sort(key=lambda one: one.norm * one.size)
        length = -(-len(self._tensors) // count)
        for members in (others, silent):
            for start in range(0, len(members), length):
                yield members[start : start + length]

    def _look(self, group: Sequence[Tensor]) -> tuple[float, str]:
        """The error of a group; that of its worst tensor, where the group's is too large."""
        error = self._error(group, numpy.ones(len(group)))
        if len(group) > 1 or group[0].norm == 0:
            signs = self._random.choice([-1.0, 1.0], len(group))
            error = max(error, self._error(group, signs))
        if error <= self._tolerance or len(group) == 1:
            return error, group[0].name
        middle = len(group) // 2
        first, second = self._look(group[:middle]), (0.0, "")
        if first[0] <= self._tolerance:
            second = self._look(group[middle:])
        return max(first, second)

    def _error(self, group: Sequence[Tensor], signs: Doubles) -> float:
        """By how much the loss changes otherwise than the gradients say, as a share of one's."""
        silent = group[0].silent
        if silent:
            lengths = [_SILENT_STEP * one.size for one in group]
            share = _SILENT_STEP * _SILENT_CHANGE * abs(self.loss) / self._tolerance
        else:
            middle = float(numpy.median([one.norm * one.size for one in group]))
            share = max(_STEP * middle, _LEAST_CHANGE * abs(self.loss))
            lengths = [share / one.norm for one in group]
        moved, expected, noise = {}, 0.0, 0.0
        for one, sign, length in zip(group, signs, lengths, strict=True):
            moved[one.name] = one.weight + sign * length * self._direction(one)
            expected += float(sign) * length * one.norm
            noise += (_NOISE * length * (one.spread if silent else one.drift)) ** 2
        change = self._run(moved) - self.loss
        error = abs(change - expected) / share
        if not math.isfinite(error):
            return math.inf
        if error - math.sqrt(noise) / share <= self._tolerance:
            return min(error, self._tolerance)
        return error

    def _direction(self, tensor: Tensor) -> Doubles:
        gradient: Any = tensor.gradient
        if tensor.norm == 0:
            gradient = self._random.normal(size=tensor.weight.shape)
        return numpy.asarray(gradient / numpy.linalg.norm(gradient))

    def _run(self, moved: Mapping[str, Doubles]) -> float:
        self._told(self._runs)
        self._runs += 1
        return self._loss(moved)
