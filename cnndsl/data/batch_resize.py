"""Turns many pictures of one size into the size and channels of an input, still raw values.

The results are those that picture files have (:mod:`cnndsl.data.images`), bit for bit.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy
import numpy.typing

from cnndsl.data.colours import luma
from cnndsl.data.resize import fit_picture
from cnndsl.data.sources import Array, ModelInput
from cnndsl.recipe.preparation import Layout

__all__ = ["Bytes", "fit_pictures", "resamples"]

Bytes: TypeAlias = "numpy.typing.NDArray[numpy.uint8]"


def resamples(size: tuple[int, int], model_input: ModelInput) -> bool:
    """Whether pictures of this size (height, width) are stretched or shrunk to fit."""
    height, width = model_input.type.spatial
    if size == (height, width):
        return model_input.preparation.fit_from is not None
    padded = size[0] <= height and size[1] <= width
    return not (model_input.preparation.fit == "pad" and padded)


def fit_pictures(pictures: Array, model_input: ModelInput, name: str) -> Array:
    """Pictures ``[n, height, width]`` or ``[n, height, width, 3]`` as ``[n, channels, *size]``.

    They are bytes, or float32, and stay so.

    Raises:
        UserError: CNN703 for another size than the input's where the spec says ``fit exact``.
    """
    layout = model_input.preparation.layout_for(model_input.type)
    assert layout is not None
    plain = _gray(pictures) if layout == "gray" else pictures
    size = (plain.shape[1], plain.shape[2])
    wanted = (model_input.type.spatial[0], model_input.type.spatial[1])
    if resamples(size, model_input):
        fitted = _resampled(plain, model_input, name)
    elif size != wanted:
        fitted = _padded(plain, wanted, model_input.preparation.background)
    else:
        fitted = plain
    return _channels_first(fitted, layout)


def _gray(pictures: Array) -> Array:
    return pictures if pictures.ndim == 3 else luma(pictures)


def _padded(pictures: Array, size: tuple[int, int], background: int) -> Array:
    """Centred; of an odd rest the extra cell is at the end."""
    count, height, width = pictures.shape[:3]
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas = numpy.full((count, *size, *pictures.shape[3:]), background, pictures.dtype)
    canvas[:, top : top + height, left : left + width] = pictures
    return canvas


def _resampled(pictures: Array, model_input: ModelInput, name: str) -> Array:
    height, width = model_input.type.spatial
    fitted = numpy.empty((len(pictures), height, width, *pictures.shape[3:]), pictures.dtype)
    for at, picture in enumerate(pictures):
        fitted[at] = fit_picture(picture, (width, height), model_input.preparation, name)
    return fitted


def _channels_first(pictures: Array, layout: Layout) -> Array:
    if layout == "gray":
        return pictures[:, None]
    if pictures.ndim == 3:
        return numpy.repeat(pictures[:, None], 3, axis=1)
    if layout == "bgr":
        pictures = pictures[..., ::-1]
    return numpy.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
