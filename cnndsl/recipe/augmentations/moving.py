"""Turns samples into moved and turned ones: where each cell comes from.

Whoever checks a spec must not load this, since it loads NumPy: augmentations do when they act.
Arrays are of n x channels x spatial sizes; what is drawn for each sample is given. Labels of
places are moved as the samples are, without mixing two of them.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy
import numpy.typing
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["angles", "moved", "turned"]

Places: TypeAlias = "numpy.typing.NDArray[numpy.int64]"
Array: TypeAlias = "numpy.typing.NDArray[Any]"
Floats: TypeAlias = "numpy.typing.NDArray[numpy.float32]"
Doubles: TypeAlias = "numpy.typing.NDArray[numpy.float64]"


def moved(x: Array, most: int, chances: Doubles) -> Array:
    """Each sample moved by up to so many cells along each dimension, zero coming in.

    ``chances`` from 0 to 1 say how far, one for each dimension.
    """
    sizes = x.shape[2:]
    places = (chances * (2 * most + 1)).astype(numpy.int64)
    return (_moved_each if math.prod(x.shape[1:]) >= _LARGE else _moved_all)(x, most, places, sizes)


_LARGE = 2**15
"""From so many numbers of a sample on, moving them costs more than a loop over samples."""


def _moved_each(x: Array, most: int, places: Places, sizes: tuple[int, ...]) -> Array:
    result = numpy.zeros(x.shape, x.dtype)
    for target, sample, place in zip(result, x, (places - most).tolist(), strict=True):
        pairs = list(zip(place, sizes, strict=True))
        into = tuple(slice(max(0, -by), size - max(0, by)) for by, size in pairs)
        outof = tuple(slice(max(0, by), size - max(0, -by)) for by, size in pairs)
        target[:, *into] = sample[:, *outof]
    return result


def _moved_all(x: Array, most: int, places: Places, sizes: tuple[int, ...]) -> Array:
    n, channels = x.shape[:2]
    padded = numpy.zeros((n, channels, *(size + 2 * most for size in sizes)), x.dtype)
    padded[(slice(None), slice(None), *(slice(most, most + size) for size in sizes))] = x
    windows = sliding_window_view(padded, sizes, tuple(range(2, x.ndim)))
    result: Array = windows[(numpy.arange(n), slice(None), *places.T)]
    return result


def angles(degrees: float, chances: Doubles) -> Doubles:
    """Angles in radians, evenly from so many degrees one way to as many the other way."""
    return numpy.deg2rad((chances * 2 - 1) * degrees)


def turned(x: Array, by: Doubles, *, nearest: bool = False) -> Array:
    """Each picture turned about its middle by an angle of its own, zero coming in.

    An output cell takes what lies where the turn brings it from, interpolated linearly between
    the four cells around that place, or that of the ``nearest`` one.
    """
    n, _, height, width = x.shape
    turns = numpy.stack([numpy.sin(by), numpy.cos(by)]).astype(numpy.float32)[..., None]
    result = numpy.empty_like(x)
    # In pieces whose arrays stay in the cache and the heap: four times as fast as at once.
    samples, rows = max(1, _PIECE // (height * width)), max(1, _PIECE // width)
    for some in (slice(at, at + samples) for at in range(0, n, samples)):
        padded = _padded(x[some])
        for lines in (slice(top, top + rows) for top in range(0, height, rows)):
            y = numpy.arange(height, dtype=numpy.float32)[lines]
            places = _origins(y, (height, width), turns[:, some])
            sampled = _nearest if nearest else _sampled
            result[some, :, lines] = sampled(padded, *places)
    return result


_PIECE = 2**12
"""So many cells of a channel are turned at once."""


def _padded(x: Array) -> Array:
    """Pictures among zeros: one cell before them, two behind, the second for a weight of zero."""
    n, channels, height, width = x.shape
    padded = numpy.zeros((n, channels, height + 3, width + 3), x.dtype)
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


def _nearest(padded: Array, rows: Floats, columns: Floats) -> Array:
    """The values of the cells that are nearest to places between them, for every channel."""
    half = numpy.float32(0.5)
    down, across = ((places + half).astype(numpy.int32) for places in (rows, columns))
    samples = numpy.arange(len(padded))[:, None, None]
    values: Array = padded[samples, :, down, across].transpose(0, 3, 1, 2)
    return values


def _between(one: Floats, other: Floats, share: Floats) -> Floats:
    """From one to the other by a share of the way; both arrays are used up."""
    other -= one
    other *= share
    one += other
    return one
