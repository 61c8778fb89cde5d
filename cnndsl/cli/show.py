"""``cnndsl show``: a compiled model in, the spec that it carries out, or its kernels drawn."""

from __future__ import annotations

import click

from cnndsl.cli.completion import complete_files
from cnndsl.cli.options import color_option, tell_of_no_checksum, verify_option
from cnndsl.diagnostics.render.characters import visible

__all__ = ["show"]


@click.command(epilog="\b\nExample:\n  cnndsl show net.onnx")
@click.argument("model", shell_complete=complete_files(".onnx"))
@click.option("--filters", metavar="LAYER", help="Draw the kernels of a layer into the file of -o.")
@click.option("-o", "output", metavar="FILTERS.png", help="The figure: .png, .svg or .pdf.")
@verify_option
@color_option
def show(model: str, filters: str | None, output: str | None, verify: bool) -> None:
    """Print the spec that a compiled model carries, or draw the kernels of one of its layers."""
    if (filters is None) != (output is None):
        raise click.UsageError("--filters and -o belong together: `--filters C1 -o filters.png`")
    from cnndsl.graph.manifest import read_artifact

    manifest = read_artifact(model, verify=verify)
    tell_of_no_checksum(model, manifest)
    if not manifest.intact:
        click.echo(
            f"warning: the spec in `{model}` was changed after the model was compiled:"
            " its SHA-256 is not the stored one",
            err=True,
        )
    if filters is not None and output is not None:
        from cnndsl import inspection

        shape = inspection.draw_filters(model, filters, output, verify=False)
        sizes = "x".join(map(str, shape))
        click.echo(f"{visible(output)}: the kernels of {visible(filters)}, {sizes}")
        return
    click.echo(manifest.spec, nl=not manifest.spec.endswith("\n"))
