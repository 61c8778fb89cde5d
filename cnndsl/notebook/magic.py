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
from cnndsl.diagnostics.model import Diagnostic, Severity, UserError
from cnndsl.display.diagnostics import diagnostics_html
from cnndsl.display.network import layers_html
from cnndsl.frozen import frozen
from cnndsl.typecheck.checked import Checked

__all__ = ["CellMagic", "ShownError"]

_VARIABLE = "network"
"""What a network without a name is bound to."""

_HELP = "write `%%cnn NAME`, `%%cnn NAME classes=10`, `%%cnn --fails` or `%%cnn --file parts.cnn`"


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
    parameters: Mapping[str, str]


class CellMagic:
    """The magic of one notebook; cells with ``--file`` are files for the others."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._files: dict[Path, str] = {}

    def cell(self, line: str, cell: str) -> None:
        """Check a spec, show it, and bind the network to a variable.

        ``%%cnn [NAME] [PARAMETER=VALUE]... [--file FILE] [--fails]``

        NAME is the variable, by default what stands behind ``network`` in the spec. With --fails
        the spec is to have errors: they are shown, and what follows goes on. With --file the cell
        is that file, which the specs of other cells can import.
        """
        request = _request(line)
        name = request.file or f"{request.name or 'cell'}.cnn"
        if request.file:
            self._files[Path(name).resolve()] = cell
        checked = pipeline.check_text(cell, name, request.parameters, files=self._files)
        variable = request.name or _written_name(checked) or _VARIABLE
        if checked.failed:
            self._refuse(checked, request, variable)
            return
        if request.fails:
            raise UserError(
                "CNN694", "the cell is said to fail, and has no errors", help="leave out `--fails`"
            )
        if checked.network is None:
            _show(diagnostics_html(checked.diagnostics) if checked.diagnostics else "")
            return
        network = Network(checked)
        self._shell.push({variable: network})
        _show(network._repr_html_(), repr(network))

    def _refuse(self, checked: Checked, request: _Request, variable: str) -> None:
        """Show what is wrong. The variable goes: an older network is not what the cell says."""
        table = layers_html(checked.table) if checked.table else ""
        said = CompileError(checked.diagnostics)
        _show(diagnostics_html(checked.diagnostics) + table, str(said))
        if request.fails:
            return
        old = self._shell.user_ns.get(variable)
        if isinstance(old, Network):
            self._shell.drop_by_id({variable: old})
        raise ShownError(_errors(checked.diagnostics))


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
    fails = False
    parameters: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if word == "--fails":
            fails = True
        elif word == "--file" and words:
            file = words.pop(0)
        elif not word.startswith("-") and "=" in word:
            key, _, value = word.partition("=")
            parameters[key] = value
        elif not name and _is_variable(word):
            name = word
        else:
            raise UserError("CNN693", f"`{word}` means nothing behind `%%cnn`", help=_HELP)
    return _Request(name, file, fails, parameters)


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
