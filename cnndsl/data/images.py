"""Turns a picture file into an input tensor: channels x height x width, prepared, float32.

Whatever the file's depth and colours, its values are first brought to 0 to 255: palettes are
looked up, what is deeper than bytes goes the way of arrays (:mod:`raw`), transparent pixels are
blended with the background, and the picture is turned the way its EXIF orientation says. Of an
animation, the first frame counts.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeAlias

import numpy
from PIL import Image, UnidentifiedImageError

from cnndsl.data.colours import OpenPicture, picture_values
from cnndsl.data.normalize import Floats, taken_values
from cnndsl.data.resize import fit_image, fit_picture
from cnndsl.data.sources import PICTURE_SUFFIXES, Array, ModelInput, UnreadableError
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason
from cnndsl.recipe.preparation import Layout

__all__ = ["MAX_PIXELS", "LargePictureError", "check_size", "opened_picture", "read_picture"]

MAX_PIXELS = 2**27
"""Larger pictures are refused: a small file can unpack to any size."""

# What Pillow logs of a broken picture would go to stderr, beside the error that says it.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_LARGE = 2**24

_LEAVE_OUT = "repair the file, or go on without it: `--skip-broken`"

MAX_BYTES = 2**30
"""Larger files are refused: some formats are read whole before anything is known of them."""

# Only these: Pillow reads some other formats by means of other programs (EPS by Ghostscript).
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "ICO", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000")
_TGA_SUFFIXES = (".tga", ".icb", ".vda", ".vst")

Picture: TypeAlias = "Image.Image"


class LargePictureError(Exception):
    """Of a picture that is to be read where only one such is read at a time."""


def read_picture(
    path: str | os.PathLike[str],
    model_input: ModelInput,
    out: Floats | None = None,
    *,
    large: bool = True,
) -> Array:
    """Read a picture as an input wants it, into ``out`` where that is given.

    Raises:
        LargePictureError: for one of more than 16 million pixels, where ``large`` ones are not
            wanted.
        UserError: CNN702 where the file is not a picture, is broken or too large, CNN703 where
            the input does not take this picture.
    """
    layout = model_input.preparation.layout_for(model_input.type)
    if layout is None:
        if os.path.splitext(path)[1].lower() not in PICTURE_SUFFIXES:
            raise UserError(
                "CNN703",
                f"`{path}` is neither an array nor called like a picture, and the input"
                f" `{model_input.name}` takes `{model_input.type}`",
                help="give the data as an array in a `.npy` or `.npz` file",
            )
        raise UserError(
            "CNN703",
            f"`{path}` is a picture, but the input `{model_input.name}` takes `{model_input.type}`",
            help="give the data as an array in a `.npy` or `.npz` file",
        )
    check_size(model_input)
    fitted = _load(path, layout, model_input, large)
    return taken_values(_channels_first(fitted, layout), model_input, out=out)


def check_size(model_input: ModelInput) -> None:
    """Refuse an input that would have every picture drawn larger than any picture may be.

    Raises:
        UserError: CNN703.
    """
    height, width = model_input.type.spatial
    if height * width > MAX_PIXELS:
        raise UserError(
            "CNN703",
            f"the input `{model_input.name}` takes pictures of {height:,}x{width:,} pixels, beyond"
            f" the limit of {MAX_PIXELS:,}",
            help="make the input of the spec smaller",
        )


def _channels_first(picture: Array, layout: Layout) -> Array:
    if layout == "gray":
        return picture[None]
    if picture.ndim == 2:
        return numpy.stack([picture] * 3)
    if layout == "bgr":
        picture = picture[..., ::-1]
    return picture.transpose(2, 0, 1)


# --- reading ----------------------------------------------------------------------------------


@contextmanager
def opened_picture(path: str | os.PathLike[str]) -> Iterator[OpenPicture]:
    """A picture whose pixels are not read yet: of a regular file and a kind that is read.

    Raises:
        OSError: where the file cannot be opened, or is no such picture.
        PIL.Image.DecompressionBombError: where it has too many pixels.
    """
    with (
        open_regular(path, most=MAX_BYTES) as file,
        Image.open(file, formats=_formats(path)) as picture,
    ):
        yield OpenPicture(picture, file, path)


def _load(
    path: str | os.PathLike[str], layout: Layout, model_input: ModelInput, large: bool
) -> Array:
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures that MAX_PIXELS judges, and of oddities in metadata.
            warnings.simplefilter("ignore")
            with opened_picture(path) as opened:
                return _fitted(opened, layout, model_input, large)
    except (UserError, LargePictureError):
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise UnreadableError(
            "CNN702",
            f"cannot read `{path}`: it is no picture of a kind that is read",
            help="give pictures (PNG, JPEG, …), or arrays in `.npy` and `.npz` files; or go on"
            " without it: `--skip-broken`",
        ) from error
    except OSError as error:
        # Pillow's own complaints (a truncated file) are OSErrors too.
        raise _unreadable(path, reason(error)) from error
    except MemoryError as error:
        raise _too_large(path) from error
    except Exception as error:
        # Pillow's readers meet broken files with errors of all kinds: SyntaxError, struct.error.
        raise _unreadable(path, f"the picture is broken ({error})") from error


_one_at_a_time = threading.Lock()


def _fitted(opened: OpenPicture, layout: Layout, model_input: ModelInput, large_too: bool) -> Array:
    """The picture at the input's size; large ones one at a time, however many threads read."""
    picture, path = opened.picture, opened.path
    _check_size(picture, path)
    large = picture.width * picture.height > _LARGE
    if large and not large_too:
        raise LargePictureError
    with _one_at_a_time if large else nullcontext():
        values = picture_values(opened, layout, model_input)
        height, width = model_input.type.spatial
        preparation = model_input.preparation
        if isinstance(values, Image.Image):
            return numpy.asarray(fit_image(values, (width, height), preparation, path))
        picture.close()  # Its pixels are needed no more.
        return fit_picture(values, (width, height), preparation, path)


def _formats(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """What a file may be; nothing marks the content of TGA, so that its name has to.

    Not every Pillow can read all of these: AVIF came with 11.3.
    """
    named = os.fspath(path).lower().endswith(_TGA_SUFFIXES)
    Image.init()
    return tuple(one for one in (*_FORMATS, *("TGA",) * named) if one in Image.OPEN)


def _check_size(picture: Picture, path: str | os.PathLike[str]) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large(path, f" of {picture.width}x{picture.height} pixels")
    if not picture.width * picture.height:
        raise _unreadable(path, "the picture is empty")


def _too_large(path: str | os.PathLike[str], size: str = "") -> UnreadableError:
    return UnreadableError(
        "CNN702",
        f"cannot read `{path}`: a picture{size} is beyond the limit of {MAX_PIXELS:,} pixels",
        help="make the picture smaller, or go on without it: `--skip-broken`",
    )


def _unreadable(path: str | os.PathLike[str], why: str) -> UnreadableError:
    return UnreadableError("CNN702", f"cannot read `{path}`: {why}", help=_LEAVE_OUT)
