"""From whatever ends a command to one clean message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from errno import EPIPE

import click

from cnndsl.cli.options import wants_color
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.exit_codes import FAILED, INTERRUPTED, MISTAKE
from cnndsl.diagnostics.model import UserError

__all__ = ["DEBUG", "exit_code_of", "report"]

DEBUG = "CNNDSL_DEBUG"
"""Set in the environment, it shows the traceback of a mistake in cnndsl itself."""


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command, tell the user why it ended where it did, and give the exit code."""
    _survive_any_text()
    try:
        code = _run(command)
        if sys.stdout is not None:  # it is None where the caller has closed it
            sys.stdout.flush()
    except OSError as error:
        _abandon_output()
        if found := _of_plugin(error):
            return report(found)
        if error.errno == EPIPE:  # as in `cnndsl … | head`: stop without a word
            return FAILED
        return report(_unexplained(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    return code


def report(error: UserError | CompileError) -> int:
    """Write an error to stderr and give its exit code."""
    from cnndsl.diagnostics.render import render_error

    color = wants_color(sys.stderr)
    text = render_error(error, color=color)
    click.echo(text, err=True, color=color)
    return FAILED


def _run(command: Callable[[], object]) -> int:
    try:
        result = command()
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    except click.NoSuchOption as error:
        from cnndsl.cli.unknown_options import explained  # not on the way to any answer

        explained(error).show()
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (OSError, click.Abort):
        raise
    except MemoryError:
        help = "take a smaller `--batch`, or make the network smaller"
        return report(UserError("CNN905", "not enough memory for this network", help=help))
    except Exception as error:  # the last resort: no traceback for a user
        return _internal(error)
    return result if isinstance(result, int) else 0


def _survive_any_text() -> None:
    """Let the streams write what their encoding lacks as an escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _abandon_output() -> None:
    """Drop what is still buffered: it would fail once more when Python closes the stream."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unexplained(error: OSError) -> UserError:
    """A full disk, a folder without rights: what no stage has explained better."""
    reason = (error.strerror or type(error).__name__).lower()
    if isinstance(error.filename, str | bytes):
        message = f"cannot read or write `{os.fsdecode(error.filename)}`: {reason}"
        return UserError(
            "CNN603", message, help="make room, or see that it may be read and written"
        )
    # A file is named by the stage that writes it, so this is standard output or error.
    help = "make room where the output goes, or send it elsewhere"
    return UserError("CNN603", f"cannot write the output: {reason}", help=help)


def _of_plugin(error: Exception) -> UserError | None:
    from cnndsl.cli.plugin_errors import plugin_error  # not on the way to any answer

    return plugin_error(error)


def _internal(error: Exception) -> int:
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(error)
        return MISTAKE
    if found := _of_plugin(error):
        return report(found)
    from cnndsl.cli.plugin_errors import in_use

    others = in_use()
    summary = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    click.echo(f"internal error, please report it: {summary}", err=True)
    if others:
        click.echo(f"it may be a mistake of other packages: {others}", err=True)
    click.echo(f"set {DEBUG}=1 to see where it happened", err=True)
    return MISTAKE
