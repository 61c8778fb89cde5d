"""``cnndsl import``: a network of another tool in, a spec and its weights out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from cnndsl.cli.completion import complete_files
from cnndsl.cli.options import color_option
from cnndsl.cli.writing_verb import WritingVerb
from cnndsl.diagnostics.render.characters import visible

__all__ = ["import_"]

_ENDINGS = (".onnx", ".prototxt", ".cfg", ".json", ".keras")


def _sizes(
    ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        parts = sizes.split("x")
        if not all(part.isdecimal() and 0 < int(part) < 2**31 for part in parts):
            raise click.BadParameter(f"'{text}' is not NAME=SIZES, as `data=3x224x224`")
        found[name] = tuple(map(int, parts))
    return found


@click.command(
    "import", cls=WritingVerb, epilog="\b\nExample:\n  cnndsl import net.onnx -o imported.cnn"
)
@click.argument("file", shell_complete=complete_files(*_ENDINGS))
@click.option("-o", "output", metavar="SPEC.cnn", help="The spec to write; by default FILE.cnn.")
@click.option(
    "--input",
    "sizes",
    multiple=True,
    metavar="[NAME=]SIZES",
    callback=_sizes,
    help="What an input takes whose sizes the file leaves open: `data=3x224x224`; may be given"
    " several times.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many samples there are to train with: Caffe and Darknet count iterations, a recipe"
    " epochs.",
)
@click.option(
    "--partial", is_flag=True, help="Write what can be said, up to what cannot: it is listed."
)
@click.option("--flat", is_flag=True, help="Write one layer after the other, without blocks.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@color_option
def import_(
    file: str,
    output: str | None,
    sizes: dict[str, tuple[int, ...]],
    samples: int | None,
    partial: bool,
    flat: bool,
    force: bool,
) -> None:
    """Write the network of another tool as a spec, and its weights beside it.

    What repeats becomes blocks and loops, and every size a claim. The spec is checked, and
    compared with the network layer by layer. What no spec says is listed with its place.
    """
    from cnndsl.network_import import import_network

    spec = Path(output or f"{Path(file).stem}.cnn")
    target = spec.with_suffix(".safetensors")
    names = spec.with_suffix(".map")
    taken = [path for path in (spec, target, names) if path.exists()]
    # Of a file that cannot be imported at all, that is what counts.
    if taken and not force and file.lower().endswith(_ENDINGS):
        raise click.UsageError(
            f"`{visible(str(taken[0]))}` is there already: write over it by --force, or give"
            " another name by -o"
        )
    found = import_network(
        file, sizes=sizes, samples=samples or 0, partial=partial, blocks=not flat
    )
    for note in found.notes:
        click.echo(f"note: {visible(note)}", err=True)
    for one in found.refused:
        click.echo(f"not said: {visible(f'{one.place}, {one.what}: {one.why}')}", err=True)
    if found.behind:
        click.echo(f"not said: {found.behind} layers behind these", err=True)
    written, numbers = found.save(spec, target)
    lines = len(found.text.splitlines())
    click.echo(
        f"{visible(str(written))}: {lines} lines, {found.params:,} parameters, {found.macs:,} MACs"
    )
    for line in _beside(str(written), str(numbers or ""), str(names) if found.name_map else ""):
        click.echo(line)


def _beside(spec: str, weights: str, names: str) -> Iterator[str]:
    """What lies beside a spec, and what to do with it."""
    spec, weights, names = visible(spec), visible(weights), visible(names)
    if weights:
        yield f"{weights}: its weights"
        yield f"\n  cnndsl run {spec} INPUT --weights {weights}"
        return
    if names:
        yield f"{names}: what its layers are called there"
    more = f" --map {names}" if names else ""
    yield f"it has no weights: train it, or `cnndsl weights {spec} FILE{more}`"
