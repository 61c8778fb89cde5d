"""Turns the feature maps of a layer into a figure: a gray picture for each channel."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
import numpy.typing
from matplotlib.figure import Figure

from cnndsl.diagnostics.words import count
from cnndsl.plots.figure import in_house_style
from cnndsl.plots.tiles import MOST, Tile, draw_tiles

__all__ = ["draw_maps"]

_SEEN = 512
"""How many places of a map are drawn along each side."""

Array: TypeAlias = "numpy.typing.NDArray[Any]"


@in_house_style
def draw_maps(maps: Array, layer: str, sample: str) -> Figure:
    """The feature maps ``[channels, ...]`` of a sample, each on its own scale from black to white.

    Of signals each map is a row of a single picture, of volumes the slice in the middle is drawn.
    Of more than 256 channels the first ones are. Cells that are large enough show their numbers.
    """
    size = "x".join(map(str, maps.shape))
    shown = maps[:MOST]
    facts = [f"{size}, {sample}", _scale(maps)]
    if maps.ndim == 4:
        middle = maps.shape[1] // 2
        shown = shown[:, middle]
        facts.append(f"slice {middle} of each volume, the first is 0")
    if len(maps) > MOST:
        facts.append(f"{count(len(maps) - MOST, 'channel', commas=True)} more are not drawn")
    scaled = [_scaled(one) for one in shown]
    if maps.ndim == 2:
        facts[1] += ", a row for each channel"
        return draw_tiles([Tile("", numpy.stack(scaled), words=_words(shown))], layer, facts)
    tiles = [
        Tile(str(at), one, words=_words(values))
        for at, (one, values) in enumerate(zip(scaled, shown, strict=True))
    ]
    return draw_tiles(tiles, layer, facts)


_WRITTEN = 400
"""Of maps of more numbers, none is written."""


def _words(values: Array) -> tuple[str, ...]:
    """The numbers of a small map, as short as they can be read."""
    if values.size > _WRITTEN or not numpy.isfinite(values).all():
        return ()
    numbers = [float(value) for value in values.flat]
    largest = max(map(abs, numbers))
    if all(number.is_integer() for number in numbers) and largest < 1e4:
        return tuple(str(int(number)) for number in numbers)
    if 0.1 <= largest < 100:
        return tuple(f"{round(number, 2) + 0:.2f}" for number in numbers)  # 0 has no minus
    return tuple(f"{number:.2g}" for number in numbers)


def _scaled(values: Array) -> Array:
    """From 0 for the smallest number to 1 for the largest; the middle where all are the same."""
    finite = values[numpy.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    # Of large maps, no more places than can be seen.
    steps = tuple(slice(None, None, max(1, -(-size // _SEEN))) for size in values.shape)
    values = values[steps].astype(numpy.float64)
    if high <= low:
        return numpy.full(values.shape, 0.5)
    return numpy.asarray((values - low) / (high - low))


def _scale(maps: Array) -> str:
    finite = maps[numpy.isfinite(maps)]
    between = f" ({finite.min():.3g} to {finite.max():.3g} in all)" if finite.size else ""
    return f"each on its own scale, black to white{between}"
