"""Turns raw numbers into those that a model takes: the arithmetic of :class:`Preparation`.

A model that was compiled to take raw pictures does the same in its graph
(:mod:`cnndsl.graph.raw_inputs`); it gets bytes.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy
import numpy.typing

from cnndsl.data.sources import Array, ModelInput
from cnndsl.recipe.preparation import Preparation

__all__ = [
    "Floats",
    "gray_of",
    "in_spec_order",
    "prepare_values",
    "prepared_values",
    "shown_picture",
    "taken_values",
]

Floats: TypeAlias = "numpy.typing.NDArray[numpy.float32]"


def taken_values(
    raw: Array, model_input: ModelInput, channel_axis: int = 0, out: Floats | None = None
) -> Array:
    """Raw values in the spec's order as the model takes them.

    They are prepared, into ``out`` where it is given; but where the model does that, they are
    bytes with their channels last.
    """
    if not model_input.is_raw:
        return prepare_values(raw, model_input.preparation, channel_axis, out)
    assert raw.dtype == numpy.uint8, "whoever reads data has refused what is not bytes"
    pictures = numpy.moveaxis(raw, channel_axis, -1)
    return numpy.ascontiguousarray(pictures[..., ::-1] if _is_bgr(model_input) else pictures)


def prepared_values(values: Array, model_input: ModelInput) -> Array:
    """What a model takes, prepared; where the model does that itself, as it does it."""
    if not model_input.is_raw:
        return values
    channels_first = numpy.moveaxis(values, -1, 0)
    if _is_bgr(model_input):
        channels_first = channels_first[::-1]
    return prepare_values(channels_first, model_input.preparation)


def shown_picture(values: Array, model_input: ModelInput) -> Array:
    """What a model takes as a picture that people see: bytes, ``[h, w]`` or ``[h, w, 3]``.

    The preparation is undone: colours as red, green and blue, dark and light as they were. What
    lies beyond 0 and 255 then, as in an array that was prepared elsewhere, is cut off.
    """
    preparation = model_input.preparation
    if model_input.is_raw:
        picture = values
    else:
        numbers = values.astype(numpy.float64)
        numbers = numbers * _per_channel(preparation.std, numbers.ndim, 0)
        numbers = (numbers + _per_channel(preparation.mean, numbers.ndim, 0)) / preparation.scale
        if preparation.invert:
            numbers = 255 - numbers
        picture = numpy.rint(numpy.clip(numbers, 0, 255)).astype(numpy.uint8).transpose(1, 2, 0)
        if _is_bgr(model_input):
            picture = picture[..., ::-1]
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def gray_of(model_input: ModelInput) -> Array:
    """What the middle between black and white is to a model: a number for each channel."""
    gray = numpy.full((model_input.type.channels,), 128, numpy.uint8)
    return gray if model_input.is_raw else prepare_values(gray, model_input.preparation)


def in_spec_order(values: Array, model_input: ModelInput) -> Array:
    """Samples ``[n, ...]`` in one of the shapes that an input takes, as ``[n, *dims]``."""
    dims = model_input.type.dims
    if model_input.is_raw and values.shape[1:] == (*dims[1:], dims[0]):
        channels_first = numpy.moveaxis(values, -1, 1)
        return channels_first[:, ::-1] if _is_bgr(model_input) else channels_first
    return values.reshape(len(values), *dims)


def _is_bgr(model_input: ModelInput) -> bool:
    return model_input.preparation.layout_for(model_input.type) == "bgr"


def prepare_values(
    raw: numpy.typing.ArrayLike,
    preparation: Preparation,
    channel_axis: int = 0,
    out: Floats | None = None,
) -> Floats:
    """Apply ``invert``, ``scale``, ``mean`` and ``std`` in float32.

    Args:
        raw: values from 0 to 255, bytes or floating-point numbers (:mod:`cnndsl.data.raw`).
        preparation: what to apply.
        channel_axis: the axis that ``mean`` and ``std`` run along.
        out: where the result goes, of the shape of ``raw``; by default a new array.

    >>> prepare_values([[0, 255]], Preparation(scale=1 / 255, mean=(0.5,), std=(0.5,))).tolist()
    [[-1.0, 1.0]]
    """
    # Colours that alternate in memory are brought into planes as bytes: arithmetic on every third
    # number takes six times as long.
    planes = numpy.ascontiguousarray(raw)
    values: Floats = numpy.empty(planes.shape, numpy.float32) if out is None else out
    # A batch goes in pieces, so that each step finds its numbers in the cache.
    count = max(1, _PIECE // max(1, math.prod(planes.shape[1:])) if channel_axis else len(planes))
    for at in range(0, len(planes), count):
        piece = values[at : at + count]
        piece[...] = planes[at : at + count]
        _apply(preparation, piece, channel_axis)
    return values


_PIECE = 2**16
"""So many numbers of a batch are prepared at once."""


def _apply(preparation: Preparation, values: Floats, channel_axis: int) -> None:
    with numpy.errstate(all="ignore"):  # What float32 cannot hold counts as broken.
        if preparation.invert:
            numpy.subtract(numpy.float32(255), values, out=values)
        if preparation.scale != 1:
            values *= numpy.float32(preparation.scale)
        if preparation.mean != (0.0,):
            values -= _per_channel(preparation.mean, values.ndim, channel_axis)
        if preparation.std != (1.0,):
            values /= _per_channel(preparation.std, values.ndim, channel_axis)


def _per_channel(numbers: tuple[float, ...], rank: int, axis: int) -> Floats:
    shape = [1] * rank
    shape[axis] = len(numbers)
    return numpy.array(numbers, dtype=numpy.float32).reshape(shape)
