"""``cnndsl explain``: a code in, its page out."""

from __future__ import annotations

import click

from cnndsl import resources
from cnndsl.cli.completion import complete_codes
from cnndsl.diagnostics.codes import CODES

__all__ = ["explain"]


@click.command
@click.argument("code", required=False, shell_complete=complete_codes)
def explain(code: str | None) -> None:
    """Print the page about an error CODE: the rule, a wrong and a right example.

    Without a CODE, list all of them.
    """
    if code is None:
        click.echo("\n".join(f"{name}  {entry.title}" for name, entry in CODES.items()))
        return
    name = _known(code)
    click.echo((resources.docs() / "errors" / f"{name}.md").read_text(encoding="utf-8").rstrip())


def _known(code: str) -> str:
    """The code as the table has it: ``cnn301`` and ``301`` mean ``CNN301``."""
    name = f"CNN{code.strip('[]').upper().removeprefix('CNN')}"
    if name in CODES:
        return name
    from cnndsl.diagnostics.words import closest

    near = " or ".join(closest(name, CODES))
    hint = f"did you mean {near}?" if near else "`cnndsl explain` lists them all"
    raise click.UsageError(f"there is no code '{code}'; {hint}")
