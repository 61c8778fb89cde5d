"""``cnndsl check``: specs in, what is wrong with them out, mended where asked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from cnndsl.cli.completion import complete_pages
from cnndsl.cli.options import color_option, parameters_option, wants_color
from cnndsl.cli.piped import PIPED, is_piped, read_standard_input
from cnndsl.diagnostics.exit_codes import FAILED
from cnndsl.diagnostics.model import Diagnostic, UserError
from cnndsl.diagnostics.render import FORMATS, render, render_text
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.markdown.check import CheckedPage
    from cnndsl.typecheck.checked import Checked

__all__ = ["check"]

_ROUNDS = 100
"""How often ``--fix`` looks again: one fix may uncover the next."""


@click.command(epilog="\b\nExample:\n  cnndsl check net.cnn")
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True, shell_complete=complete_pages)
@parameters_option
@click.option(
    "--format", "style", type=click.Choice(list(FORMATS)), default="text", show_default=True
)
@click.option(
    "--table",
    type=click.Choice(["auto", "all", "none"]),
    default="auto",
    show_default=True,
    help="Layers to list: those around the faults (of a short or right network all), all, or none.",
)
@click.option(
    "--fix", is_flag=True, help="Apply the safe fixes to the files; of - print the mended text."
)
@click.option("--annotate", is_flag=True, help="Write or refresh the `=>` and `expect` claims.")
@color_option
def check(
    specs: tuple[str, ...],
    parameters: Mapping[str, object],
    style: str,
    table: str,
    fix: bool,
    annotate: bool,
) -> None:
    """Say what is wrong with each SPEC, and how to mend it.

    A SPEC is a path, the name of a shipped network, or - for standard input. Of a page in Markdown
    (.md, .markdown, .qmd) each fenced `cnn` block is a spec. The exit code is 0 where all are clean
    and 1 where anything was found.

    With --fix or --annotate, - is a filter: the changed text goes to standard output, and all that
    is said to standard error.
    """
    found: list[Diagnostic] = []
    filters = (fix or annotate) and "-" in specs
    stream = sys.stderr if filters else sys.stdout
    for position, spec in enumerate(specs):
        try:
            checked = _checked(spec, parameters, fix, annotate)
        except UserError as error:
            found.append(_outside(error, style))
            continue
        found += checked.diagnostics
        if style == "text":
            text = "\n" * bool(position) + _report(spec, checked, table, wants_color(stream))
            click.echo(text, err=filters, color=wants_color(stream))
        if filters and is_piped(spec):
            click.echo(checked.source.text, nl=False)
    if style != "text" and (found or style in ("json", "sarif")):
        click.echo(render(found, style), err=filters)
    sys.exit(FAILED if found else 0)


def _checked(
    spec: str, parameters: Mapping[str, object], fix: bool, annotate: bool
) -> Checked | CheckedPage:
    """Check a spec; before that, mend it as asked."""
    from cnndsl import pipeline
    from cnndsl.markdown.check import check_page
    from cnndsl.markdown.fences import is_markdown

    piped = read_standard_input() if is_piped(spec) else None

    def again(*, annotate: bool = False) -> Checked | CheckedPage:
        if piped is None and is_markdown(spec):
            return check_page(spec, parameters, annotate=annotate)
        if piped is None:
            return pipeline.check(spec, parameters, annotate=annotate)
        return pipeline.check_text(piped, PIPED, parameters, annotate=annotate)

    checked = again(annotate=annotate)
    if not (fix or annotate):
        return checked
    from cnndsl.cli.rewrite import annotated, mended

    for _ in range(_ROUNDS if fix else 0):
        changes, piped = mended(checked.diagnostics, None if piped is None else checked.source)
        if not changes:
            break
        _tell(changes)
        checked = again(annotate=annotate)
    if annotate and checked.annotations:
        changes, piped = annotated(checked.annotations, None if piped is None else checked.source)
        _tell(changes)
        checked = again()
    return checked


def _tell(changes: Iterable[str]) -> None:
    for change in changes:
        click.echo(change, err=True)


def _outside(error: UserError, style: str) -> Diagnostic:
    """A spec that cannot be had at all: said at once in text, with the others elsewhere."""
    from cnndsl.cli.errors import report
    from cnndsl.diagnostics.render.user_error import as_diagnostic

    if style == "text":
        report(error)
    return as_diagnostic(error)


def _report(spec: str, checked: Checked | CheckedPage, table: str, color: bool) -> str:
    """Diagnostics, the layer table, and the summary line; of a page, tables of blocks."""
    from cnndsl.cli.table import layer_table
    from cnndsl.pipeline import current_limits
    from cnndsl.typecheck.checked import Checked

    most = current_limits().diagnostics
    shown = checked.diagnostics[:most]
    parts = [render_text(shown, color) if shown else ""]
    what = spec
    if isinstance(checked, Checked):
        tables = [checked.table]
    else:
        what += f": {count(len(checked.blocks), 'block')}"
        tables = [one.checked.table for one in checked.blocks if one.diagnostics or table == "all"]
    if table != "none":
        parts += [layer_table(rows, whole=table == "all") for rows in tables]
    parts.append(f"{what}: {_summary(checked.diagnostics, most)}")
    return "\n\n".join(filter(None, parts))


def _summary(diagnostics: Sequence[Diagnostic], most: int) -> str:
    """``2 errors, 1 warning``, and what ``--fix`` would do."""
    if not diagnostics:
        return "no problems"
    counts = Counter(str(diagnostic.severity) for diagnostic in diagnostics)
    text = ", ".join(count(counts[kind], kind) for kind in ("error", "warning") if counts[kind])
    if len(diagnostics) > most:
        text += f" (the first {most} shown)"
    mendable = sum(any(fix.safe for fix in diagnostic.fixes) for diagnostic in diagnostics)
    return f"{text}; `--fix` mends {mendable}" if mendable else text
