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

from cnndsl.data.normalize import Floats
from cnndsl.data.sources import Array, ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.augmentations.base import Augmentation

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
        UserError: CNN830 for an augmentation that the inputs cannot take.
    """

    def __init__(
        self, augmentations: Sequence[Augmentation], seed: int, inputs: Sequence[ModelInput]
    ) -> None:
        types = {one.name: one.type for one in inputs}
        for augmentation in augmentations:
            found = augmentation.misfit(types)
            if found is not None:
                word = augmentation.keyword
                message = f"`augment {word}` does not suit the network: {found.why}"
                raise UserError("CNN830", message, help=found.help)
        self.augmentations = tuple(augmentations)
        self.seed = seed
        self.inputs = tuple(one.name for one in inputs)
        self.sizes = inputs[0].type.spatial

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
                before = changed[name]
                changed[name] = augmentation.change(before, draws, number)
                _demand_alike(augmentation, before, changed[name])
        return changed

    def move_labels(self, labels: Array, epoch: int, indices: Indices) -> Array:
        """Labels of places, moved as the samples of these indices are; 0 comes in.

        Args:
            labels: of n x spatial sizes or n x channels x spatial sizes; the sizes are those of
                the inputs.
            epoch: as the samples are changed for.
            indices: the samples' places in the data set, one for each row.
        """
        channels = math.prod(labels.shape[1:]) // math.prod(self.sizes)
        changed = labels.reshape(len(labels), channels, *self.sizes)
        for position, augmentation in enumerate(self.augmentations):
            if augmentation.moves_labels:
                draws = _Draws((self.seed, epoch, position), indices)
                changed = augmentation.move(changed, draws, nearest=True)
        return changed.reshape(labels.shape)


def _demand_alike(augmentation: Augmentation, before: Array, after: object) -> None:
    """See to it that an augmentation, perhaps of another package, gives a batch as it got one."""
    if not isinstance(after, numpy.ndarray) or after.shape != before.shape:
        found = f"one of {after.shape}" if isinstance(after, numpy.ndarray) else "no array"
        raise _unlike(augmentation, f"a batch of shape {before.shape} into {found}")
    if after.dtype.kind != "f":
        raise _unlike(augmentation, f"{before.dtype} into {after.dtype}")


def _unlike(augmentation: Augmentation, what: str) -> UserError:
    message = f"`augment {augmentation.keyword}` makes {what}"
    return UserError("CNN830", message, help=augmentation.without)


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
