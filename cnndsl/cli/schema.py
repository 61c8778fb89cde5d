"""``cnndsl schema``: a name in, the JSON schema of what that verb prints out."""

from __future__ import annotations

import json

import click

from cnndsl.cli.completion import complete_schemas
from cnndsl.cli.options import color_option

__all__ = ["schema"]


@click.command(epilog="\b\nExample:\n  cnndsl schema summary")
@click.argument("name", required=False, shell_complete=complete_schemas)
@color_option
def schema(name: str | None) -> None:
    """Print the JSON schema of what a verb prints with --format json.

    Without a NAME, list all of them. What is printed follows its schema exactly: an object has no
    keys but those that are named there.
    """
    from cnndsl import schemas

    if name is None:
        click.echo("\n".join(schemas.SCHEMAS))
        return
    click.echo(json.dumps(schemas.schema(name), indent=2))
