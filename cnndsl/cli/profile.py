"""``cnndsl profile``: a spec or a model in, what each of its lines takes out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import click

from cnndsl.cli.columns import WIDTH, Column, cut, table
from cnndsl.cli.completion import complete_models
from cnndsl.cli.models import Parameters, is_compiled
from cnndsl.cli.options import (
    color_option,
    device_option,
    parameters_option,
    tell_device,
    threads_option,
    verify_option,
    weights_option,
)
from cnndsl.cli.piped import checked_spec
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.runtime.profile import Profile, Times

__all__ = ["profile"]

By: TypeAlias = Literal["line", "layer"]

_LEAST = 12
"""Cells that a line's text has at least."""


# Long, because its parameters are the options of the command.
@click.command(
    epilog=(
        "\b\nExample:"
        "\n  cnndsl profile resnet20"
        "\n  cnndsl profile net.cnn --training --batch 128 -o lines.png"
        "\n  cnndsl profile net.onnx --by layer --threads 1"
    )
)
@click.argument("model", metavar="SPEC|MODEL.onnx", shell_complete=complete_models)
@click.option("--training", is_flag=True, help="Measure a training step, and not an answer.")
@click.option(
    "--batch",
    type=click.IntRange(1, 65536),
    metavar="N",
    help="Samples at once.  [default: 1, or what `train` says]",
)
@click.option(
    "--by",
    type=click.Choice(["line", "layer"]),
    default="line",
    show_default=True,
    help="What has a row: a line of the spec, with all layers that it makes, or a layer.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600, min_open=True),
    default=2.0,
    show_default=True,
    metavar="S",
    help="How long to run before the recording.",
)
@click.option("-o", "output", metavar="FILE", help="Draw the lines: a .png, .svg or .pdf file.")
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@weights_option("Weights of a SPEC; time hardly depends on them.")
@verify_option
@device_option
@threads_option
@parameters_option
@color_option
def profile(
    model: str,
    training: bool,
    batch: int | None,
    by: By,
    seconds: float,
    output: str | None,
    style: str,
    weights: str | None,
    verify: bool,
    device: str,
    threads: int | None,
    parameters: Parameters,
) -> None:
    """Measure what an answer takes, or a training step: time and memory, line by line.

    Each line is compared with what the device can do at most, measured by a large product of
    matrices and by a copy of memory: `limit` is how near it comes to the one or the other.
    """
    from cnndsl import api, inspection

    if output is not None:
        from cnndsl.plots.figure import format_of

        format_of(output)  # before anything is measured
    tell_device(device)
    measured = inspection.profile(
        model
        if is_compiled(model) and not parameters
        else api.Network(checked_spec(model, parameters, models=True)),
        training=training,
        weights=weights,
        batch=batch,
        device=device,
        threads=threads,
        seconds=seconds,
        verify=verify,
    )
    if output is not None:
        measured.draw(output)
        click.echo(f"{visible(output)}: the time of each line", err=style == "json")
    if style == "json":
        click.echo(json.dumps(measured.to_json(), indent=2))
    elif output is None or sys.stdout.isatty():
        click.echo("\n".join(_text(measured, by)))


# --- text -------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """What stands in a row of the table; one without times is a heading."""

    place: str
    text: str
    times: Times | None


def _text(measured: Profile, by: By) -> Iterator[str]:
    yield from _head(measured)
    yield ""
    rows = _by_line(measured) if by == "line" else _by_layer(measured)
    yield from _table(measured, [*rows, *_others(measured)], by)
    yield ""
    peaks = measured.peaks
    flops, copied = (_figure(one / 1e9) for one in (peaks.flops, peaks.bytes))
    yield "`MB` is what is made; `limit` is how near a line comes to what this device does:"
    yield f"{flops} GFLOP/s in a product of matrices, {copied} GB/s in a copy of memory"


def _head(measured: Profile) -> Iterator[str]:
    what = "a training step" if measured.training else "an answer"
    threads = "" if measured.threads is None else f", {count(measured.threads, 'thread')}"
    batch = count(measured.batch, "sample", commas=True)
    yield (
        f"{visible(measured.network)} on {measured.device}{threads}: {what} for {batch} takes"
        f" {_milliseconds(measured.seconds)} ms"
    )
    kernels = measured.kernels
    yield (
        f"the median of {count(measured.runs, 'run', commas=True)}; recorded,"
        f" {count(kernels.kernels, 'kernel', commas=True)} take"
        f" {_milliseconds(kernels.seconds)} ms"
    )
    if kernels.in_use is not None:
        yield f"at most {kernels.in_use / 1e6:,.2f} MB are held for results at once"


def _by_line(measured: Profile) -> Iterator[_Row]:
    """A row for each line that takes time, below its file's name where there are several files."""
    lines = [line for line in measured.lines if line.times.kernels]
    files = list(dict.fromkeys(line.file for line in lines))
    for file in files:
        if len(files) > 1:
            yield _Row("", visible(PurePath(file).name), None)
        for line in lines:
            if line.file == file:
                yield _Row(str(line.line), visible(line.text), line.times)


def _by_layer(measured: Profile) -> Iterator[_Row]:
    for layer in measured.layers:
        if layer.times.kernels:
            yield _Row("", f"{layer.name}: {layer.phrase}", layer.times)


def _others(measured: Profile) -> Iterator[_Row]:
    return (_Row("", name, times) for name, times in measured.others.items())


def _table(measured: Profile, rows: Sequence[_Row], by: By) -> Iterator[str]:
    """The rows in columns; the text takes the room that the numbers leave."""
    numbers = list(_numbers(measured, rows))
    before = [Column("line", [row.place for row in rows])] if by == "line" else []
    taken = sum(column.width + 2 for column in (*before, *numbers))
    texts = [cut(row.text, max(_LEAST, WIDTH - taken)) if row.times else "" for row in rows]
    head, *lines = table(
        [*before, Column("text" if by == "line" else by, texts, left=True), *numbers]
    )
    yield head
    for row, line in zip(rows, lines, strict=True):
        yield line if row.times else cut(row.text, WIDTH)


def _numbers(measured: Profile, rows: Sequence[_Row]) -> Iterator[Column]:
    total = measured.kernels.seconds or 1.0

    def column(head: str, cell: Callable[[Times], str]) -> Column:
        return Column(head, ["" if row.times is None else cell(row.times) for row in rows])

    yield column("ms", lambda times: _milliseconds(times.seconds))
    yield column("share", lambda times: f"{times.seconds / total:.1%}")
    if measured.training:
        yield column("fwd", lambda times: _share(times.forward, times))
        yield column("bwd", lambda times: _share(times.backward, times))
        yield column("upd", lambda times: _share(times.update, times))
    else:
        yield column("GFLOP/s", lambda times: _figure(times.flops_per_second / 1e9))
    yield column("limit", lambda times: _limit(measured, times))
    yield column("MB", lambda times: f"{times.made / 1e6:,.2f}")


def _share(part: float, times: Times) -> str:
    return f"{part / times.seconds:.0%}" if part else ""


def _limit(measured: Profile, times: Times) -> str:
    """How near the time is to the least that the device could take."""
    if not times.seconds:
        return ""
    least = max(
        times.flops / measured.peaks.flops, (times.read + times.made) / measured.peaks.bytes
    )
    return f"{least / times.seconds:.0%}"


def _milliseconds(seconds: float) -> str:
    """In three decimal places below 100 ms, in none above: ``0.681``, ``1,204``."""
    ms = 1e3 * seconds
    return f"{ms:.3f}" if ms < 100 else f"{ms:,.0f}"


def _figure(number: float) -> str:
    """In three digits; nothing for nothing."""
    if not number:
        return ""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
