"""Turns a picture file into an input tensor: channels x height x width, prepared, float32.

Whatever the file's depth and colours, its values are first brought to 0 to 255: 16-bit gray is
divided by 257, palettes are looked up, transparent pixels are blended with the background, and
the picture is turned the way its EXIF orientation says. Of an animation, the first frame counts.
"""

from __future__ import annotations

import os
import warnings
from typing import TypeAlias

import numpy
from PIL import Image, ImageOps, UnidentifiedImageError

from cnndsl.data.preparing import Floats, prepare_values
from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason
from cnndsl.semantics.preparation import Layout, Preparation

__all__ = ["MAX_PIXELS", "fit_picture", "read_picture"]

MAX_PIXELS = 2**27
"""Larger pictures are refused: a small file can unpack to any size."""

MAX_BYTES = 2**30
"""Larger files are refused: some formats are read whole before anything is known of them."""

# Only these: Pillow reads some other formats by means of other programs (EPS by Ghostscript).
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "ICO", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000")
_TGA_SUFFIXES = (".tga", ".icb", ".vda", ".vst")

Picture: TypeAlias = "Image.Image"


def read_picture(path: str | os.PathLike[str], model_input: ModelInput) -> Floats:
    """Read a picture as an input wants it.

    Raises:
        UserError: CNN702 where the file is not a picture, is broken or too large, CNN703 where
            the input does not take this picture.
    """
    layout = model_input.preparation.layout_for(model_input.type)
    if layout is None:
        raise UserError(
            "CNN703",
            f"`{path}` is a picture, but the input `{model_input.name}` takes `{model_input.type}`",
            help="give the data as an array in a `.npy` or `.npz` file",
        )
    preparation = model_input.preparation
    raw = _plain(_load(path), layout, preparation.background, path)
    height, width = model_input.type.spatial
    fitted = fit_picture(raw, (width, height), preparation, path)
    return prepare_values(_channels_first(fitted, layout), preparation)


# --- reading ----------------------------------------------------------------------------------


def _load(path: str | os.PathLike[str]) -> Picture:
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures that MAX_PIXELS judges, and of oddities in metadata.
            warnings.simplefilter("ignore")
            with (
                open_regular(path, most=MAX_BYTES) as file,
                Image.open(file, formats=_formats(path)) as picture,
            ):
                _check_size(picture, path)
                picture.load()
                return ImageOps.exif_transpose(picture)
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise UserError(
            "CNN702",
            f"cannot read `{path}`: it is no picture of a kind that is read",
            help="give pictures (PNG, JPEG, …), or arrays in `.npy` and `.npz` files",
        ) from error
    except OSError as error:
        # Pillow's own complaints (a truncated file) are OSErrors too.
        raise _unreadable(path, reason(error)) from error
    except MemoryError as error:
        raise _too_large(path) from error
    except Exception as error:
        # Pillow's readers meet broken files with errors of all kinds: SyntaxError, struct.error.
        raise _unreadable(path, f"the picture is broken ({error})") from error


def _formats(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """What a file may be; nothing marks the content of TGA, so that its name has to."""
    return (*_FORMATS, "TGA") if os.fspath(path).lower().endswith(_TGA_SUFFIXES) else _FORMATS


def _check_size(picture: Picture, path: str | os.PathLike[str]) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large(path, f" of {picture.width}x{picture.height} pixels")
    if not picture.width * picture.height:
        raise _unreadable(path, "the picture is empty")


def _too_large(path: str | os.PathLike[str], size: str = "") -> UserError:
    return UserError(
        "CNN702",
        f"cannot read `{path}`: a picture{size} is beyond the limit of {MAX_PIXELS} pixels",
        help="make the picture smaller",
    )


def _unreadable(path: str | os.PathLike[str], why: str) -> UserError:
    return UserError(
        "CNN702", f"cannot read `{path}`: {why}", help="repair the file or leave it out"
    )


# --- colours ----------------------------------------------------------------------------------


def _plain(
    picture: Picture, layout: Layout, background: int, path: str | os.PathLike[str]
) -> Picture:
    """A picture of mode L, RGB or, where it has more than 8 bits of gray, F from 0 to 255."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        deep = numpy.asarray(picture, dtype=numpy.float32)
        return Image.fromarray(deep if picture.mode == "F" else deep / numpy.float32(257))
    try:
        if picture.has_transparency_data:
            behind = Image.new("RGBA", picture.size, (background, background, background, 255))
            picture = Image.alpha_composite(behind, picture.convert("RGBA"))
        return picture.convert("L" if layout == "gray" else "RGB")
    except ValueError as error:
        raise _unreadable(
            path, f"its colours (`{picture.mode}`) cannot be turned to RGB"
        ) from error


def _channels_first(picture: Picture, layout: Layout) -> Floats:
    values = numpy.asarray(picture, dtype=numpy.float32)
    if layout == "gray":
        return values[None]
    if values.ndim == 2:
        return numpy.stack([values] * 3)
    if layout == "bgr":
        values = values[..., ::-1]
    return values.transpose(2, 0, 1)


# --- sizes ------------------------------------------------------------------------------------


def fit_picture(
    picture: Picture,
    size: tuple[int, int],
    preparation: Preparation,
    path: str | os.PathLike[str],
) -> Picture:
    """The picture at ``size`` (width, height); Pillow's bilinear filter averages on shrinking.

    Raises:
        UserError: CNN703 for another size where the preparation says ``exact``.
    """
    if picture.size == size:
        return picture
    match preparation.fit:
        case "resize":
            return picture.resize(size, Image.Resampling.BILINEAR)
        case "crop":
            return picture.resize(size, Image.Resampling.BILINEAR, box=_middle(picture.size, size))
        case "pad":
            return _pad(picture, size, preparation.background)
        case "exact":
            raise UserError(
                "CNN703",
                f"`{path}` has {picture.height}x{picture.width} pixels (height x width), but the"
                f" input takes exactly {size[1]}x{size[0]}",
                help="give a picture of that size, or write `fit resize` in the spec's input",
            )


def _middle(have: tuple[int, int], want: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest centred box of a picture that has the wanted proportions."""
    shrink = min(have[0] / want[0], have[1] / want[1])
    width, height = want[0] * shrink, want[1] * shrink
    left, top = (have[0] - width) / 2, (have[1] - height) / 2
    return left, top, left + width, top + height


def _pad(picture: Picture, size: tuple[int, int], background: int) -> Picture:
    """Shrunk until it fits, centred; of an odd rest the extra cell is at the end."""
    shrink = min(1.0, size[0] / picture.width, size[1] / picture.height)
    if shrink < 1:
        inner = (max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink)))
        picture = picture.resize(inner, Image.Resampling.BILINEAR)
    colour = (background,) * 3 if picture.mode == "RGB" else background
    canvas = Image.new(picture.mode, size, colour)
    canvas.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
    return canvas
