"""``cnndsl diff``: two networks in, what changed in meaning out."""

from __future__ import annotations

import json

import click

from cnndsl.cli.completion import complete_models
from cnndsl.cli.options import parameters_option
from cnndsl.diagnostics.exit_codes import FAILED

__all__ = ["diff"]


@click.command(epilog="\b\nExample:\n  cnndsl diff resnet18 resnet34")
@click.argument("old", shell_complete=complete_models)
@click.argument("new", shell_complete=complete_models)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="How to print it; Markdown is fit for a comment on a pull request.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 where something changed, as git does.")
@parameters_option
def diff(old: str, new: str, style: str, parameters: dict[str, object], *, exit_code: bool) -> int:
    """Say what changed in meaning from one network to another.

    OLD and NEW are specs (paths or shipped names), compiled models, or files of a git revision
    (`HEAD~1:net.cnn`, which imports what that revision has). Layout, comments, and blocks that
    come to the same layers change nothing; layers that were only renamed are told.
    """
    from cnndsl.comparison import diff as compare

    found = compare(old, new, parameters)
    match style:
        case "json":
            click.echo(json.dumps(found.to_json(), indent=2))
        case "markdown":
            click.echo(found.markdown())
        case _:
            click.echo(found.text())
    return FAILED if found and exit_code else 0
