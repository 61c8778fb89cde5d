"""Turns a picture and a salience map of it into a figure: the picture, and the map over it."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import matplotlib
import numpy
import numpy.typing
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnndsl.plots.figure import (
    GRAY,
    INK,
    add_axes,
    clipped,
    in_house_style,
    label_ticks,
    new_figure,
    write,
)

__all__ = ["draw_salience"]

Array: TypeAlias = "numpy.typing.NDArray[Any]"

_SIDE, _MARGIN, _TOP = 300.0, 24.0, 84.0
_MAP = "inferno"
_SPIKES = frozenset({"gradient", "smoothgrad"})
"""Maps with a few pixels far above all others, which would leave nothing else to be seen."""
_PERCENT = 99

_MEANS = {
    "gradient": "slope of the score",
    "smoothgrad": "mean slope of the score",
    "gradcam": "feature maps by their slopes",
    "occlusion": "drop under a gray square",
}


@in_house_style
def draw_salience(
    picture: Array, salience: Array, title: str, explained: str, method: str
) -> Figure:
    """The picture as the network saw it, and the salience map over it in gray.

    ``picture`` are bytes ``[h, w]`` or ``[h, w, 3]``, ``salience`` ``[h, w]``. What is negative is
    drawn as nothing; of slopes, the highest hundredth of the pixels is drawn alike.
    """
    height, width = salience.shape
    scale = _SIDE / max(height, width)
    across, down = (max(size * scale, 24.0) for size in (width, height))
    sheet = max(2 * across + 3 * _MARGIN + 84, 360.0)
    figure = new_figure(sheet, _TOP + down + 44)
    write(figure, (_MARGIN, 18), clipped(title, 16, sheet - 2 * _MARGIN), 16, INK)
    write(figure, (_MARGIN, 46), clipped(explained, 10.5, sheet - 2 * _MARGIN), 10.5, GRAY)
    left = _MARGIN
    shown = picture if picture.ndim == 3 else numpy.repeat(picture[..., None], 3, axis=2)
    _panel(figure, left, across, down).imshow(shown, interpolation="nearest", aspect="auto")
    write(figure, (left, _TOP + down + 10), "what the network saw", 9.5, GRAY)
    left += across + _MARGIN
    most = _most(salience, method)
    heat = numpy.clip(numpy.nan_to_num(salience) / most, 0, 1)
    axes = _panel(figure, left, across, down)
    axes.imshow(_over(shown, heat), interpolation="nearest", aspect="auto")
    below = _MEANS[method]
    if not heat.any():
        below += ": nothing is above 0" if numpy.isfinite(salience).all() else ": NaN"
    elif method in _SPIKES:
        below += ", the highest 1 % alike"
    write(figure, (left, _TOP + down + 10), clipped(below, 9.5, across + 84), 9.5, GRAY)
    if heat.any():
        _scale(figure, left + across + 14, down, most)
    return figure


def _panel(figure: Figure, left: float, width: float, height: float) -> Axes:
    axes = add_axes(figure, left, _TOP, left + width, _TOP + height)
    axes.set_axis_off()
    return axes


def _most(salience: Array, method: str) -> float:
    """What the top of the scale stands for."""
    finite = salience[numpy.isfinite(salience)]
    if not finite.size:
        return 1.0
    most = float(numpy.percentile(finite, _PERCENT) if method in _SPIKES else finite.max())
    most = most if most > 0 else float(finite.max())
    return most if most > 0 else 1.0


def _over(picture: Array, heat: Array) -> Array:
    """The map's colours over the picture in gray: the stronger, the less of the picture is seen."""
    gray = picture.mean(axis=2, keepdims=True) / 255
    colours = matplotlib.colormaps[_MAP](heat)[..., :3]
    strength = 0.35 + 0.6 * heat[..., None]
    mixed: Array = numpy.clip((1 - strength) * gray + strength * colours, 0, 1)
    return mixed


def _scale(figure: Figure, left: float, height: float, most: float) -> None:
    """What the colours mean: a bar with numbers beside it."""
    height = min(height, 180.0)
    axes = add_axes(figure, left, _TOP, left + 12, _TOP + height)
    axes.set_axis_off()
    bar = matplotlib.colormaps[_MAP](numpy.linspace(1, 0, 256))[:, None, :3]
    axes.imshow(bar, aspect="auto", interpolation="bilinear")
    ticks = [0.0, float(f"{most / 2:.2g}"), float(f"{most:.3g}")]
    for tick, label in zip(ticks, label_ticks(ticks), strict=True):
        share = min(tick / most, 1.0)
        if math.isfinite(share):
            write(figure, (left + 18, _TOP + height * (1 - share)), label, 9.5, GRAY, "lm")
