"""Turns an open picture into raw values: gray or colours, 0 to 255, upright, on its background.

Pictures of bytes are Pillow's matter. What is deeper it reads in many ways, or cuts to bytes, so
that its numbers are taken here as the file has them, and then go the way of arrays
(:mod:`cnndsl.data.raw`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy
from PIL import Image, ImageOps

from cnndsl.data.raw import demand_bytes, raw_values
from cnndsl.data.sources import Array, ModelInput
from cnndsl.recipe.preparation import Layout

__all__ = ["OpenPicture", "luma", "picture_values"]

Picture: TypeAlias = "Image.Image"

# TIFF 6.0, sections 8 and 19
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO = 0
_UNSIGNED, _SIGNED = 1, 2

_BAND = 2**22
"""How many pixels are converted at once."""

_ORIENTATION = 0x0112
"""The EXIF tag; its values 2 to 8 say what to do, as in ``ImageOps.exif_transpose``."""


@dataclass(frozen=True, slots=True)
class OpenPicture:
    """A picture as Pillow has opened it: its pixels need not have been read.

    ``file`` is what it was opened from, ``path`` what messages call it.
    """

    picture: Picture
    file: BinaryIO
    path: str | os.PathLike[str]


def picture_values(opened: OpenPicture, layout: Layout, model_input: ModelInput) -> Array | Picture:
    """The values ``[height, width]`` or ``[height, width, 3]``: bytes, or float32 from 0 to 255.

    Bytes that Pillow holds as they are wanted it keeps, as a picture: each copy of a large one
    costs as much as a tenth of its decoding.

    Args:
        opened: the picture.
        layout: where it is gray, colours become gray.
        model_input: says what is behind transparent pixels, and what the range of floats is.

    Raises:
        UserError: CNN703 for a depth that the input says no range for.
    """
    picture, file, path = opened.picture, opened.file, opened.path
    background = model_input.preparation.background
    if picture.format == "PNG" and _raw_mode(picture) in _DEEP_COLOURS:
        demand_bytes(numpy.dtype(numpy.uint16), model_input, os.fspath(path))
        return _upright(_deep_colours(picture, file, background, layout), picture)
    stored = _deep_gray(picture)
    if stored is None:
        return _bytes(picture, layout, background)
    values = raw_values(stored, model_input, os.fspath(path))
    if _tag(picture, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO:
        values = numpy.float32(255) - values
    clear = picture.info.get("transparency")
    if picture.format == "PNG" and isinstance(clear, int):
        values = numpy.where(stored == clear, numpy.float32(background), values)
    return _upright(values, picture)


def luma(colours: Array) -> Array:
    """The gray of colours, in the integer arithmetic of Pillow's ``convert("L")``."""
    if colours.dtype != numpy.uint8:
        weights = numpy.array([19595, 38470, 7471], numpy.float32) / numpy.float32(65536)
        gray: Array = colours @ weights
        return gray
    sums = colours.astype(numpy.uint32) @ numpy.array([19595, 38470, 7471], numpy.uint32)
    return ((sums + 0x8000) >> 16).astype(numpy.uint8)


# --- bytes ------------------------------------------------------------------------------------


def _bytes(picture: Picture, layout: Layout, background: int) -> Array | Picture:
    picture.load()
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode in ("L", "RGB") and not picture.has_transparency_data:
        wanted = "L" if layout == "gray" else "RGB"
        return picture if picture.mode == wanted else picture.convert(wanted)
    return _banded(picture, layout, background)


def _banded(picture: Picture, layout: Layout, background: int) -> Array:
    """Converted band by band, so that a large picture is not in memory in four modes at once."""
    width, height = picture.size
    values = numpy.empty((height, width) if layout == "gray" else (height, width, 3), numpy.uint8)
    rows = max(1, _BAND // width)
    try:
        for top in range(0, height, rows):
            band = picture.crop((0, top, width, min(top + rows, height)))
            values[top : top + rows] = _converted(band, layout, background)
    except ValueError as error:
        raise ValueError(f"its colours (`{picture.mode}`) cannot be turned to RGB") from error
    return values


def _converted(picture: Picture, layout: Layout, background: int) -> Array:
    if picture.has_transparency_data:
        behind = Image.new("RGBA", picture.size, (background, background, background, 255))
        picture = Image.alpha_composite(behind, picture.convert("RGBA"))
    return numpy.asarray(picture.convert("L" if layout == "gray" else "RGB"))


# --- what is deeper ---------------------------------------------------------------------------


def _deep_gray(picture: Picture) -> Array | None:
    """The numbers of a gray picture of other numbers than bytes, as they are in the file."""
    signed = _tag(picture, _SAMPLE_FORMAT, _UNSIGNED) == _SIGNED
    mode = picture.mode
    deep = mode in ("I", "F") or mode.startswith("I;16") or (mode == "L" and signed)
    if not deep:
        return None
    values: Array = numpy.asarray(picture)
    if mode == "F":
        return values
    if mode == "L":
        return values.view(numpy.int8)
    if mode != "I":
        bits = _tag(picture, _BITS, 16)
        values = values.astype(numpy.uint16)
        return values if bits == 16 else _widened(values, bits)
    if picture.format != "TIFF":  # 16 bits, which Pillow holds in 32
        return values.astype(numpy.uint16)
    if _tag(picture, _BITS, 32) == 16:
        return values.astype(numpy.int16 if signed else numpy.uint16)
    return values if signed else values.view(numpy.uint32)


def _widened(values: Array, bits: int) -> Array:
    """Numbers of 9 to 15 bits as such of 16; the largest stays the largest."""
    wide: Array = numpy.rint(values * (65535 / (2**bits - 1))).astype(numpy.uint16)
    return wide


def _tag(picture: Picture, number: int, default: int) -> int:
    """A tag of a TIFF file; of several values, such as one for each channel, the first."""
    tags = getattr(picture, "tag_v2", None)
    value = default if tags is None else tags.get(number, default)
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else default


_DEEP_COLOURS = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
"""Pillow's names for the higher byte of each number, and for the lower one."""


def _raw_mode(picture: Picture) -> str:
    tiles = getattr(picture, "tile", None)
    return str(tiles[0][3]) if tiles else ""


def _deep_colours(picture: Picture, file: BinaryIO, background: int, layout: Layout) -> Array:
    """Colours of 16 bits, which Pillow cuts to bytes: the higher bytes, then the lower ones."""
    lower_mode = _DEEP_COLOURS[_raw_mode(picture)]
    higher = numpy.asarray(picture).astype(numpy.uint16) << 8
    file.seek(0)
    with Image.open(file, formats=["PNG"]) as again:
        codec, box, offset = again.tile[0][:3]
        again.tile = [(codec, box, offset, lower_mode)]  # type: ignore[list-item]
        stored = higher | numpy.asarray(again)
    colours = stored[..., :3].astype(numpy.float32) / numpy.float32(257)
    clear = picture.info.get("transparency")
    if stored.shape[2] == 4:
        alpha = stored[..., 3:].astype(numpy.float32) / numpy.float32(65535)
        colours = colours * alpha + numpy.float32(background) * (1 - alpha)
    elif isinstance(clear, tuple):
        seen = (stored != numpy.array(clear)).any(axis=2, keepdims=True)
        colours = numpy.where(seen, colours, numpy.float32(background))
    return luma(colours) if layout == "gray" else colours


def _upright(values: Array, picture: Picture) -> Array:
    """The values turned as the EXIF orientation says."""
    match picture.getexif().get(_ORIENTATION, 1):
        case 2:
            return values[:, ::-1]
        case 3:
            return values[::-1, ::-1]
        case 4:
            return values[::-1]
        case 5:
            return values.swapaxes(0, 1)
        case 6:
            return numpy.rot90(values, -1)
        case 7:
            return values[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return numpy.rot90(values)
    return values
