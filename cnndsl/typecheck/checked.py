"""What checking gives: the diagnostics of a spec, and as much of its network as is known."""

from __future__ import annotations

from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic, Edit, Severity
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.syntax.ast import Module
from cnndsl.typecheck.table import Row

__all__ = ["Checked"]


@frozen
class Checked:
    """What checking a spec found.

    ``module`` is the syntax tree, as far as the text could be read. ``network`` is None where there
    are errors, and for a file of blocks only. ``table`` has a row for each layer, ``annotations``
    are edits that write or refresh the spec's claims.
    """

    module: Module
    diagnostics: tuple[Diagnostic, ...]
    network: TypedNetwork | None = None
    table: tuple[Row, ...] = ()
    annotations: tuple[Edit, ...] = ()
    path: Path | None = None

    @property
    def failed(self) -> bool:
        """Whether there are errors."""
        return any(one.severity is Severity.ERROR for one in self.diagnostics)

    @property
    def source(self) -> Source:
        """The text that was checked."""
        return self.module.source
