"""Brings the numbers of a tensor from another tool's order of axes into ours.

Kernels are transposed by the letters of their axes. A convolution over 1x1, or over all of its
input, and a dense layer are the same numbers in another shape. What a dense layer reads of
flattened feature maps stands channel by channel here, and place by place where channels are last:
then its columns are put in order too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy

from cnndsl.graph.weights import Numbers
from cnndsl.importers.weights.source import Role, SourceTensor
from cnndsl.importers.weights.targets import TargetLayer, TargetTensor

__all__ = ["Conversion", "as_is", "conversion", "sizes"]


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """How numbers change their order: in words, and as a function."""

    how: str
    convert: Callable[[Numbers], Numbers]


def sizes(shape: tuple[int, ...]) -> str:
    """A shape in words."""
    return "x".join(map(str, shape)) or "one number"


def conversion(
    source: SourceTensor,
    layer: TargetLayer,
    target: TargetTensor,
    channels_last: bool,
    axes: str | None = None,
) -> Conversion | None:
    """How a tensor of a file becomes a weight; None where it cannot.

    ``axes`` are its axes where the file does not say them, and somebody else does.
    """
    if target.role is Role.KERNEL:
        return _kernel(source, layer, target, channels_last, source.axes if axes is None else axes)
    if target.role in (Role.IN_WEIGHT, Role.OUT_WEIGHT):
        return Conversion("", as_is) if source.shape == target.shape else None
    return _vector(source, layer, target, channels_last)


def as_is(numbers: Numbers) -> Numbers:
    """The numbers, which need no other order."""
    return numbers


def _reshaped(shape: tuple[int, ...], numbers: Numbers) -> Numbers:
    return numbers.reshape(shape)


def _vector(
    source: SourceTensor, layer: TargetLayer, target: TargetTensor, channels_last: bool
) -> Conversion | None:
    """A number for each channel, whatever axes of 1 stand around it."""
    shape, wanted = source.shape, target.shape
    plain = tuple(size for size in shape if size != 1) or (1,)
    if len(wanted) > 1:  # the biases of each place
        if shape == wanted and not channels_last:
            return Conversion("", as_is)
        if channels_last and (*shape[-1:], *shape[:-1]) == wanted:
            return Conversion("C first", lambda numbers: numpy.moveaxis(numbers, -1, 0))
        return None
    if plain != (tuple(size for size in wanted if size != 1) or (1,)):
        return None
    if channels_last and layer.keyword != "dense" and layer.maps != ():
        return _placewise(layer, wanted)
    how = "" if shape == wanted else f"as {sizes(wanted)}"
    return Conversion(how, partial(_reshaped, wanted))


def _placewise(layer: TargetLayer, wanted: tuple[int, ...]) -> Conversion | None:
    """The numbers of each unit of flattened maps: of a normalisation behind `flatten`."""
    if layer.maps is None or math.prod(layer.maps) != math.prod(wanted):
        return None
    channels, *window = layer.maps

    def convert(numbers: Numbers) -> Numbers:
        return numpy.moveaxis(numbers.reshape(*window, channels), -1, 0).reshape(wanted)

    return Conversion(f"{_letters(window)}C>C{_letters(window)}", convert)


def _letters(window: list[int]) -> str:
    return ("", "W", "HW", "DHW")[len(window)]


def _kernel(
    source: SourceTensor, layer: TargetLayer, target: TargetTensor, channels_last: bool, axes: str
) -> Conversion | None:
    if not axes or not layer.axes or len(axes) != len(source.shape):
        if axes and layer.axes:
            return None
        return Conversion("", as_is) if source.shape == target.shape else None
    size = dict(zip(axes, source.shape, strict=True))
    window = "".join(letter for letter in "DHW" if letter in size)
    if "M" in size:
        return _depthwise(axes, size, window, layer, target)
    ours = "".join(letter for letter in layer.axes if letter in "OI")
    order = ours + window
    turned = tuple(size[letter] for letter in order)
    perm = tuple(axes.index(letter) for letter in order)
    how = "" if order == axes else f"{axes}>{order}"
    if turned == target.shape and len(layer.axes) == len(axes) and layer.axes != "OI":
        return Conversion(how, partial(_transposed, perm))
    if layer.axes == "OI":
        return _to_dense(how, perm, turned, window, layer, target, channels_last)
    if not window:
        return _from_dense(how, perm, turned, layer, target, channels_last)
    # A window with axes of 1 that the other has not: a signal as a picture of one row.
    kept = tuple(one for one in turned[2:] if one != 1)
    if turned[:2] == target.shape[:2] and kept == tuple(n for n in target.shape[2:] if n != 1):
        return _then(how, perm, target.shape)
    return None


def _transposed(perm: tuple[int, ...], numbers: Numbers) -> Numbers:
    return numbers.transpose(perm)


def _then(how: str, perm: tuple[int, ...], shape: tuple[int, ...]) -> Conversion:
    """Transposed, then of another shape."""
    words = ", ".join(filter(None, (how, f"as {sizes(shape)}")))
    return Conversion(words, lambda numbers: numbers.transpose(perm).reshape(shape))


def _depthwise(
    axes: str, size: dict[str, int], window: str, layer: TargetLayer, target: TargetTensor
) -> Conversion | None:
    """Keras's filters of each channel: those of one channel follow one another here."""
    order = "IM" + window
    shape = (size["I"] * size["M"], 1, *(size[letter] for letter in window))
    if layer.axes[:2] != "OI" or shape != target.shape:
        return None
    perm = tuple(axes.index(letter) for letter in order)
    return Conversion(f"{axes}>OI{window}", lambda numbers: numbers.transpose(perm).reshape(shape))


def _to_dense(
    how: str,
    perm: tuple[int, ...],
    turned: tuple[int, ...],
    window: str,
    layer: TargetLayer,
    target: TargetTensor,
    channels_last: bool,
) -> Conversion | None:
    """A dense layer, of a dense layer or of a convolution that sees all of its input."""
    outputs, inputs = target.shape
    if turned[0] != outputs or math.prod(turned[1:]) != inputs:
        return None
    if window:
        # Its columns are channel by channel, as ours, where the maps are those that it saw.
        sees_all = layer.maps == turned[1:] or all(one == 1 for one in turned[2:])
        return _then(how, perm, target.shape) if sees_all else None
    if not channels_last or layer.maps == ():
        return Conversion(how, partial(_transposed, perm))
    if layer.maps is None or math.prod(layer.maps) != inputs:
        return None
    channels, *places = layer.maps

    def convert(numbers: Numbers) -> Numbers:
        cells = numbers.transpose(perm).reshape(outputs, *places, channels)
        return numpy.moveaxis(cells, -1, 1).reshape(outputs, inputs)

    letters = _letters(places)
    return Conversion(", ".join(filter(None, (how, f"{letters}C>C{letters}"))), convert)


def _from_dense(
    how: str,
    perm: tuple[int, ...],
    turned: tuple[int, ...],
    layer: TargetLayer,
    target: TargetTensor,
    channels_last: bool,
) -> Conversion | None:
    """A convolution of a dense layer that read all of its input's numbers."""
    outputs, channels, *places = target.shape
    if layer.axes[:2] != "OI" or turned != (outputs, channels * math.prod(places)):
        return None
    if not channels_last or math.prod(places) == 1:
        return _then(how, perm, target.shape)

    def convert(numbers: Numbers) -> Numbers:
        cells = numbers.transpose(perm).reshape(outputs, *places, channels)
        return numpy.moveaxis(cells, -1, 1)

    return Conversion(f"{how}, as {sizes(target.shape)}".lstrip(", "), convert)
