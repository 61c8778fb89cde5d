"""``cnndsl expand``: a spec in, the same without blocks, loops, imports and parameters out."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from cnndsl.cli.completion import complete_specs
from cnndsl.cli.options import color_option, parameters_option
from cnndsl.cli.piped import checked_spec

__all__ = ["expand"]


@click.command(epilog="\b\nExample:\n  cnndsl expand net.cnn --defaults")
@click.argument("spec", shell_complete=complete_specs)
@parameters_option
@click.option("--defaults", is_flag=True, help="Write out each setting that has its default.")
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@color_option
def expand(spec: str, parameters: Mapping[str, object], defaults: bool, style: str) -> None:
    """Write out what SPEC is without blocks, loops, branches, imports and parameters.

    SPEC is a path, the name of a shipped network, or - for standard input. What is printed is a
    spec of the same network: its layers and weights are called the same. The first line is the
    SHA-256 of its content: equal networks have equal ones, whatever their texts.
    """
    from cnndsl.elaborate.content import content_json
    from cnndsl.elaborate.expand import expanded_text

    typed = checked_spec(spec, parameters, models=True).typed()
    text = expanded_text(typed, defaults=defaults)
    if style == "json":
        click.echo(json.dumps(content_json(typed, text), indent=2, ensure_ascii=False))
    else:
        click.echo(text, nl=False)
