"""``cnndsl weights``: a spec and weights of another tool in, weights of the spec out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cnndsl.cli.columns import WIDTH, padded, width
from cnndsl.cli.completion import complete_files, complete_specs
from cnndsl.cli.models import Parameters
from cnndsl.cli.options import color_option, parameters_option
from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.importers.weights.bringing import LayoutWord
    from cnndsl.importers.weights.pairing import Pair, Pairing

__all__ = ["weights"]

_ENDINGS = (
    *(".safetensors", ".pt", ".pth", ".bin", ".h5", ".keras", ".caffemodel", ".onnx"),
    *(".weights", ".npz"),
)


# Long, because its parameters are the options of the command.
@click.command(
    epilog="\b\nExample:\n"
    "  cnndsl weights resnet50 resnet50-0676ba61.pth -o resnet50.safetensors\n"
    "  cnndsl compile resnet50 --weights resnet50.safetensors"
)
@click.argument("spec", shell_complete=complete_specs)
@click.argument("file", shell_complete=complete_files(*_ENDINGS))
@click.option(
    "-o", "output", metavar="W.safetensors", help="The file to write; by default SPEC.safetensors."
)
@click.option(
    "--map",
    "names",
    metavar="NAMES",
    shell_complete=complete_files(),
    help="A file that says what a tensor or layer of FILE is called in the spec: two words a line,"
    " or JSON. A rule may be for many: see docs/bringing-weights.md.",
)
@click.option(
    "--layout",
    type=click.Choice(["channels-first", "channels-last"]),
    help="How axes stand in NumPy's arrays: as in PyTorch, or as in Keras. Other files say it.",
)
@click.option("--dry-run", is_flag=True, help="Print the pairs, and write nothing.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the pairs.",
)
@parameters_option
@color_option
def weights(
    spec: str,
    file: str,
    output: str | None,
    names: str | None,
    layout: LayoutWord | None,
    dry_run: bool,
    style: str,
    parameters: Parameters,
) -> None:
    """Bring weights that another tool trained: FILE becomes the weights of SPEC.

    FILE is PyTorch's (.safetensors, .pt, .pth, .bin), Keras's (.weights.h5, .keras, .h5), Caffe's
    (.caffemodel), Darknet's (.weights), an ONNX model, or NumPy's (.npz, a folder of .npy). Nothing
    in it is run.

    Layers are paired by names, where the spec has those of the file; by the names that torchvision
    and timm give; else by order and shape. What --map says counts first, and whatever is in doubt
    is refused. Every pair is printed: the tensor, its shape, how its axes change, the weight.
    """
    from pathlib import Path

    from cnndsl import pipeline
    from cnndsl.importers.weights.bringing import imported, paired, read_map

    network = pipeline.load(spec, parameters)
    rules = () if names is None else read_map(names)
    target = output or f"{Path(spec).stem}.safetensors"
    with paired(network, file, rules, layout) as pairing:
        if style == "text":
            click.echo("\n".join(_pairs(pairing)))
        size = None if dry_run else imported(network, pairing).write(target)
    if style == "json":
        written = None if dry_run else target
        click.echo(json.dumps(pairing.to_json(spec, written=written), indent=2))
    elif size is not None:
        click.echo(f"{visible(target)}: {size:,} bytes")


def _pairs(pairing: Pairing) -> Iterator[str]:
    """A line for each weight, or two where one is too long, and what is to be said below."""
    rows = [_cells(one) for one in pairing.pairs]
    names, shapes, hows, targets = (max(map(width, cells)) for cells in zip(*rows, strict=True))
    room = WIDTH - targets - 2
    hows += 2 * bool(hows)
    names = min(names, max(room - shapes - hows - 2, 12))
    for source, shape, how, target in rows:
        line = f"{padded(source, names)}  {padded(shape, shapes)}"
        line = padded(f"{line}  {how}" if hows else line, names + 2 + shapes + hows)
        if width(line) + 2 + width(target) > WIDTH:
            line = f"{source}  {shape}  {how}".rstrip()
        if width(line) + 2 + width(target) > WIDTH:
            yield line
            line = f"{'':{room - 2}}" if room > 2 else ""
        yield f"{line}  {target}".rstrip()
    yield ""
    yield from _summary(pairing)


def _cells(pair: Pair) -> tuple[str, str, str, str]:
    from cnndsl.importers.weights.layout import sizes

    target = visible(pair.target.name)
    if pair.source is None:
        return f"(all {pair.fill:g})", sizes(pair.target.shape), "", target
    return visible(pair.source.name), sizes(pair.source.shape), pair.conversion.how, target


def _summary(pairing: Pairing) -> Iterator[str]:
    """What was paired, how, and what was left out, in words."""
    from collections import Counter

    from cnndsl.diagnostics.words import count

    tensors = count(len(pairing.pairs), "weight")
    yield (
        f"{pairing.network}: {tensors}, {pairing.parameters:,} numbers, of a"
        f" {pairing.format}, paired by {pairing.by}"
    )
    for what, number in Counter(one.what for one in pairing.left_out).items():
        yield f"left out: {count(number, 'tensor')}, {what}"
    if pairing.absent:
        yield (
            f"not in the file: {count(len(pairing.absent), 'weight')} of heads that only training"
            " has"
        )
    for note in pairing.notes:
        yield f"note: {note}"
