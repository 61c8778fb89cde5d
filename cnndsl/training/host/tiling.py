"""Says into which tiles the maps of a convolution are cut for the gradient of its kernels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy

from cnndsl.autodiff.geometry import Geometry
from cnndsl.autodiff.rules import Array

__all__ = ["Tiling", "tiling_of", "tilings"]


@dataclass(frozen=True)
class Tiling:
    """Tiles of the output's maps, and what their windows see of the padded input."""

    counts: tuple[int, int]
    """How many there are along rows and columns."""
    outputs: tuple[int, int]
    """The cells of one."""
    inputs: tuple[int, int]
    """The cells that its windows see: neighbours share some."""
    steps: tuple[int, int]
    """How far apart two neighbours lie in the input."""

    @property
    def count(self) -> int:
        """How many tiles a map has."""
        return math.prod(self.counts)

    @property
    def covered(self) -> tuple[int, int]:
        """The size of the padded input that all tiles see."""
        (a, b), (c, d), (e, f) = self.counts, self.steps, self.inputs
        return (a - 1) * c + e, (b - 1) * d + f

    def cut(self, maps: Array, sizes: Sequence[int], steps: Sequence[int]) -> Array:
        """[N, C, H, W] as [N, tiles, C, rows, columns]."""
        tiles = [
            maps[
                ..., i * steps[0] : i * steps[0] + sizes[0], j * steps[1] : j * steps[1] + sizes[1]
            ]
            for i, j in numpy.ndindex(*self.counts)
        ]
        return numpy.stack(tiles, axis=1)


@cache
def tiling_of(g: Geometry, block: int) -> Tiling:
    """The tiles that should take the least time; pictures and tiles fill blocks."""
    return min(tilings(g, block), key=lambda tiling: _cost(g, block, tiling))


def tilings(g: Geometry, block: int) -> Iterator[Tiling]:
    """Those to choose from: as few as fill blocks of pictures and tiles, for each size of one."""
    height, width = g.outputs
    for outputs in itertools.product(_sides(height), _sides(width)):
        counts = -(-height // outputs[0]), -(-width // outputs[1])
        missing = block // math.gcd(block, g.batch * counts[1])
        counts = -(-counts[0] // missing) * missing, counts[1]
        sees = zip(g.strides, outputs, g.dilations, g.kernel, strict=True)
        inputs = [s * (o - 1) + d * (k - 1) + 1 for s, o, d, k in sees]
        steps = [s * o for s, o in zip(g.strides, outputs, strict=True)]
        yield Tiling(counts, outputs, (inputs[0], inputs[1]), (steps[0], steps[1]))


def _sides(length: int) -> Sequence[int]:
    """The sides of tiles that a length is cut into with the least left over, for each number."""
    return sorted({-(-length // count) for count in range(1, length + 1)})


_CACHE = 3 * 2**18
"""The bytes of a tile that are read again and again: they stay in the second cache of a core."""

_RATE = 32
"""How many products are summed up while one number is copied."""


def _cost(g: Geometry, block: int, tiling: Tiling) -> float:
    """An estimate of time, in numbers that are copied."""
    cells, seen = math.prod(tiling.outputs), math.prod(tiling.inputs)
    inner = min(block, g.channels)
    read = 4 * block * (cells * min(4 * block, g.filters) + seen * inner)
    slower = min(3.0, 1 + max(0.0, read / _CACHE - 1) / 2)
    tiles = g.batch * tiling.count
    products = tiles * cells * g.filters * g.channels * math.prod(g.kernel)
    copies = 1.0 + (tiling.count > 1)
    if tiling.counts[1] > 1:  # column by column, and few channels are short ones
        copies += 8 / inner
    copied = tiles * (seen * g.channels * copies + cells * g.filters)
    return products / _RATE * slower / 4 + copied
