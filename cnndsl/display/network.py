"""Turns a network into HTML: what it is, its layers as a table, and its picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnndsl.diagnostics.model import Diagnostic, UserError
from cnndsl.display.diagnostics import diagnostics_html
from cnndsl.display.html import Column, note, picture, table, titled
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.plots.diagram.build import diagram
from cnndsl.plots.diagram.draw import Style, drawn
from cnndsl.typecheck.table import Row

__all__ = ["layers_html", "network_html", "network_picture"]

_DRAWN = 400
"""Drawings of more boxes are not made unasked: that would take longer than anyone waits."""


def network_html(
    typed: TypedNetwork, rows: Sequence[Row], warnings: Iterable[Diagnostic] = ()
) -> str:
    """A network with its warnings."""
    inputs = ", ".join(str(node.type) for node in typed.network.inputs)
    params = sum(row.params or 0 for row in rows)
    facts = (f"{inputs} → {typed.main_type}", f"{params:,} parameters")
    found = list(warnings)
    parts = [titled(typed.name, facts), layers_html(rows)]
    if found:
        parts.insert(0, diagnostics_html(found))
    boxes = sum(1 for _ in diagram(typed).graph.boxes())
    if boxes > _DRAWN:
        told = f'its picture would have {boxes:,} boxes: `draw("{typed.name}.svg")` makes it'
        parts.append(note(told))
    else:
        try:
            parts.append(network_picture(typed))
        except UserError as error:
            parts.append(note(f"no picture: {error.message}; {error.help}"))
    return "".join(parts)


_ROWS = 1000
"""Of longer tables the first rows are shown: a notebook keeps all that it shows."""


def layers_html(rows: Sequence[Row]) -> str:
    """The layer table of ``cnndsl check``; faulty layers are marked."""
    if len(rows) > _ROWS:
        told = f"{len(rows) - _ROWS:,} more layers; `summary()` has them all"
        return layers_html(rows[:_ROWS]) + note(told)
    return table(
        [
            Column("name", [row.name for row in rows], words=True),
            Column("layer", [row.layer for row in rows], words=True),
            Column("output", [row.output for row in rows], words=True),
            Column("params", [f"{row.params:,}" if row.params else "" for row in rows]),
        ],
        marked=[at for at, row in enumerate(rows) if row.faulty],
    )


def network_picture(typed: TypedNetwork, style: Style = "blocks") -> str:
    """The drawing of a network.

    Raises:
        UserError: as drawing it does.
    """
    return picture(drawn(typed, "svg", style=style), "svg+xml", f"the network {typed.name}")
