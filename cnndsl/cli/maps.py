"""``cnndsl run --draw``: draws the feature maps of layers, and says what was drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from typing_extensions import TypedDict

from cnndsl.cli.drawings import named_files
from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.runtime.prediction import Prediction

__all__ = ["DrawnMapJson", "DrawnMapsJson", "check_drawing", "print_maps"]


class DrawnMapJson(TypedDict):
    """A layer's feature maps for one input, and the file that they were drawn into."""

    input: str
    layer: str
    file: str
    shape: list[int]


DrawnMapsJson = list[DrawnMapJson]
"""What ``cnndsl run --draw FILE --format json`` prints."""


def check_drawing(draw: str | None, layers: tuple[str, ...], output: str | None) -> None:
    """Refuse a drawing of nothing, and a file that is no figure.

    Raises:
        click.UsageError: where no layers are named, or answers go into a file too.
        UserError: CNN609 for a file with another ending.
    """
    if draw is None:
        return
    if not layers:
        raise click.UsageError("--draw shows feature maps: name the layers, as in --layers C1")
    if output is not None:
        raise click.UsageError("--draw and --output are two files for one thing: leave out one")
    from cnndsl.plots.figure import format_of

    format_of(draw)  # now: reading and running may take long


def print_maps(predictions: Iterator[Prediction], draw: str, style: str) -> None:
    """A figure for each input and layer, and what was drawn, in lines or as a list."""
    things = ((one, layer) for one in predictions for layer in one.layers)
    said = []
    for file, (prediction, layer) in named_files(draw, things):
        prediction.draw(layer, file)
        shape = prediction.layers[layer].shape
        if style == "text":
            sizes = "x".join(map(str, shape))
            click.echo(f"{visible(file)}: {visible(layer)} {sizes} of {visible(prediction.name)}")
        else:
            one: DrawnMapJson = {
                "input": prediction.name,
                "layer": layer,
                "file": file,
                "shape": list(shape),
            }
            said.append(json.dumps(one, ensure_ascii=False))
    if style == "json":
        click.echo("[\n" + ",\n".join(said) + "\n]" if said else "[]")
