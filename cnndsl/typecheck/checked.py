"""What checking gives: the diagnostics of a spec, and as much of its network as is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Diagnostic, Edit, Severity, UserError
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.draft import SolvedLayer
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.syntax.ast import Module
from cnndsl.typecheck.facts import Inference
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
    inference: Inference | None = None
    """What is known of each value, where something is wrong too; None past a limit."""
    solved: Mapping[int, SolvedLayer] = field(default_factory=dict)
    """What the layers with holes can be, by position."""
    unmet: tuple[Diagnostic, ...] = ()
    """What the spec expects of its network in vain."""
    despite: TypedNetwork | None = None
    """The network, where that is all that is wrong."""

    def typed(self) -> TypedNetwork:
        """The network.

        Raises:
            CompileError: where there are errors.
            UserError: CNN630, where there are only blocks.
        """
        if self.network is not None:
            return self.network
        if self.failed:
            raise CompileError(self.diagnostics)
        raise UserError(
            "CNN630",
            f"`{self.source.name}` has no network: it defines blocks only",
            help="give a spec with an `input` that imports them",
        )

    def built(self) -> TypedNetwork:
        """The network, also where nothing but what its spec expects of it does not hold.

        Raises:
            CompileError, UserError: as :meth:`typed` does.
        """
        return self.despite or self.typed()

    @property
    def failed(self) -> bool:
        """Whether there are errors."""
        return any(one.severity is Severity.ERROR for one in self.diagnostics)

    @property
    def source(self) -> Source:
        """The text that was checked."""
        return self.module.source
