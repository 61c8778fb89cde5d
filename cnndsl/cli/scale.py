"""``cnndsl scale``: a spec and a line in, what many machines bring on paper out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from cnndsl.cli.columns import Column, short, table
from cnndsl.cli.completion import complete_models
from cnndsl.cli.options import color_option, parameters_option
from cnndsl.cli.piped import checked_spec
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.training.scaling import Scaling, ScalingRow

__all__ = ["scale"]


def _counts(ctx: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """The numbers of a list: ``8,64,512``."""
    try:
        numbers = tuple(int(word) for word in text.split(","))
    except ValueError:
        raise click.BadParameter(f"'{text}' is no list of numbers, as 8,64,512 is") from None
    from cnndsl.training.scaling import MOST

    for number in numbers:
        if not 1 <= number <= MOST:
            raise click.BadParameter(f"{number} is not in the range 1<=x<={MOST:,}")
    return numbers


def _share(ctx: click.Context, option: click.Parameter, text: str) -> float:
    """A share: ``0.8``, or ``80%``."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:  # nor for what is no number
        raise click.BadParameter(f"'{text}' is no share above 0 and up to 1, as 0.8 is")
    return share


# Long, because its parameters are the options of the command.
@click.command(
    epilog=(
        "\b\nExample:"
        "\n  cnndsl scale resnet50 --bandwidth 10Gb --step 80ms --batch 32"
        "\n  cnndsl scale net.cnn --bandwidth 1.25GB --step 8ms --workers 2,4 --latency 50us"
    )
)
@click.argument("spec", shell_complete=complete_models)
@click.option(
    "--bandwidth",
    required=True,
    metavar="RATE",
    help="What a machine's line carries in a second, in and out at once: 10Gb are bits, 1.25GB"
    " bytes.",
)
@click.option(
    "--step",
    required=True,
    metavar="TIME",
    help="How long a worker computes a step alone: 80ms. `cnndsl profile SPEC --training` says it"
    " of this machine.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 2**31 - 1),
    metavar="N",
    help="The samples of that step.  [default: those of a shard, as `train` says]",
)
@click.option(
    "--shards-per-worker",
    "each",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    metavar="K",
    help="Such steps that a worker computes before all add.",
)
@click.option(
    "--workers",
    default="8,64,512",
    show_default=True,
    metavar="N,…",
    callback=_counts,
    help="A row for each of these numbers.",
)
@click.option(
    "--latency",
    default="20us",
    show_default=True,
    metavar="TIME",
    help="How long the shortest message takes.",
)
@click.option(
    "--efficiency",
    default="0.8",
    show_default=True,
    metavar="SHARE",
    callback=_share,
    help="The share of the bandwidth that carries numbers.",
)
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@parameters_option
@color_option
def scale(
    spec: str,
    bandwidth: str,
    step: str,
    batch: int | None,
    each: int,
    workers: tuple[int, ...],
    latency: str,
    efficiency: float,
    style: str,
    parameters: dict[str, object],
) -> None:
    """Say on paper what many machines bring that train SPEC together.

    Nothing is measured: the times follow from the size of the network and from what the options
    assume. Each worker keeps its number of samples, so the batch grows with the workers.
    """
    from cnndsl import api, inspection

    found = inspection.scale(
        api.Network(checked_spec(spec, parameters, models=True)),
        bandwidth=bandwidth,
        step=step,
        latency=latency,
        efficiency=efficiency,
        workers=workers,
        batch=batch,
        shards_per_worker=each,
    )
    if style == "json":
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        click.echo("\n".join(_text(found)))


# --- text -------------------------------------------------------------------------------------


def _text(found: Scaling) -> Iterator[str]:
    from cnndsl.training.links import time_text

    each = found.shards_per_worker
    samples = count(found.batch, "sample", commas=True)
    shards = samples if each == 1 else f"{each:,} shards of {samples}"
    alone = found.batch / found.shard_seconds
    yield f"{visible(found.name)}: {_megabytes(found)} to be added in each step"
    yield f"  {found.gradients:,} gradients" + (
        f", {found.statistics:,} running statistics" if found.statistics else ""
    )
    yield f"  a worker computes {shards} in {time_text(each * found.shard_seconds)}"
    yield f"  alone it does {_figure(alone)} samples a second"
    yield ""
    yield from table(list(_columns(found)))
    yield ""
    yield from _assumptions(found)


def _columns(found: Scaling) -> Iterator[Column]:
    from cnndsl.training.links import time_text

    def column(head: str, cell: Callable[[ScalingRow], str]) -> Column:
        return Column(head, [cell(row) for row in found.rows])

    yield column("workers", lambda row: f"{row.workers:,}")
    if found.shards_per_worker > 1:
        yield column("shards", lambda row: short(row.shards))
    yield column("batch", lambda row: short(row.batch))
    if _in_parts(found):
        yield column("parts", lambda row: str(row.parts))
    yield column("sum", lambda row: time_text(row.sum_seconds) if row.sum_seconds else "")
    yield column("busy", lambda row: f"{row.computing:.1%}")
    yield column("samples/s", lambda row: _figure(row.samples_per_second))
    yield column("speedup", lambda row: _figure(row.speedup))
    yield column("for 90%", _needed)


def _needed(row: ScalingRow) -> str:
    from cnndsl.training.links import rate_text

    if row.needed is None:
        return "never"
    return rate_text(row.needed) if row.needed else ""


def _assumptions(found: Scaling) -> Iterator[str]:
    from cnndsl.training.links import rate_text, time_text

    link = found.link
    parts = "P + 1" if _in_parts(found) else "2"
    factor = f"({parts})" if _in_parts(found) else parts
    speed = rate_text(link.bytes_per_second, "B")
    yield "assumed, not measured:"
    yield (
        f"  {rate_text(link.bandwidth)} to and from each worker at once,"
        f" {100 * link.efficiency:.4g}% of it for numbers: {speed}"
    )
    yield f"  {time_text(link.latency) if link.latency else '0 s'} for each message"
    yield "  sum = {}(N - 1)/N x {} / {} + 2 ceil(log2 N) x {}".format(
        factor, _megabytes(found), speed, time_text(link.latency) if link.latency else "0 s"
    )
    if _in_parts(found):
        yield "  P parts are what a worker sends: the nodes of the tree that its shards are"
    yield "  nothing is sent while a worker computes; the additions take no time"
    yield "  all workers are equally fast, and none waits for its data"
    yield "`busy` is the share of the time in which a worker computes, `for 90%` the"
    yield "bandwidth with which it is 90%"
    if any(row.needed is None for row in found.rows):
        yield "`never`: messages without any content take too long for that"


def _in_parts(found: Scaling) -> bool:
    return any(row.parts > 1 for row in found.rows)


def _megabytes(found: Scaling) -> str:
    return f"{_figure(found.bytes / 1e6)} MB"


def _figure(number: float) -> str:
    """In three digits, and up to 100,000 in all of those before the point."""
    return short(round(number)) if number >= 99.95 else f"{float(f'{number:.3g}'):g}"
