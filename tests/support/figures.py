"""Pictures of figures: what stands in them, seen by looking at their pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy
import numpy.typing
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["Pixels", "picture", "pixels", "places"]

Pixels = numpy.typing.NDArray[Any]


def picture(figure: Figure) -> Image.Image:
    """A figure as its PNG shows it."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    with Image.open(file) as image:
        return image.convert("RGB")


def pixels(image: Image.Image) -> Pixels:
    """The colours of a picture: height x width x 3."""
    return numpy.asarray(image).astype(int)


def places(image: Image.Image, color: tuple[int, int, int]) -> Pixels:
    """Where a colour stands, as rows and columns."""
    return numpy.argwhere(abs(pixels(image) - color).max(2) < 12)
