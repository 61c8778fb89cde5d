"""Turns a picture into several of what a network takes: crops of a larger one, and mirror images.

The crops are the middle and the four corners of a picture that is prepared larger than the input,
as Krizhevsky et al. (2012) took them: with ``fit crop from 256`` of 256x256 pixels, else of a
seventh more than the input on each side (224 becomes 256).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy

from cnndsl.data.sources import Array, ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.types import DType, TensorType

__all__ = ["ONE", "Crops", "View", "Views"]

Crops: TypeAlias = Literal[1, 5, 10]
"""One picture as it is; the middle and the corners; these, and each mirrored."""


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at a picture: where it is cut, and whether it is mirrored.

    ``corner`` says for height and width which end: 0 the first, 1 the last, 0.5 the middle. None
    leaves the picture whole.
    """

    corner: tuple[float, float] | None = None
    is_mirrored: bool = False

    def of(self, batch: Mapping[str, Array], inputs: Sequence[ModelInput]) -> Mapping[str, Array]:
        """What these inputs take of a batch of larger pictures, or of pictures of their size."""
        if self.corner is None and not self.is_mirrored:
            return batch
        return {one.name: self._of_input(batch[one.name], one) for one in inputs}

    def _of_input(self, pictures: Array, model_input: ModelInput) -> Array:
        # Pictures of bytes have their channels last.
        axes = (1, 2) if model_input.is_raw else (pictures.ndim - 2, pictures.ndim - 1)
        index = [slice(None)] * pictures.ndim
        if self.corner is not None:
            for axis, size, end in zip(axes, model_input.type.spatial, self.corner, strict=True):
                start = int((pictures.shape[axis] - size) * end)
                index[axis] = slice(start, start + size)
        pictures = pictures[tuple(index)]
        if self.is_mirrored:
            pictures = numpy.flip(pictures, axes[1])
        return numpy.ascontiguousarray(pictures)


_CORNERS = ((0.5, 0.5), (0, 0), (0, 1), (1, 0), (1, 1))


@dataclass(frozen=True, slots=True)
class Views:
    """How often a network is asked about a picture: ``crops`` 1, 5 or 10, and mirrored by ``flip``.

    Ten crops are five and each mirrored.

    >>> len(Views().each), len(Views(5).each), len(Views(10).each), len(Views(flip=True).each)
    (1, 5, 10, 2)

    Raises:
        ValueError: for another number of crops.
    """

    crops: Crops = 1
    flip: bool = False

    def __post_init__(self) -> None:
        if self.crops not in get_args(Crops):
            raise ValueError(f"`crops` must be 1, 5 or 10, not {self.crops!r}")

    @property
    def each(self) -> tuple[View, ...]:
        """The views, the plainest first."""
        corners = (None,) if self.crops == 1 else _CORNERS
        mirrored = (False, True) if self.flip or self.crops == 10 else (False,)
        return tuple(View(corner, is_mirrored) for is_mirrored in mirrored for corner in corners)

    @property
    def text(self) -> str:
        """The views in words.

        >>> Views(5, flip=True).text, Views(flip=True).text, Views().text
        ('10 crops', 'a picture and its mirror image', 'one view')
        """
        views = len(self.each)
        if self.crops > 1:
            return f"{views} crops"
        return "a picture and its mirror image" if views > 1 else "one view"

    def larger(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs as data is to be read for them: larger, where crops are cut out of it.

        Raises:
            UserError: CNN708 for an input that cannot be cropped, or mirrored.
        """
        if len(self.each) > 1:
            for one in inputs:
                _demand_pictures(one, self)
        if self.crops == 1:
            return tuple(inputs)
        return tuple(replace(one, type=_larger(one)) for one in inputs)

    def note(self, inputs: Sequence[ModelInput]) -> str:
        """What whoever gives data that does not fit must know: how large crops are read."""
        pairs = zip(inputs, self.larger(inputs), strict=True)
        sizes = (f"`{_size(large)}` for `{one.name}`, not `{_size(one)}`" for one, large in pairs)
        return f"crops are cut out of larger pictures: {', '.join(sizes)}"


ONE = Views()
"""A picture as it is."""


def _demand_pictures(model_input: ModelInput, views: Views) -> None:
    """Raise CNN708 for an input whose samples have no left and right, or cannot be read larger."""
    kind, preparation = model_input.type, model_input.preparation
    is_picture = preparation.layout_for(kind) is not None
    if views.crops > 1 and not is_picture:
        raise _impossible(
            f"crops are cut out of pictures, but the input `{model_input.name}` takes `{kind}`",
            "leave out `--crops`: it is for inputs of 1 or 3 channels x height x width",
        )
    if kind.dtype is not DType.FLOAT32 or len(kind.dims) not in (3, 4):
        raise _impossible(
            f"`{kind}`, which the input `{model_input.name}` takes, has no left and right to be"
            " mirrored",
            "leave out `--flip`: it is for pictures and volumes",
        )
    if views.crops == 1:
        return
    side = max(kind.spatial)
    larger = f"write `fit crop from {side + 2 * _margin(side)}` in the spec's input"
    if preparation.fit == "exact":
        raise _impossible(
            f"the input `{model_input.name}` takes pictures of its own size only (`fit exact`), so"
            " that there is nothing to cut off",
            f"{larger}, or leave out `--crops`",
        )
    if preparation.fit_from is not None and kind.spatial == (preparation.fit_from,) * 2:
        raise _impossible(
            f"`fit crop from {side}` makes pictures no larger than the input"
            f" `{model_input.name}`: all crops would be the same",
            f"{larger}, or leave out `--crops`",
        )


def _larger(model_input: ModelInput) -> TensorType:
    """The type of the pictures that crops are cut out of."""
    kind, shorter = model_input.type, model_input.preparation.fit_from
    sides = (
        (side + 2 * _margin(side) for side in kind.spatial)
        if shorter is None
        else (shorter, shorter)
    )
    return TensorType((kind.channels, *sides))


def _margin(side: int) -> int:
    """How much is cut off at either end: a fourteenth, as 16 of 224."""
    return max(1, round(side / 14))


def _size(model_input: ModelInput) -> str:
    return "x".join(map(str, model_input.type.spatial))


def _impossible(message: str, help: str) -> UserError:
    return UserError("CNN708", message, help=help)
