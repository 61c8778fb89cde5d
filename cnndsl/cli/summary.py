"""``cnndsl summary``: a spec in, what its network costs out, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cnndsl.cli.completion import complete_specs
from cnndsl.cli.options import color_option, parameters_option

if TYPE_CHECKING:
    from cnndsl.semantics.summary import LayerSummary, Summary

__all__ = ["summary"]

WIDTH = 100
"""Columns that the table keeps to, at the cost of the layers' text."""

_HEAD = ("name", "layer", "output", "params", "MACs", "activation bytes", "receptive field")
_NARROWEST = 12
"""Characters that a layer's text keeps in any case."""


@click.command()
@click.argument("spec", shell_complete=complete_specs)
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
    heads = zip(*(_two_lines(title) for title in _HEAD), strict=True)
    rows = [*heads, *_grouped(counted.layers)]
    columns = zip(*(row for row in rows if len(row) > 1), strict=True)
    widths = [max(map(len, column)) for column in columns]
    others = sum(widths) - widths[1] + 2 * (len(widths) - 1)
    widths[1] = min(widths[1], max(_NARROWEST, WIDTH - others))
    lines = [_title(counted), ""]
    lines += [_line(row, widths) if len(row) > 1 else row[0] for row in rows]
    lines += ["", *_aligned(_totals(counted))]
    return "\n".join(lines)


def _grouped(layers: Iterable[LayerSummary]) -> Iterator[tuple[str, ...]]:
    """The rows; what lies in a scope stands indented below a row with the scope's name alone."""
    before = ""
    for layer in layers:
        scope, _, name = layer.name.rpartition(".")
        if scope and scope != before:
            yield (scope,)
        before = scope
        yield (f"  {name}" if scope else name, *_cells(layer))


def _two_lines(title: str) -> tuple[str, str]:
    above, _, below = title.rpartition(" ")
    return above, below


def _aligned(totals: Iterator[tuple[str, int, str]]) -> Iterator[str]:
    rows = [(name, f"{value:,}", words) for name, value, words in totals]
    name_width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, words in rows:
        yield f"{name:{name_width}}  {value:>{value_width}}  {words}".rstrip()


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, numbers to the right."""
    name, layer, output, *numbers = row
    words = zip((name, _cut(layer, widths[1]), output), widths[:3], strict=True)
    cells = [f"{word:{width}}" for word, width in words]
    cells += [f"{number:>{width}}" for number, width in zip(numbers, widths[3:], strict=True)]
    return "  ".join(cells).rstrip()


def _cells(layer: LayerSummary) -> tuple[str, ...]:
    """A row but for its name; counts of nothing stay empty."""
    return (
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
    lines += [f"| {' | '.join((layer.name, *_cells(layer)))} |" for layer in counted.layers]
    lines += ["", "| total | | |", "| --- | --: | --- |"]
    lines += [
        f"| {name.strip()} | {value:,} | {words} |" for name, value, words in _totals(counted)
    ]
    return "\n".join(lines)


# --- both -------------------------------------------------------------------------------------


def _title(counted: Summary) -> str:
    inputs = ", ".join(_sizes(dims) for dims in counted.inputs.values())
    outputs = ", ".join(_sizes(dims) for dims in counted.outputs.values())
    return f"{counted.name}: {inputs} -> {outputs}"


def _totals(counted: Summary) -> Iterator[tuple[str, int, str]]:
    """Name, value and explanation of each total."""
    frozen = counted.params - counted.trainable_params
    yield "parameters", counted.params, "numbers that can be learnt, as papers count them"
    if frozen:
        yield "  learning", counted.trainable_params, "those that training changes"
        yield "  frozen", frozen, "those that `freeze` keeps as they are"
    yield "buffers", counted.buffers, "numbers that are kept but not learnt: running statistics"
    yield "MACs", counted.macs, "multiply-accumulates of convolution and dense, for one sample"
    yield "FLOPs", 2 * counted.macs, "twice the MACs: a multiplication and an addition each"
    yield "depth", counted.depth, "convolutions and dense layers on the longest path"
    yield from _memory(counted)


def _memory(counted: Summary) -> Iterator[tuple[str, int, str]]:
    """The totals that are bytes."""
    optimizer, training = counted.optimizer, counted.training
    size = counted.weight_bytes
    yield "weights", size, f"{_bytes(size)}: parameters and buffers, 4 bytes each"
    size = counted.peak_activation_bytes
    batch = f"batch {counted.batch:,}"
    yield "peak activations", size, f"{_bytes(size)}: alive at once at inference, {batch}"
    batch = f"batch {counted.training_batch:,}"
    yield "training step", training.total, f"{_bytes(training.total)}: {batch} with {optimizer}"
    yield "  weights", training.weights, "as above"
    yield "  gradients", training.gradients, "of the parameters that learn"
    yield f"  {optimizer} state", training.optimizer, "of the parameters that learn"
    yield "  activations", training.activations, "saved for the backward pass"


def _bytes(size: int) -> str:
    """A number of bytes in the largest unit of which it has one: ``241.0 KiB``."""
    if size < 1024:
        return f"{size} bytes"
    scaled, unit = size / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if scaled < 1024:
            break
        scaled, unit = scaled / 1024, larger
    return f"{scaled:,.1f} {unit}"


def _sizes(dims: tuple[int, ...]) -> str:
    return "x".join(map(str, dims))
