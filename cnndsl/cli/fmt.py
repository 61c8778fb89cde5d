"""``cnndsl fmt``: specs and pages in, the same in the canonical layout out; whole or not at all."""

from __future__ import annotations

import difflib
import os
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from cnndsl.cli.completion import complete_files
from cnndsl.cli.options import color_option, wants_color
from cnndsl.cli.piped import PIPED, is_piped, read_standard_input
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.exit_codes import FAILED
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.words import count

__all__ = ["fmt"]


@click.command(epilog="\b\nExample:\n  cnndsl fmt --diff net.cnn")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    shell_complete=complete_files(".cnn", ".md"),
)
@click.option("--check", is_flag=True, help="Change nothing; name what is laid otherwise, exit 1.")
@click.option("--diff", is_flag=True, help="Change nothing; print what would change.")
@color_option
def fmt(files: tuple[str, ...], check: bool, diff: bool) -> None:
    """Lay each FILE out in the one canonical way.

    A FILE is a spec, a page in Markdown (its fenced `cnn` blocks), a folder (all .cnn files below
    it), or - for standard input, whose text goes to standard output. Comments, blank lines and the
    line ends before `->`, `=>` and in brackets stay; spaces, indentation, and what stands below
    what, are the formatter's. A file that cannot be read as a spec stays as it is; its mistakes are
    told.
    """
    counts = {True: 0, False: 0}
    failed = False
    for name in _found(files):
        try:
            changed = _format(name, check=check, diff=diff)
        except (UserError, CompileError) as error:
            from cnndsl.cli.errors import report

            report(error)
            failed = True
            continue
        counts[changed] += 1
    if files != ("-",):
        click.echo(_summary(counts[True], counts[False], written=not (check or diff)), err=True)
    sys.exit(FAILED if failed or (check and counts[True]) else 0)


def _format(name: str, *, check: bool, diff: bool) -> bool:
    """Format one file, or tell how; gives whether it is laid otherwise."""
    piped = is_piped(name)
    old = read_standard_input() if piped else _text(Path(name), name)
    new = _formatted(old, PIPED if piped else name)
    shown = visible(PIPED if piped else name)
    if diff and new != old:
        _print_diff(old, new, shown)
    if check and new != old:
        click.echo(f"{shown}: not in the canonical layout", err=diff or piped)
    if check or diff:
        return new != old
    if piped:
        click.echo(new, nl=False)
    elif new != old:
        _write(Path(name), old, new)
        click.echo(f"formatted {shown}")
    return new != old


def _formatted(text: str, name: str) -> str:
    from cnndsl.markdown.fences import is_markdown

    if not is_markdown(name):
        from cnndsl.texts import format

        return format(text, name)
    from cnndsl.diagnostics.source import Source
    from cnndsl.markdown.formatting import format_page
    from cnndsl.pipeline import current_limits

    return format_page(Source(name, text), current_limits())


def _found(files: Iterable[str]) -> Iterator[str]:
    """Each file once; those of a folder in order, hidden folders left out.

    Raises:
        UserError: CNN012 for a folder without specs.
    """
    seen: set[str] = set()
    for name in files:
        names = [name]
        if name != "-" and os.path.isdir(name):
            names = list(_specs_below(name))
            if not names:
                message = f"there is no .cnn file in `{name}`"
                help = "name the specs, or a folder that has some"
                raise UserError("CNN012", message, help=help)
        for one in names:
            real = one if is_piped(one) else os.path.realpath(one)
            if real not in seen:
                seen.add(real)
                yield one


def _specs_below(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(names):
            if name.endswith(".cnn") and not name.startswith("."):
                yield os.path.normpath(os.path.join(place, name))


def _text(path: Path, name: str) -> str:
    from cnndsl.elaborate.modules import read_text, shipped_specs
    from cnndsl.pipeline import current_limits

    if name in shipped_specs() and not path.exists():
        message = f"`{name}` is a shipped network, and here is no file of this name"
        raise UserError("CNN005", message, help="give the path of a file or a folder")
    return read_text(path, current_limits(), name)


def _write(path: Path, old: str, new: str) -> None:
    """Replace a file's text, unless the file has changed meanwhile; its byte order mark stays."""
    from cnndsl.cli.rewrite import write_whole
    from cnndsl.files import read_regular

    try:
        content = read_regular(path, 4 * len(old) + len(BOM_UTF8))
        if content.removeprefix(BOM_UTF8) != old.encode():
            raise UserError("CNN603", f"`{path}` has changed meanwhile", help="format it again")
        mark = BOM_UTF8 if content.startswith(BOM_UTF8) else b""
        write_whole(path, mark + new.encode())
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        help = "make room on the disk, or see that the file may be written"
        raise UserError("CNN603", f"cannot write `{path}`: {reason}", help=help) from error


def _print_diff(old: str, new: str, name: str) -> None:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), name, name
    )
    color = wants_color(sys.stdout)
    for line in lines:
        end = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[0]) if color else None
        click.echo(click.style(line + end, fg=style) if style else line + end, nl=False)


def _summary(changed: int, kept: int, *, written: bool) -> str:
    """``2 files formatted, 1 left as it is``."""
    if not written:
        return f"{count(changed, 'file')} would change, {kept} would not"
    left = "1 left as it is" if kept == 1 else f"{kept} left as they are"
    return f"{count(changed, 'file')} formatted, {left}"
