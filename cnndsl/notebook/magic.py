"""The cell magic `%%cnn`: a cell is a spec, which is checked, shown and bound to a variable."""

from __future__ import annotations

import keyword
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from cnndsl import pipeline
from cnndsl.api import Network
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.edit import FIX_COMMAND, apply_edits, compatible, safe_fixes
from cnndsl.diagnostics.model import Diagnostic, Severity, UserError
from cnndsl.display.diagnostics import diagnostics_html
from cnndsl.display.network import layers_html
from cnndsl.frozen import frozen, replace
from cnndsl.typecheck.checked import Checked

__all__ = ["CellMagic", "ShownError"]

_VARIABLE = "network"
"""What a network without a name is bound to."""

_FIX = "--fix"

_HELP = (
    "write `%%cnn NAME`, `%%cnn NAME classes=10`, `%%cnn --fails`, `%%cnn --fix`"
    " or `%%cnn --file parts.cnn`"
)


class ShownError(CompileError):
    """A spec that is wrong, which the cell has shown already: it only stops what follows."""

    @override
    def _render_traceback_(self) -> list[str]:
        return []


@frozen
class _Request:
    """The words behind `%%cnn`."""

    name: str
    file: str
    fails: bool
    fix: bool
    parameters: Mapping[str, str]


class CellMagic:
    """The magic of one notebook; cells with ``--file`` are files for the others."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._files: dict[Path, str] = {}

    def cell(self, line: str, cell: str) -> None:
        """Check a spec, show it, and bind the network to a variable.

        ``%%cnn [NAME] [PARAMETER=VALUE]... [--file FILE] [--fails] [--fix]``

        NAME is the variable, by default what stands behind ``network`` in the spec. With --fails
        the spec is to have errors: they are shown, and what follows goes on. With --file the cell
        is that file, which the specs of other cells can import. With --fix, what can be
        mended safely is, in the cell itself.
        """
        request = _request(line)
        name = request.file or f"{request.name or 'cell'}.cnn"
        if request.file:
            self._files[Path(name).resolve()] = cell
        checked = pipeline.check_text(cell, name, request.parameters, files=self._files)
        if request.fix and (better := _mended(checked)) != cell:
            words = " ".join(word for word in line.split() if word != _FIX)
            self._shell.set_next_input(f"%%cnn {words}".rstrip() + f"\n{better}", replace=True)
            if request.file:
                self._files[Path(name).resolve()] = better
            checked = pipeline.check_text(better, name, request.parameters, files=self._files)
        variable = request.name or _written_name(checked) or _VARIABLE
        if checked.failed:
            self._refuse(checked, request, variable)
            return
        if request.fails:
            raise UserError(
                "CNN694", "the cell is said to fail, and has no errors", help="leave out `--fails`"
            )
        if checked.network is None:
            _show(diagnostics_html(_told(checked)) if checked.diagnostics else "")
            return
        network = Network(checked)
        self._shell.push({variable: network})
        _show(network._repr_html_(), repr(network))

    def _refuse(self, checked: Checked, request: _Request, variable: str) -> None:
        """Show what is wrong. The variable goes: an older network is not what the cell says."""
        table = layers_html(checked.table) if checked.table else ""
        said = _told(checked)
        _show(diagnostics_html(said) + table, str(CompileError(said)))
        if request.fails:
            return
        old = self._shell.user_ns.get(variable)
        if isinstance(old, Network):
            self._shell.drop_by_id({variable: old})
        raise ShownError(_errors(checked.diagnostics))


def _mended(checked: Checked) -> str:
    """The cell's text with all safe fixes that go together and concern only it."""
    source = checked.source
    own = (
        fix
        for fix in safe_fixes(checked.diagnostics)
        if all(edit.span.source is source for edit in fix.edits)
    )
    return apply_edits(source.text, [edit for fix in compatible(own) for edit in fix.edits])


def _told(checked: Checked) -> list[Diagnostic]:
    """The problems, with help that works in a cell."""
    return [
        replace(one, help=one.help.replace(FIX_COMMAND, f"%%cnn {_FIX}")) if one.help else one
        for one in checked.diagnostics
    ]


def _errors(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    return [one for one in diagnostics if one.severity is Severity.ERROR]


def _request(line: str) -> _Request:
    """The words of a magic's line.

    Raises:
        UserError: CNN693 for words that mean nothing.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        raise UserError("CNN693", "a quotation mark is not closed", help=_HELP) from None
    name = file = ""
    fails = fix = False
    parameters: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if word == "--fails":
            fails = True
        elif word == _FIX:
            fix = True
        elif word == "--file" and words:
            file = words.pop(0)
        elif not word.startswith("-") and "=" in word:
            key, _, value = word.partition("=")
            parameters[key] = value
        elif not name and _is_variable(word):
            name = word
        else:
            raise UserError("CNN693", f"`{word}` means nothing behind `%%cnn`", help=_HELP)
    return _Request(name, file, fails, fix, parameters)


def _is_variable(word: str) -> bool:
    return word.isidentifier() and not keyword.iskeyword(word)


def _written_name(checked: Checked) -> str:
    """What stands behind `network`, where it can name a variable."""
    from cnndsl.syntax.ast import NetworkName

    names = (one for one in checked.module.statements if isinstance(one, NetworkName))
    first = next(names, None)
    return first.name.name if first and _is_variable(first.name.name) else ""


def _show(body: str, plain: str = "") -> None:
    from IPython import display

    shown: Any = display  # untyped
    if body:
        shown.display({"text/html": body, "text/plain": plain}, raw=True)
