"""``cnndsl summary``: a spec in, what its network costs out, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cnndsl.cli.columns import WIDTH, folded, padded, scoped, short, width
from cnndsl.cli.completion import complete_specs
from cnndsl.cli.options import color_option, parameters_option
from cnndsl.cli.piped import checked_spec

if TYPE_CHECKING:
    from cnndsl.analysis.summary import LayerSummary, Summary

__all__ = ["summary"]

_HEAD = ("name", "layer", "output", "params", "MACs", "bytes", "field")
_NARROWEST, _COMFORTABLE = 12, 18
"""Columns for a layer's text: at least, and so that numbers are not shortened for its sake."""


@click.command(epilog="\b\nExample:\n  cnndsl summary resnet50 --batch 32")
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

    SPEC is a path, the name of a shipped spec, a compiled model, or - for standard input.
    """
    from cnndsl.analysis.summary import summarize

    counted = summarize(checked_spec(spec, parameters, models=True).typed(), batch)
    match style:
        case "json":
            click.echo(json.dumps(counted.to_json(), indent=2))
        case "markdown":
            click.echo(_markdown(counted))
        case _:
            click.echo(_text(counted))


# --- text -------------------------------------------------------------------------------------


def _text(counted: Summary) -> str:
    lines = [_title(counted), "", *_table(counted.layers)]
    lines += ["", *_aligned(_totals(counted))]
    return "\n".join(lines)


def _table(layers: Sequence[LayerSummary]) -> Iterator[str]:
    """A row for each layer, no wider than a terminal.

    What lies in a scope stands indented below its name, layers' texts go on in further lines, and
    where that is not enough, large numbers are shortened.
    """
    names: list[tuple[list[str], str]] = []
    before = ""
    for layer in layers:
        above, name, before = scoped(layer.name, before)
        names.append((above, name))
    wide = max(map(width, (_HEAD[0], *(name for _, name in names))))
    widths, rows = _fitted(layers, wide)
    longest = max(map(width, (_HEAD[1], *(layer.phrase for layer in layers))))
    room = max(_NARROWEST, min(longest, WIDTH - _others(wide, widths)))
    yield _line(_HEAD, (wide, room, *widths))
    for (above, name), layer, cells in zip(names, layers, rows, strict=True):
        yield from above
        text, *rest = folded(layer.phrase, room)
        yield _line((name, text, *cells), (wide, room, *widths))
        yield from (f"{'':{wide}}  {more}" for more in rest)


def _fitted(layers: Sequence[LayerSummary], name: int) -> tuple[list[int], list[tuple[str, ...]]]:
    """The widths and cells of the columns behind the layers' texts; ``name`` is that of the names.

    Bytes are shortened first, then MACs, then parameters.
    """
    longest = max((width(layer.phrase) for layer in layers), default=0)
    for shortened in ((), ("bytes",), ("bytes", "MACs"), ("bytes", "MACs", "params")):
        rows = [_cells(layer, shortened) for layer in layers]
        widths = [max(map(len, column)) for column in zip(_HEAD[2:], *rows, strict=True)]
        if WIDTH - _others(name, widths) >= max(_NARROWEST, min(longest, _COMFORTABLE)):
            break
    return widths, rows


def _others(name: int, widths: Sequence[int]) -> int:
    """The columns that all but the layers' texts take, with the spaces between."""
    return name + sum(widths) + 2 * (len(widths) + 1)


def _aligned(totals: Iterator[tuple[str, int, str]]) -> Iterator[str]:
    rows = [(name, f"{value:,}", words) for name, value, words in totals]
    name_width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, words in rows:
        yield f"{name:{name_width}}  {value:>{value_width}}  {words}".rstrip()


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, numbers to the right."""
    cells = [padded(text, wide) for text, wide in zip(row[:3], widths[:3], strict=True)]
    cells += [f"{number:>{wide}}" for number, wide in zip(row[3:], widths[3:], strict=True)]
    return "  ".join(cells).rstrip()


def _cells(layer: LayerSummary, shortened: Sequence[str] = ()) -> tuple[str, ...]:
    """A row behind the layer's text; counts of nothing stay empty."""
    params, macs, size = (
        short(number) if name in shortened else f"{number:,}"
        for name, number in (
            ("params", layer.params),
            ("MACs", layer.macs),
            ("bytes", layer.activation_bytes),
        )
    )
    return (
        _sizes(layer.output),
        params if layer.params else "",
        macs if layer.macs else "",
        size,
        _sizes(layer.receptive_field),
    )


# --- markdown ---------------------------------------------------------------------------------


def _markdown(counted: Summary) -> str:
    lines = [
        f"## {_title(counted)}",
        "",
        f"| {' | '.join((*_HEAD[:5], 'activation bytes', 'receptive field'))} |",
        "| --- | --- | --- | --: | --: | --: | --: |",
    ]
    rows = ((layer.name, layer.phrase, *_cells(layer)) for layer in counted.layers)
    lines += [f"| {' | '.join(row)} |" for row in rows]
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
    yield "parameters", counted.params, "numbers that can be learnt"
    if counted.shared_params:
        yield "  shared", counted.shared_params, "those that several layers use, counted once"
    if frozen:
        yield "  learning", counted.trainable_params, "those that training changes"
        yield "  frozen", frozen, "those that `freeze` keeps as they are"
    if counted.inference_params != counted.params:
        yield "  inference", counted.inference_params, "without what only training has"
    yield "buffers", counted.buffers, "kept but not learnt: running statistics"
    yield "MACs", counted.macs, "of convolution and dense, for one sample"
    if counted.inference_macs != counted.macs:
        yield "  inference", counted.inference_macs, "without what only training has"
    yield "FLOPs", 2 * counted.macs, "twice the MACs"
    yield "depth", counted.depth, "convolutions and dense on the longest path"
    yield from _memory(counted)


def _memory(counted: Summary) -> Iterator[tuple[str, int, str]]:
    """The totals that are bytes."""
    optimizer, training = counted.optimizer, counted.training
    size = counted.weight_bytes
    yield "weights", size, f"{_bytes(size)}: parameters and buffers"
    size = counted.peak_activation_bytes
    batch = f"batch {counted.batch:,}"
    yield "peak activations", size, f"{_bytes(size)}: at once, inference, {batch}"
    batch = f"batch {counted.training_batch:,}"
    sums, saved = "", "saved for the backward pass"
    if counted.shards > 1:
        batch += f" in {counted.shards:,} shards"
        sums, saved = ", and sums of shards", f"{saved} of one shard"
    yield "training step", training.total, f"{_bytes(training.total)}: {batch} with {optimizer}"
    yield "  weights", training.weights, "as above"
    yield "  gradients", training.gradients, f"of the parameters that learn{sums}"
    yield f"  {optimizer} state", training.optimizer, "of the parameters that learn"
    yield "  activations", training.activations, saved


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
