"""``cnndsl summary``: a spec in, what its network costs out, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cnndsl.cli.options import color_option, parameters_option

if TYPE_CHECKING:
    from cnndsl.semantics.summary import LayerSummary, Summary

__all__ = ["summary"]

WIDTH = 100
"""Columns that the table keeps to, at the cost of the layers' text."""

_HEAD = ("name", "layer", "output", "params", "MACs", "bytes", "receptive")
_NARROWEST = 12
"""Characters that a layer's text keeps in any case."""


@click.command()
@click.argument("spec")
@click.option(
    "--batch",
    type=click.IntRange(min=1, max=2**31 - 1),
    help="Samples at once; by default 1 at inference, and in training what `train` says.",
)
@parameters_option
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@color_option
def summary(spec: str, batch: int | None, parameters: dict[str, object], style: str) -> None:
    """Count a network's parameters, MACs and memory, layer by layer.

    SPEC is a path or the name of a shipped spec.
    """
    from cnndsl.pipeline import load
    from cnndsl.semantics.summary import summarize

    counted = summarize(load(spec, parameters), batch)
    match style:
        case "json":
            click.echo(json.dumps(counted.to_json(), indent=2))
        case "markdown":
            click.echo(_markdown(counted))
        case _:
            click.echo(_text(counted))


# --- text -------------------------------------------------------------------------------------


def _text(counted: Summary) -> str:
    rows = [_HEAD, *(_cells(layer) for layer in counted.layers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gaps = 2 * (len(widths) - 1)
    widths[1] = min(widths[1], max(_NARROWEST, WIDTH - gaps - sum(widths) + widths[1]))
    lines = [_title(counted), ""]
    lines += [_line(row, widths) for row in rows]
    totals = list(_totals(counted))
    first = max(len(name) for name, _, _ in totals)
    second = max(len(value) for _, value, _ in totals)
    lines.append("")
    lines += [f"{name:{first}}  {value:>{second}}  {words}" for name, value, words in totals]
    return "\n".join(lines)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, numbers to the right."""
    name, layer, output, *numbers = row
    words = zip((name, _cut(layer, widths[1]), output), widths[:3], strict=True)
    cells = [f"{word:{width}}" for word, width in words]
    cells += [f"{number:>{width}}" for number, width in zip(numbers, widths[3:], strict=True)]
    return "  ".join(cells).rstrip()


def _cells(layer: LayerSummary) -> tuple[str, ...]:
    """A row; counts of nothing stay empty."""
    return (
        layer.name,
        layer.phrase,
        _sizes(layer.output),
        f"{layer.params:,}" if layer.params else "",
        f"{layer.macs:,}" if layer.macs else "",
        f"{layer.activation_bytes:,}",
        _sizes(layer.receptive_field),
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


# --- markdown ---------------------------------------------------------------------------------


def _markdown(counted: Summary) -> str:
    lines = [
        f"## {_title(counted)}",
        "",
        f"| {' | '.join(_HEAD)} |",
        "| --- | --- | --- | --: | --: | --: | --: |",
    ]
    lines += [f"| {' | '.join(_cells(layer))} |" for layer in counted.layers]
    lines += ["", "| total | | |", "| --- | --: | --- |"]
    lines += [f"| {name} | {value} | {words} |" for name, value, words in _totals(counted)]
    return "\n".join(lines)


# --- both -------------------------------------------------------------------------------------


def _title(counted: Summary) -> str:
    inputs = ", ".join(_sizes(dims) for dims in counted.inputs.values())
    outputs = ", ".join(_sizes(dims) for dims in counted.outputs.values())
    return f"{counted.name}: {inputs} -> {outputs}"


def _totals(counted: Summary) -> Iterator[tuple[str, str, str]]:
    """Name, value and explanation of each total."""
    frozen = counted.params - counted.trainable_params
    training = counted.training
    parts = {
        "weights": training.weights,
        "gradients": training.gradients,
        f"{counted.optimizer}'s state": training.optimizer,
        "saved activations": training.activations,
    }
    yield "parameters", f"{counted.params:,}", "numbers that can be learnt, as papers count them"
    if frozen:
        yield "  learning", f"{counted.trainable_params:,}", "those that training changes"
        yield "  frozen", f"{frozen:,}", "those that `freeze` keeps as they are"
    yield "buffers", f"{counted.buffers:,}", "state that is not learnt: running statistics"
    yield "MACs", f"{counted.macs:,}", "multiply-accumulates of convolution and dense, one sample"
    yield "FLOPs", f"{2 * counted.macs:,}", "FLOPs: twice the MACs"
    yield "depth", f"{counted.depth:,}", "convolutions and dense layers on the longest path"
    yield "weights", _bytes(counted.weight_bytes), "parameters and buffers, 4 bytes each"
    yield (
        "peak activations",
        _bytes(counted.peak_activation_bytes),
        f"most bytes alive at once at inference, batch {counted.batch:,}",
    )
    yield (
        "training step",
        _bytes(training.total),
        f"batch {counted.training_batch:,} with {counted.optimizer}, made up of:",
    )
    for name, size in parts.items():
        yield f"  {name}", _bytes(size), ""


def _bytes(size: int) -> str:
    """A number of bytes in the unit that leaves it at least 1: ``241.0 KiB``."""
    scaled = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if scaled < 1024:
            return f"{scaled:,.0f} {unit}" if unit == "B" else f"{scaled:,.1f} {unit}"
        scaled /= 1024
    return f"{scaled:,.1f} TiB"


def _sizes(dims: tuple[int, ...]) -> str:
    return "x".join(map(str, dims))
