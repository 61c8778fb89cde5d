"""Convolutions of all kinds: named ones, and random ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy

from cnndsl.autodiff.geometry import Geometry

__all__ = ["CASES", "Case", "square"]


@dataclass(frozen=True)
class Case:
    """A convolution; one number stands for all spatial dimensions."""

    inputs: tuple[int, ...]
    kernel: tuple[int, ...]
    batch: int = 2
    channels: int = 2
    filters: int = 3
    groups: int = 1
    strides: int | tuple[int, ...] = 1
    dilations: int | tuple[int, ...] = 1
    before: int | tuple[int, ...] = 0
    after: int | tuple[int, ...] | None = None

    def spread(self, value: int | tuple[int, ...]) -> tuple[int, ...]:
        return value if isinstance(value, tuple) else (value,) * len(self.kernel)

    @property
    def geometry(self) -> Geometry:
        strides, dilations = self.spread(self.strides), self.spread(self.dilations)
        before = self.spread(self.before)
        after = before if self.after is None else self.spread(self.after)
        outputs = tuple(
            (size + first + last - dilation * (kernel - 1) - 1) // stride + 1
            for size, first, last, dilation, kernel, stride in zip(
                self.inputs, before, after, dilations, self.kernel, strides, strict=True
            )
        )
        return Geometry(
            self.batch,
            self.groups,
            self.channels,
            self.filters,
            self.inputs,
            outputs,
            self.kernel,
            strides,
            dilations,
            before,
            after,
        )


CASES = {
    "one dimension": Case((7,), (3,)),
    "one dimension, stride, padding, a rest": Case((8,), (3,), strides=3, before=1, after=2),
    "two dimensions": Case((5, 6), (3, 2)),
    "padding": Case((4, 5), (3, 3), before=1),
    "one-sided padding": Case((4, 5), (3, 3), before=(0, 2), after=(1, 0)),
    "padding wider than the kernel": Case((3, 3), (2, 2), before=2),
    "padding wider than what a window spans, and all windows in it": Case(
        (2, 1), (2, 1), strides=2, before=(0, 1), after=(0, 0)
    ),
    "padding wider than what a dilated window spans, in groups": Case(
        (5, 2, 2),
        (2, 3, 2),
        channels=4,
        filters=2,
        groups=2,
        strides=(4, 1, 3),
        dilations=(1, 2, 2),
        before=(4, 2, 5),
        after=(0, 2, 0),
    ),
    "stride": Case((7, 7), (3, 3), strides=2),
    "stride that leaves cells out": Case((8, 8), (3, 3), strides=2),
    "stride that leaves padding out": Case((6, 6), (3, 3), strides=2, before=1),
    "stride larger than the kernel": Case((8, 9), (2, 1), strides=(3, 4)),
    "different strides": Case((7, 6), (3, 2), strides=(2, 1), before=(1, 0)),
    "dilation": Case((7, 8), (3, 2), dilations=2),
    "dilation of rows only": Case((7, 6), (3, 3), dilations=(2, 1), before=1),
    "dilation and stride": Case((9, 10), (3, 2), dilations=(2, 3), strides=2, before=(2, 1)),
    "dilation and a stride without a common divisor": Case(
        (5, 12), (2, 3), dilations=(1, 3), strides=(1, 2), before=(0, 2), after=(1, 1)
    ),
    "dilation that a stride divides, groups": Case(
        (3, 13), (1, 3), channels=4, filters=2, groups=2, dilations=(1, 4), strides=2, before=(0, 3)
    ),
    "stride that a dilation divides": Case((14,), (3,), dilations=2, strides=4, before=1, after=2),
    "groups": Case((5, 5), (3, 3), channels=4, filters=6, groups=2, before=1),
    "groups, stride, a rest": Case((6, 6), (2, 3), channels=6, filters=3, groups=3, strides=2),
    "depthwise": Case((5, 5), (3, 3), channels=3, filters=3, groups=3, before=1),
    "depthwise, stride": Case((6, 5), (3, 3), channels=3, filters=3, groups=3, strides=2, before=1),
    "depthwise, dilation": Case((6, 7), (3, 3), channels=2, filters=2, groups=2, dilations=2),
    "depthwise with a multiplier": Case((5, 5), (3, 3), channels=2, filters=4, groups=2),
    "one cell": Case((4, 3), (1, 1), channels=3, filters=4),
    "one cell, stride": Case((6, 5), (1, 1), strides=2),
    "one cell, padding": Case((3, 4), (1, 1), before=(1, 0), after=(0, 1)),
    "one cell, groups": Case((3, 3), (1, 1), channels=4, filters=2, groups=2),
    "one picture": Case((6, 6), (3, 3), batch=1, before=1),
    "one picture, one channel": Case((6, 6), (3, 3), batch=1, channels=1, filters=2),
    "one channel": Case((6, 6), (3, 3), batch=3, channels=1, strides=2),
    "one filter": Case((5, 5), (2, 2), filters=1),
    "kernel as wide as the input": Case((6, 3), (2, 3), before=(1, 0), after=(0, 0)),
    "kernel as high as the input, groups": Case((3, 6), (3, 2), channels=4, filters=6, groups=2),
    "kernel as large along two of three axes": Case((2, 5, 3), (2, 2, 3), dilations=(1, 2, 1)),
    "kernel as large as the input": Case((4, 3), (4, 3)),
    "three dimensions": Case((4, 3, 4), (2, 3, 2), channels=2, filters=2),
    "three dimensions, all at once": Case(
        (5, 6, 5),
        (2, 3, 2),
        channels=4,
        filters=4,
        groups=2,
        strides=(2, 1, 2),
        dilations=(1, 2, 1),
        before=(1, 0, 1),
        after=(0, 1, 1),
    ),
}


def _random_cases(widest: int = 2) -> Iterator[tuple[str, Case]]:
    """With padding of at most so many cells."""
    random = numpy.random.default_rng(11)
    while True:
        rank = int(random.integers(1, 4))

        def draw(low: int, high: int, rank: int = rank) -> tuple[int, ...]:
            return tuple(random.integers(low, high, rank).tolist())

        groups = int(random.choice([1, 1, 2, 3]))
        case = Case(
            inputs=draw(1 if widest > 2 else 2, 11 - 2 * rank),
            kernel=draw(1, 4),
            batch=int(random.integers(1, 4)),
            channels=groups * int(random.integers(1, 4)),
            filters=groups * int(random.integers(1, 4)),
            groups=groups,
            strides=draw(1, 4),
            dilations=draw(1, 3),
            before=draw(0, widest + 1),
            after=draw(0, widest + 1),
        )
        if all(size > 0 for size in case.geometry.outputs):
            kind = "random" if widest < 3 else "random, padding wider"
            yield f"{kind} {case.geometry}", case


CASES |= dict(case for case, _ in zip(_random_cases(), range(30), strict=False))
CASES |= dict(case for case, _ in zip(_random_cases(widest=6), range(12), strict=False))


def square(
    batch: int,
    channels: int,
    size: int,
    filters: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Geometry:
    return Case(
        (size, size),
        (kernel, kernel),
        batch,
        channels,
        filters,
        groups,
        strides=stride,
        before=padding,
    ).geometry
