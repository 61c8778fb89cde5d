"""From the rows of a check to the layer table: what each layer is and gives, the fault marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.semantics.table import Row

__all__ = ["layer_table"]

_HEAD = ("name", "layer", "output", "params")
_WIDEST = 48
_ALL = 80
"""Tables up to this many rows are shown whole."""
_AROUND = 10
"""Of longer ones: the rows at both ends and around each fault."""


def layer_table(rows: Sequence[Row]) -> str:
    """Aligned columns; empty where there are no rows."""
    if not rows:
        return ""
    shown = list(_shown(rows))
    cells = [_HEAD, *(_cells(row) for row in shown if row)]
    name, layer, output, params = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = []
    faults = [False, *(row.faulty for row in shown if row)]
    for (a, b, c, d), fault in zip(cells, faults, strict=True):
        line = f"{a:{name}}  {b:{layer}}  {c:{output}}  {d:>{params}}"
        lines.append(f"{line}  <- fault" if fault else line.rstrip())
    for position in [at for at, row in enumerate(shown) if row is None]:
        lines.insert(position + 1, "...")
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, str, str, str]:
    layer = visible(row.layer[: 4 * _WIDEST])
    if len(layer) > _WIDEST:
        layer = layer[: _WIDEST - 1] + "…"
    params = "?" if row.params is None else f"{row.params:,}" if row.params else ""
    return visible(row.name), layer, row.output, params


def _shown(rows: Sequence[Row]) -> Iterator[Row | None]:
    """The rows worth showing, None for each gap."""
    if len(rows) <= _ALL:
        yield from rows
        return
    centres = [0, len(rows) - 1, *(at for at, row in enumerate(rows) if row.faulty)]
    kept = {near for at in centres for near in range(at - _AROUND, at + _AROUND + 1)}
    before = -1
    for at in sorted(kept & set(range(len(rows)))):
        if at != before + 1:
            yield None
        yield rows[at]
        before = at
