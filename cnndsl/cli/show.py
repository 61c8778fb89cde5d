"""``cnndsl show``: a compiled model in, the spec that it carries out."""

from __future__ import annotations

import click

from cnndsl.cli.completion import complete_files
from cnndsl.cli.options import color_option, tell_of_no_checksum, verify_option

__all__ = ["show"]


@click.command()
@click.argument("model", shell_complete=complete_files(".onnx"))
@verify_option
@color_option
def show(model: str, verify: bool) -> None:
    """Print the spec that a compiled model carries."""
    from cnndsl.graph.manifest import read_artifact

    manifest = read_artifact(model, verify=verify)
    tell_of_no_checksum(model, manifest)
    if not manifest.intact:
        click.echo(
            f"warning: the spec in `{model}` was changed after the model was compiled:"
            " its SHA-256 is not the stored one",
            err=True,
        )
    click.echo(manifest.spec, nl=not manifest.spec.endswith("\n"))
