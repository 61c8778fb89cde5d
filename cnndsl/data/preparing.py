"""Turns raw numbers into prepared ones: the arithmetic of :class:`Preparation` on arrays."""

from __future__ import annotations

from typing import TypeAlias

import numpy
import numpy.typing

from cnndsl.semantics.preparation import Preparation

__all__ = ["Floats", "prepare_values"]

Floats: TypeAlias = "numpy.typing.NDArray[numpy.float32]"


def prepare_values(
    raw: numpy.typing.ArrayLike, preparation: Preparation, channel_axis: int = 0
) -> Floats:
    """Apply ``invert``, ``scale``, ``mean`` and ``std`` in float32; the result is a new array.

    Args:
        raw: values from 0 to 255, bytes or floating-point numbers (:mod:`cnndsl.data.raw`).
        preparation: what to apply.
        channel_axis: the axis that ``mean`` and ``std`` run along.

    >>> prepare_values([[0, 255]], Preparation(scale=1 / 255, mean=(0.5,), std=(0.5,))).tolist()
    [[-1.0, 1.0]]
    """
    values: Floats = numpy.array(raw, dtype=numpy.float32)
    with numpy.errstate(all="ignore"):  # What float32 cannot hold counts as broken.
        if preparation.invert:
            numpy.subtract(numpy.float32(255), values, out=values)
        if preparation.scale != 1:
            values *= numpy.float32(preparation.scale)
        if preparation.mean != (0.0,):
            values -= _per_channel(preparation.mean, values.ndim, channel_axis)
        if preparation.std != (1.0,):
            values /= _per_channel(preparation.std, values.ndim, channel_axis)
    return values


def _per_channel(numbers: tuple[float, ...], rank: int, axis: int) -> Floats:
    shape = [1] * rank
    shape[axis] = len(numbers)
    return numpy.array(numbers, dtype=numpy.float32).reshape(shape)
