"""Turns batches of prepared samples into randomly changed ones, as a recipe's ``augment`` says.

Every random number is a function of the seed, the epoch, the sample's index, the position of the
augmentation and the number of the draw, and of nothing else. How a sample is changed thus depends
neither on the samples beside it nor on what was drawn before, and a resumed run goes on exactly
as one that was never interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from statistics import NormalDist
from typing import TypeAlias

import numpy
import numpy.typing
from numpy.lib.stride_tricks import sliding_window_view

from cnndsl.data.preparing import Floats
from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.semantics.augmentations import Crop, Cutout, Flip, Noise, Rotate, Shift
from cnndsl.semantics.settings import Augmentation
from cnndsl.types import DType

__all__ = ["Augmenter"]

Indices: TypeAlias = "numpy.typing.NDArray[numpy.int64]"
Bits: TypeAlias = "numpy.typing.NDArray[numpy.uint64]"
Doubles: TypeAlias = "numpy.typing.NDArray[numpy.float64]"


class Augmenter:
    """Changes batches of samples: float32 arrays of n x channels x spatial sizes, by input name.

    Several inputs are of one size, and are moved, turned and mirrored alike; their noise differs.
    What is zero according to the recipe is 0 in the units of the prepared input.

    Args:
        augmentations: what the recipe says, in order.
        seed: the run's seed.
        inputs: the network's inputs.

    Raises:
        UserError: CNN809 for an augmentation that the inputs cannot take.
    """

    def __init__(
        self, augmentations: Sequence[Augmentation], seed: int, inputs: Sequence[ModelInput]
    ) -> None:
        for augmentation in augmentations:
            _check(augmentation, inputs)
        self.augmentations = tuple(augmentations)
        self.seed = seed
        self.inputs = tuple(one.name for one in inputs)

    def __call__(
        self, arrays: Mapping[str, Floats], epoch: int, indices: Indices
    ) -> dict[str, Floats]:
        """The same samples, changed; the given arrays stay as they are.

        ``indices`` are the samples' places in the data set, one for each row.
        """
        changed = dict(arrays)
        for position, augmentation in enumerate(self.augmentations):
            draws = _Draws((self.seed, epoch, position), indices)
            for number, name in enumerate(self.inputs):
                changed[name] = _changed(augmentation, changed[name], draws, number)
        return changed


def _changed(augmentation: Augmentation, x: Floats, draws: _Draws, number: int) -> Floats:
    """A batch of the input of that number after one augmentation."""
    match augmentation:
        case Crop(padding=cells) | Shift(cells=cells):
            # A random piece of a padded sample is the sample moved.
            return _moved(x, cells, draws)
        case Flip():
            return _mirrored(x, augmentation, draws)
        case Rotate(degrees=degrees):
            return _turned(x, degrees, draws)
        case Cutout(size=size):
            return _cut_out(x, size, draws)
        case Noise(std=std):
            # Noise of its own for every input.
            noise = draws.normal(math.prod(x.shape[1:]), first=number << 32)
            return x + numpy.float32(std) * noise.reshape(x.shape)
    raise AssertionError(f"there is no augmentation {augmentation}")


# --- what the inputs must be --------------------------------------------------------------------


def _check(augmentation: Augmentation, inputs: Sequence[ModelInput]) -> None:
    """See to it that all inputs can be changed so."""
    for one in inputs:
        _check_one(augmentation, one)
    sizes = {one.type.spatial: one for one in inputs}
    if len(sizes) > 1 and not isinstance(augmentation, Noise):
        first, second = list(sizes.values())[:2]
        why = (
            f"the inputs `{first.name}` ({first.type}) and `{second.name}` ({second.type})"
            " differ in size and cannot be changed alike"
        )
        raise _unsuitable(augmentation, why)


def _check_one(augmentation: Augmentation, one: ModelInput) -> None:
    sizes = one.type.spatial
    its = f"the input `{one.name}` is {one.type}"
    if one.type.dtype is DType.INT64:
        raise _unsuitable(augmentation, f"the input `{one.name}` are token ids")
    if isinstance(augmentation, Noise):
        return
    if not sizes:
        raise _unsuitable(augmentation, f"{its}, without spatial dimensions")
    smallest = min(sizes)
    match augmentation:
        case Rotate() if len(sizes) != 2:
            raise _unsuitable(augmentation, f"{its}, and only pictures can be turned")
        case Flip(direction="vertical" | "both") if len(sizes) == 1:
            why = f"{its}, without top and bottom"
            raise _unsuitable(augmentation, why, "write `flip horizontal`")
        case Crop(padding=cells) | Shift(cells=cells) if cells >= smallest:
            why = f"{its}, of which a move by {_cells(cells)} may leave nothing"
            help = f"write a number below {smallest}" if smallest > 1 else ""
            raise _unsuitable(augmentation, why, help)
        case Cutout(size=size) if size > smallest:
            why = f"{its}, smaller than a square of {_cells(size)}"
            raise _unsuitable(augmentation, why, f"write a number of at most {smallest}")


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number} cells"


def _unsuitable(augmentation: Augmentation, why: str, help: str = "") -> UserError:
    word = augmentation.keyword
    help = help or f"take `{word}` out of the recipe's `augment`"
    return UserError("CNN809", f"`augment {word}` does not suit the network: {why}", help=help)


# --- the changes --------------------------------------------------------------------------------


def _moved(x: Floats, most: int, draws: _Draws) -> Floats:
    """Each sample moved by up to so many cells along each dimension, zero coming in."""
    rank = x.ndim - 2
    n, channels, *sizes = x.shape
    padded = numpy.zeros((n, channels, *(size + 2 * most for size in sizes)), numpy.float32)
    padded[(slice(None), slice(None), *(slice(most, most + size) for size in sizes))] = x
    windows = sliding_window_view(padded, sizes, tuple(range(2, x.ndim)))
    places = (draws.uniform(rank) * (2 * most + 1)).astype(numpy.int64)
    moved: Floats = windows[(numpy.arange(n), slice(None), *places.T)]
    return moved


def _mirrored(x: Floats, flip: Flip, draws: _Draws) -> Floats:
    """Left to right along the last dimension, top to bottom along the one before it."""
    chances = draws.uniform(2) < flip.probability
    changed = x
    for axis, direction in ((-1, "horizontal"), (-2, "vertical")):
        if flip.direction in (direction, "both"):
            chosen = chances[:, axis + 1].reshape(-1, *(1,) * (x.ndim - 1))
            changed = numpy.where(chosen, numpy.flip(changed, axis), changed)
    return changed


def _turned(x: Floats, degrees: float, draws: _Draws) -> Floats:
    """Each picture turned about its middle by up to so many degrees, zero coming in.

    An output cell takes what lies where the turn brings it from, interpolated linearly between
    the four cells around that place.
    """
    n, _, height, width = x.shape
    angles = numpy.deg2rad((draws.uniform(1) * 2 - 1) * degrees)
    turns = numpy.stack([numpy.sin(angles), numpy.cos(angles)]).astype(numpy.float32)[..., None]
    turned = numpy.empty_like(x)
    # In pieces whose arrays stay in the cache and the heap: four times as fast as at once.
    samples, rows = max(1, _PIECE // (height * width)), max(1, _PIECE // width)
    for some in (slice(at, at + samples) for at in range(0, n, samples)):
        padded = _padded(x[some])
        for lines in (slice(top, top + rows) for top in range(0, height, rows)):
            y = numpy.arange(height, dtype=numpy.float32)[lines]
            places = _origins(y, (height, width), turns[:, some])
            turned[some, :, lines] = _sampled(padded, *places)
    return turned


_PIECE = 2**12
"""So many cells of a channel are turned at once."""


def _padded(x: Floats) -> Floats:
    """Pictures among zeros: one cell before them, two behind, the second for a weight of zero."""
    n, channels, height, width = x.shape
    padded = numpy.zeros((n, channels, height + 3, width + 3), numpy.float32)
    padded[:, :, 1:-2, 1:-2] = x
    return padded


def _origins(y: Floats, sizes: tuple[int, int], turns: Floats) -> tuple[Floats, Floats]:
    """Where in padded pictures the cells of output rows come from: rows and columns.

    What lies farther outside than the zeros around a picture is taken from there.
    """
    height, width = sizes
    sine, cosine = turns
    y = (y - numpy.float32((height - 1) / 2))[:, None]
    x = numpy.arange(width, dtype=numpy.float32) - numpy.float32((width - 1) / 2)
    rows = cosine * y - sine * x + numpy.float32((height + 1) / 2)
    columns = sine * y + cosine * x + numpy.float32((width + 1) / 2)
    return numpy.clip(rows, 0, height + 1), numpy.clip(columns, 0, width + 1)


def _sampled(padded: Floats, rows: Floats, columns: Floats) -> Floats:
    """The values of pictures at places between their cells, for every channel."""
    n, channels, height, width = padded.shape
    above, left = rows.astype(numpy.int32), columns.astype(numpy.int32)
    down, right = rows - above.astype(numpy.float32), columns - left.astype(numpy.float32)
    starts = numpy.arange(n)[:, None, None] * (channels * height * width)
    first = starts + (above * width + left)
    values = numpy.empty((n, channels, *rows.shape[1:]), numpy.float32)
    flat = padded.reshape(-1)
    for channel in range(channels):
        own = flat[channel * height * width :]
        upper = _between(own.take(first), own[1:].take(first), right)
        lower = _between(own[width:].take(first), own[width + 1 :].take(first), right)
        values[:, channel] = _between(upper, lower, down)
    return values


def _between(one: Floats, other: Floats, share: Floats) -> Floats:
    """From one to the other by a share of the way; both arrays are used up."""
    other -= one
    other *= share
    one += other
    return one


def _cut_out(x: Floats, size: int, draws: _Draws) -> Floats:
    """A square (line, cube) of zeros about a random cell; at the border a part of it."""
    rank = x.ndim - 2
    middles = draws.uniform(rank)
    hidden = numpy.ones((len(x), *(1,) * (x.ndim - 1)), bool)
    for axis, length in enumerate(x.shape[2:]):
        starts = (middles[:, axis] * length).astype(numpy.int64)[:, None] - size // 2
        cells = numpy.arange(length)
        inside = (cells >= starts) & (cells < starts + size)
        shape = [len(x), 1, *(1,) * rank]
        shape[axis + 2] = length
        hidden = hidden & inside.reshape(shape)
    return numpy.where(hidden, numpy.float32(0), x)


# --- chance -------------------------------------------------------------------------------------


_GOLDEN = 0x9E3779B97F4A7C15


class _Draws:
    """Random numbers for each sample: SplitMix64 (Steele, Lea & Flood 2014), as a function.

    The generator adds a constant to its state and mixes the result, so its k-th number can be
    had without those before. Each sample's state is made by mixing what identifies it.
    """

    def __init__(self, stream: tuple[int, ...], indices: Indices) -> None:
        key = numpy.zeros(1, numpy.uint64)
        for number in (*stream, indices):
            key = _mixed(key + numpy.uint64(_GOLDEN) + numpy.asarray(number).astype(numpy.uint64))
        self._states = key[:, None]

    def bits(self, count: int, first: int = 0) -> Bits:
        """For each sample the draws from ``first`` on: n x count numbers of 64 bits."""
        numbers = numpy.arange(first + 1, first + 1 + count, dtype=numpy.uint64)
        return _mixed(self._states + numbers * numpy.uint64(_GOLDEN))

    def uniform(self, count: int) -> Doubles:
        """Evenly from [0, 1)."""
        return (self.bits(count) >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-53

    def normal(self, count: int, first: int = 0) -> Floats:
        """From the standard normal distribution, four of 16 bits of chance from every draw."""
        pieces = self.bits(-(-count // 4), first).astype("<u8").view("<u2")[:, :count]
        return _quantiles().take(pieces)


def _mixed(x: Bits) -> Bits:
    """SplitMix64's mixing function, on an array of its own."""
    x ^= x >> numpy.uint64(30)
    x *= numpy.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> numpy.uint64(27)
    x *= numpy.uint64(0x94D049BB133111EB)
    x ^= x >> numpy.uint64(31)
    return x


@cache
def _quantiles() -> Floats:
    """The middles of 65,536 equally likely pieces of the normal distribution, by number."""
    normal = NormalDist()
    upper = [normal.inv_cdf((2**15 + piece + 0.5) / 2**16) for piece in range(2**15)]
    table = numpy.array([*(-quantile for quantile in reversed(upper)), *upper])
    table /= table.std()
    return table.astype(numpy.float32)
