"""``cnndsl lsp``: the language server, on standard input and output."""

from __future__ import annotations

import os
from importlib.util import find_spec

import click

from cnndsl.diagnostics.model import UserError

__all__ = ["lsp"]


@click.command(epilog="\b\nExample:\n  cnndsl lsp --features")
@click.option("--stdio", is_flag=True, help="Talk on standard input and output; always so.")
@click.option(
    "--clientProcessId", "process", type=int, hidden=True, help="Editors may say who they are."
)
@click.option("--features", is_flag=True, help="List what it answers, and end.")
def lsp(stdio: bool, process: int | None, features: bool) -> None:
    """Serve an editor, by the Language Server Protocol on standard input and output.

    An editor starts this itself (docs/editors.md has the lines for VS Code, Neovim, Helix, Emacs
    and Zed). It shows problems, shapes and costs as you type, completes layers, attributes and
    names, renames, mends and formats. It ends with the editor, or when its input is closed.
    """
    if find_spec("pygls") is None:
        raise UserError(
            "CNN907",
            "the language server needs pygls, which is not installed",
            help='install it: `pip install "cnndsl[lsp]"`',
        )
    from cnndsl.language_server.features import make_server

    if features:
        click.echo("\n".join(sorted(make_server().protocol.fm.features)))
        return
    # What anything else prints must not get into what the editor reads.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    make_server().start_io(os.fdopen(0, "rb", closefd=False), answers)
