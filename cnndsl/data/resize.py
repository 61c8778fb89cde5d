"""Brings one picture to the size of an input: stretched, padded, cut, or refused.

``fit crop`` is what torchvision calls ``Resize`` followed by ``CenterCrop``, pixel by pixel;
without ``from`` the picture is resized as little as covers the input. Pillow's bilinear and
bicubic filters average on shrinking ("antialias").
"""

from __future__ import annotations

import os
from typing import TypeAlias

import numpy
from PIL import Image

from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.preparation import Preparation

__all__ = ["fit_image", "fit_picture", "resized_to"]

Picture: TypeAlias = "Image.Image"

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}

_MOST_PIXELS = 2**24
"""Where a resized picture would have more (a long strip), only what is cut out is computed."""


def fit_picture(
    picture: Array,
    size: tuple[int, int],
    preparation: Preparation,
    path: str | os.PathLike[str],
) -> Array:
    """A picture ``[height, width]`` or ``[height, width, 3]`` at ``size`` (width, height).

    Its values are bytes, or float32.

    Raises:
        UserError: CNN703 for another size where the preparation says ``exact``.
    """
    _check_exact((picture.shape[1], picture.shape[0]), size, preparation, path)
    if picture.ndim == 3 and picture.dtype != numpy.uint8:
        # Pillow knows colours of bytes only.
        planes = [_fitted(picture[..., at], size, preparation) for at in range(picture.shape[2])]
        return numpy.stack(planes, axis=-1)
    return _fitted(picture, size, preparation)


def fit_image(
    image: Picture,
    size: tuple[int, int],
    preparation: Preparation,
    path: str | os.PathLike[str],
) -> Picture:
    """The same for a picture that Pillow holds, gray or of three colours of bytes.

    Raises:
        UserError: as :func:`fit_picture`.
    """
    _check_exact(image.size, size, preparation, path)
    return image if _is_fitted(image.size, size, preparation) else _fit(image, size, preparation)


def _check_exact(
    have: tuple[int, int],
    size: tuple[int, int],
    preparation: Preparation,
    path: str | os.PathLike[str],
) -> None:
    if preparation.fit == "exact" and have != size:
        raise UserError(
            "CNN703",
            f"`{path}` has {have[1]}x{have[0]} pixels (height x width), but the"
            f" input takes exactly {size[1]}x{size[0]}",
            help="give a picture of that size, or write `fit resize` in the spec's input",
        )


def resized_to(
    have: tuple[int, int], want: tuple[int, int], shorter: int | None
) -> tuple[int, int]:
    """The size (width, height) that a picture is resized to before its middle is cut out.

    >>> resized_to((500, 375), (224, 224), 256)
    (341, 256)
    >>> resized_to((3, 2), (2, 2), None)
    (3, 2)
    """
    width, height = have
    if shorter is not None:
        long = shorter * max(have) // min(have)
        return (shorter, long) if width <= height else (long, shorter)
    if want[0] * height >= want[1] * width:  # the width decides
        return want[0], max(want[1], want[0] * height // width)
    return max(want[0], want[1] * width // height), want[1]


def _is_fitted(have: tuple[int, int], size: tuple[int, int], preparation: Preparation) -> bool:
    plain = preparation.fit != "crop" or preparation.fit_from is None
    return have == size and plain


def _fitted(picture: Array, size: tuple[int, int], preparation: Preparation) -> Array:
    if _is_fitted((picture.shape[1], picture.shape[0]), size, preparation):
        return picture
    image = Image.fromarray(numpy.ascontiguousarray(picture))
    return numpy.asarray(_fit(image, size, preparation))


def _fit(image: Picture, size: tuple[int, int], preparation: Preparation) -> Picture:
    resample = _FILTERS[preparation.resample]
    match preparation.fit:
        case "crop":
            return _crop(image, size, preparation.fit_from, resample)
        case "pad":
            return _pad(image, size, preparation.background, resample)
        case _:
            return image.resize(size, resample)


def _crop(
    picture: Picture, size: tuple[int, int], shorter: int | None, resample: Image.Resampling
) -> Picture:
    """Resized, and its middle cut out; of an odd rest, half a pixel rounds to the even one."""
    whole = resized_to(picture.size, size, shorter)
    left, top = (round((whole[axis] - size[axis]) / 2) for axis in (0, 1))
    box = (left, top, left + size[0], top + size[1])
    if whole == picture.size:
        return picture.crop(box)
    if whole[0] * whole[1] <= _MOST_PIXELS:
        return picture.resize(whole, resample).crop(box)
    x, y = (picture.size[axis] / whole[axis] for axis in (0, 1))
    return picture.resize(size, resample, box=(box[0] * x, box[1] * y, box[2] * x, box[3] * y))


def _pad(
    picture: Picture, size: tuple[int, int], background: int, resample: Image.Resampling
) -> Picture:
    """Shrunk until it fits, centred; of an odd rest the extra cell is at the end."""
    shrink = min(1.0, size[0] / picture.width, size[1] / picture.height)
    if shrink < 1:
        inner = (max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink)))
        picture = picture.resize(inner, resample)
    colour = (background,) * 3 if picture.mode == "RGB" else background
    canvas = Image.new(picture.mode, size, colour)
    canvas.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
    return canvas
