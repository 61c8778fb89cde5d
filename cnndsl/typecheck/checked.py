"""What checking gives: the diagnostics of a spec, and as much of its network as is known."""

from __future__ import annotations

from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic, Edit
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.typecheck.table import Row

__all__ = ["Checked"]


@frozen
class Checked:
    """What checking a spec found.

    ``network`` is None where there are errors, and for a file of blocks only. ``table`` has a row
    for each layer, ``annotations`` are edits that write or refresh the spec's claims.
    """

    source: Source
    diagnostics: tuple[Diagnostic, ...]
    network: TypedNetwork | None = None
    table: tuple[Row, ...] = ()
    annotations: tuple[Edit, ...] = ()
    path: Path | None = None
