"""Turns the kernels of a layer into a figure: how each filter weighs what it sees."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
import numpy.typing
from matplotlib.figure import Figure

from cnndsl.plots.figure import in_house_style
from cnndsl.plots.tiles import MOST, Tile, draw_tiles

__all__ = ["draw_kernels"]

Array: TypeAlias = "numpy.typing.NDArray[Any]"

_CHANNELS = 16
"""How many of a filter's input channels are drawn."""


@in_house_style
def draw_kernels(kernels: Array, layer: str, network: str, *, is_colour: bool = False) -> Figure:
    """The kernels ``[filters, channels, ...]`` of a layer, each filter on its own scale.

    With ``is_colour`` three channels are red, green and blue; others are gray, a picture for each
    channel in a row for each filter. The middle gray is 0. Kernels of one dimension are curves, a
    line for each channel; of three, a picture for each slice. At most 256 pictures are drawn.
    """
    filters, channels, *sizes = kernels.shape
    most = float(numpy.abs(kernels).max()) if kernels.size else 0.0
    facts = [
        f"{'x'.join(map(str, kernels.shape))} (filters x channels x size), {network}",
        f"each filter on its own scale: from -m to m, its largest number (at most {most:.3g})",
    ]
    scaled = numpy.stack([_scaled(one) for one in kernels[:MOST].astype(numpy.float64)])
    if len(sizes) == 1:
        tiles = [Tile(str(at), one[:_CHANNELS], lines=True) for at, one in enumerate(scaled)]
        columns, drawn = 0, min(channels, _CHANNELS)
        shades = f", from dark (0) to light ({drawn - 1})" if drawn > 1 else ""
        facts.append(f"a line for each channel{shades}; the gray line is 0")
    elif is_colour and channels == 3 and len(sizes) == 2:
        tiles = [Tile(str(at), (one.transpose(1, 2, 0) + 1) / 2) for at, one in enumerate(scaled)]
        facts.append("red, green and blue; the middle gray is 0")
        columns, drawn = 0, 3
    else:
        tiles, columns, drawn = _gray(scaled, facts)
    rows = MOST // (columns or 1)
    tiles = tiles[: rows * columns] if columns else tiles[:MOST]
    shown = len(tiles) // columns if columns else len(tiles)
    if left := _left_out(filters, shown, channels, drawn):
        facts.append(left)
    return draw_tiles(tiles, layer, facts, columns)


def _gray(scaled: Array, facts: list[str]) -> tuple[list[Tile], int, int]:
    """Pictures of single channels, how many stand in a row, and how many channels are drawn.

    A row is a filter's; where each filter has one picture, rows are filled up.
    """
    filters, channels, *sizes = scaled.shape
    slices = sizes[0] if len(sizes) == 3 else 1
    drawn = max(1, min(channels, _CHANNELS, MOST // slices))
    gray = (scaled[:, :drawn] + 1) / 2
    gray = gray.reshape(filters, drawn * slices, *sizes[-2:])
    name = "{filter}" if drawn * slices == 1 else "{filter}.{channel}"
    name += ".{slice}" if slices > 1 else ""
    said = name.format(filter="filter", channel="channel", slice="slice")
    facts.append(f"{said}; white is m, black -m, the middle gray is 0")
    tiles = [
        Tile(name.format(filter=at, channel=one // slices, slice=one % slices), gray[at, one])
        for at in range(filters)
        for one in range(drawn * slices)
    ]
    return tiles, 0 if drawn * slices == 1 else drawn * slices, drawn


def _scaled(values: Array) -> Array:
    """From -1 to 1, 0 staying where it is."""
    finite = values[numpy.isfinite(values)]
    most = float(numpy.abs(finite).max()) if finite.size else 0.0
    return numpy.asarray(values / most) if most > 0 else numpy.zeros(values.shape)


def _left_out(filters: int, shown: int, channels: int, drawn: int) -> str:
    parts = [f"{filters - shown:,} filters"] if filters > shown else []
    parts += [f"{channels - drawn:,} channels of each"] if channels > drawn else []
    return f"{' and '.join(parts)} are not drawn" if parts else ""
