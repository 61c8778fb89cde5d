"""Turns many pictures of one size into the size and channels of an input, still in bytes.

The results are those that picture files have (:mod:`cnndsl.data.images`), bit for bit.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy
import numpy.typing
from PIL import Image

from cnndsl.data.images import fit_picture
from cnndsl.data.sources import ModelInput
from cnndsl.semantics.preparation import Layout

__all__ = ["Bytes", "fit_pictures", "resamples"]

Bytes: TypeAlias = "numpy.typing.NDArray[numpy.uint8]"


def resamples(size: tuple[int, int], model_input: ModelInput) -> bool:
    """Whether pictures of this size (height, width) are stretched or shrunk to fit."""
    height, width = model_input.type.spatial
    if size == (height, width):
        return False
    padded = size[0] <= height and size[1] <= width
    return not (model_input.preparation.fit == "pad" and padded)


def fit_pictures(pictures: Bytes, model_input: ModelInput, name: str) -> Bytes:
    """Pictures ``[n, height, width]`` or ``[n, height, width, 3]`` as ``[n, channels, *size]``.

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


def _gray(pictures: Bytes) -> Bytes:
    """The luma of colours, in the integer arithmetic of Pillow's ``convert("L")``."""
    if pictures.ndim == 3:
        return pictures
    weights = numpy.array([19595, 38470, 7471], numpy.uint32)
    sums = pictures.astype(numpy.uint32) @ weights
    return ((sums + 0x8000) >> 16).astype(numpy.uint8)


def _padded(pictures: Bytes, size: tuple[int, int], background: int) -> Bytes:
    """Centred; of an odd rest the extra cell is at the end."""
    count, height, width = pictures.shape[:3]
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas = numpy.full((count, *size, *pictures.shape[3:]), background, numpy.uint8)
    canvas[:, top : top + height, left : left + width] = pictures
    return canvas


def _resampled(pictures: Bytes, model_input: ModelInput, name: str) -> Bytes:
    height, width = model_input.type.spatial
    fitted = numpy.empty((len(pictures), height, width, *pictures.shape[3:]), numpy.uint8)
    for at, picture in enumerate(pictures):
        image = Image.fromarray(numpy.ascontiguousarray(picture))
        fitted[at] = fit_picture(image, (width, height), model_input.preparation, name)
    return fitted


def _channels_first(pictures: Bytes, layout: Layout) -> Bytes:
    if layout == "gray":
        return pictures[:, None]
    if pictures.ndim == 3:
        return numpy.repeat(pictures[:, None], 3, axis=1)
    if layout == "bgr":
        pictures = pictures[..., ::-1]
    return numpy.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
