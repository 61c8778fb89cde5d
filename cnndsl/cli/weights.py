"""``cnndsl weights``: a spec and weights of another tool in, weights of the spec out, or back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from cnndsl.cli.columns import WIDTH, padded, width
from cnndsl.cli.completion import complete_files, complete_specs
from cnndsl.cli.models import Parameters
from cnndsl.cli.options import color_option, parameters_option
from cnndsl.cli.writing_verb import WritingVerb
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.elaborate.network import TypedNetwork
    from cnndsl.importers.weights.bringing import LayoutWord
    from cnndsl.importers.weights.exporting import Library
    from cnndsl.importers.weights.pairing import Pair, Pairing

__all__ = ["weights"]

_ENDINGS = (
    *(".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".h5", ".keras", ".caffemodel", ".onnx"),
    *(".weights", ".npz"),
)


# Long, because its parameters are the options of the command.
@click.command(
    cls=WritingVerb,
    epilog="\b\nExample:\n"
    "  cnndsl weights net.cnn theirs.pt -o net.safetensors\n"
    "  cnndsl weights net.cnn net.safetensors --export pytorch -o ours.pt",
)
@click.argument("spec", shell_complete=complete_specs)
@click.argument("file", shell_complete=complete_files(*_ENDINGS))
@click.option(
    "-o",
    "output",
    metavar="W.safetensors",
    help="The file to write; by default SPEC.safetensors, and with --export SPEC.pt.",
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
@click.option(
    "--eps",
    type=click.FloatRange(min=0, min_open=True),
    help="What FILE's batch normalisations add to variances, where it does not say it.",
)
@click.option(
    "--key",
    metavar="NAME",
    help="Which dictionary of a PyTorch checkpoint to take: `model_ema`, or `ema.module`.",
)
@click.option("--dry-run", is_flag=True, help="Print the pairs, and write nothing.")
@click.option(
    "--prove/--no-prove",
    default=True,
    show_default=True,
    help="Ask both the same, where FILE says its network (.onnx, .keras), and refuse weights that"
    " answer otherwise.",
)
@click.option(
    "--against",
    metavar="NETWORK",
    shell_complete=complete_files(".onnx", ".prototxt", ".cfg", ".json", ".keras"),
    help="What describes FILE's network (.onnx, .prototxt, .cfg, .json, .keras): it is asked too.",
)
@click.option(
    "--export",
    type=click.Choice(["pytorch", "timm"]),
    help="The other way: FILE is the spec's weights, and becomes a state dict (.pt,"
    " .safetensors) with torchvision's or timm's names, where the spec is a model of theirs.",
)
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
    eps: float | None,
    key: str | None,
    dry_run: bool,
    prove: bool,
    against: str | None,
    export: Library | None,
    style: str,
    parameters: Parameters,
) -> None:
    """Bring weights that another tool trained: FILE becomes the weights of SPEC.

    FILE is PyTorch's (.safetensors, .pt, .pth, .bin, .ckpt), Keras's (.weights.h5, .keras, .h5),
    Caffe's (.caffemodel), Darknet's (.weights), an ONNX model, or NumPy's (.npz, a folder of .npy).
    Nothing in it is run.

    Layers are paired by names, where the spec has those of the file; by the names that torchvision
    and timm give; else by order and shape. What --map says counts first, and whatever is in doubt
    is refused. Every pair is printed: the tensor, its shape, how its axes change, the weight.
    """
    from cnndsl import pipeline

    network = pipeline.load(spec, parameters)
    if export is not None:
        target = output or f"{Path(spec).stem}.pt"
        _export(network, spec, file, names, export, None if dry_run else target, style)
        return
    from cnndsl.importers.weights.bringing import imported, paired, read_map
    from cnndsl.weight_import import proof_of

    rules = () if names is None else read_map(names)
    target = output or f"{Path(spec).stem}.safetensors"
    size, difference, why = None, None, ""
    with paired(network, file, rules, layout, eps, key) as pairing:
        if style == "text":
            click.echo("\n".join(_pairs(pairing)))
        if not dry_run:
            brought = imported(network, pairing)
            if prove:
                proof = proof_of(network, brought, file, against, eps, key)
                difference, why = proof.difference, proof.why
            size = brought.write(target)
    if style == "json":
        written = None if dry_run else target
        data = pairing.to_json(spec, difference=difference, written=written)
        click.echo(json.dumps(data, indent=2))
        return
    if difference is not None:
        click.echo(f"proved: both answer alike, the largest difference is {difference:.2g}")
    elif why:
        line = f"not proved by running `{visible(against or file)}`: {why}"
        click.echo("\n".join(wrap(line, WIDTH, subsequent_indent="  ")))
    if size is not None:
        click.echo(f"{visible(target)}: {size:,} bytes")


# --- the other way ----------------------------------------------------------------------------


def _export(
    network: TypedNetwork,
    spec: str,
    file: str,
    names: str | None,
    library: Library,
    target: str | None,
    style: str,
) -> None:
    """Write a state dict of weights of ours; nothing where there is no target."""
    from cnndsl.importers.weights.bringing import read_map
    from cnndsl.importers.weights.exporting import export_state_dict, write_state_dict

    rules = () if names is None else read_map(names)
    exported = export_state_dict(network, file, rules, library)
    size = None if target is None else write_state_dict(target, exported)
    if style == "json":
        click.echo(json.dumps(exported.to_json(spec, file, written=target), indent=2))
        return
    from cnndsl.importers.weights.layout import sizes

    rows = [
        (exported.named[name], "", sizes(array.shape), name)
        for name, array in exported.tensors.items()
        if name in exported.named
    ]
    click.echo("\n".join(_table(rows)))
    counters = len(exported.tensors) - len(rows)
    also = f", and {count(counters, 'counter')} of training steps, all 0" if counters else ""
    click.echo(f"\n{network.name}: {count(len(rows), 'tensor')} by {exported.names}{also}")
    if size is not None:
        click.echo(f"{visible(str(target))}: {size:,} bytes")


# --- what is printed --------------------------------------------------------------------------


def _pairs(pairing: Pairing) -> Iterator[str]:
    """A line for each weight, or two where one is too long, and what is to be said below."""
    yield from _table([_cells(one) for one in pairing.pairs])
    yield ""
    yield (
        f"{pairing.network}: {count(len(pairing.pairs), 'weight')}, {pairing.parameters:,} numbers"
    )
    yield f"from: {pairing.format}"
    yield from wrap(f"paired by: {pairing.by}", WIDTH, subsequent_indent="  ")
    for what, number in Counter(one.what for one in pairing.left_out).items():
        yield f"left out: {count(number, 'tensor')}, {what}"
    if pairing.absent:
        yield (
            f"not in the file: {count(len(pairing.absent), 'weight')} of heads that only training"
            " has"
        )
    for note in pairing.notes:
        yield from wrap(f"note: {note}", WIDTH, subsequent_indent="  ")


def _table(rows: Sequence[tuple[str, str, str, str]]) -> Iterator[str]:
    names, shapes, hows, targets = (max(map(width, cells)) for cells in zip(*rows, strict=True))
    room = WIDTH - targets - 2
    between = 2 * bool(shapes) + 2 * bool(hows) + shapes + hows
    names = min(names, max(room - between, 12))
    for source, shape, how, target in rows:
        cells = [(source, names), *((shape, shapes),) * bool(shapes), *((how, hows),) * bool(hows)]
        line = "  ".join(padded(text, wide) for text, wide in cells)
        if width(line) + 2 + width(target) > WIDTH:
            line = "  ".join(text for text, _ in cells if text)
        if width(line) + 2 + width(target) > WIDTH:
            yield line
            line = f"{'':{room}}" if room > 0 else ""
        yield f"{line}  {target}".rstrip()


def _cells(pair: Pair) -> tuple[str, str, str, str]:
    from cnndsl.importers.weights.layout import sizes

    target = visible(pair.target.name)
    change = "" if pair.change is None else visible(pair.change.how)
    if pair.source is None:
        return f"(all {pair.fill:g})", sizes(pair.target.shape), change, target
    how = ", ".join(filter(None, (pair.conversion.how, change)))
    return visible(pair.source.name), sizes(pair.source.shape), how, target
