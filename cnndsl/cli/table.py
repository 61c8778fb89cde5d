"""From the rows of a check to the layer table: what each layer is and gives, the fault marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cnndsl.cli.columns import WIDTH, cut, folded, padded, scoped, width
from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.typecheck.table import Row

__all__ = ["layer_table"]

_HEAD = ("name", "layer", "output", "params")
_FAULT = "  <- fault"
_LONGEST = 200
"""A layer's text keeps so many columns, in as many lines as they need; it may be anything."""
_NARROWEST = 16
_SHORT = 15
"""Tables up to this many rows are shown whole."""
_ALL = 80
"""So are those without a fault up to this many rows; of longer ones both ends."""
_AROUND = 3
"""The rows before and after a fault that are shown with it."""
_ENDS = 10


def layer_table(rows: Sequence[Row], *, whole: bool = False) -> str:
    """Aligned columns; empty where there are no rows.

    Of a table with faults their neighbourhood is shown, unless the ``whole`` is asked for.
    """
    if not rows:
        return ""
    shown = list(rows) if whole else list(_shown(rows))
    cells = [("", _HEAD, False), *_cells(shown)]
    full = [row for _, row, _ in cells if row]
    name, layer, output, params = (max(map(width, column)) for column in zip(*full, strict=True))
    others = name + output + params + 6 + len(_FAULT) * any(fault for _, _, fault in cells)
    layer = max(_NARROWEST, min(layer, WIDTH - others))
    lines: list[str] = []
    for above, row, fault in cells:
        if not row:
            lines.append(above)
            continue
        first, *rest = folded(row[1], layer)
        line = f"{padded(row[0], name)}  {padded(first, layer)}"
        line += f"  {row[2]:{output}}  {row[3]:>{params}}"
        lines.append(f"{line}{_FAULT}" if fault else line.rstrip())
        lines += [f"{'':{name}}  {more}" for more in rest]
    return "\n".join(lines)


def _cells(
    shown: Sequence[Row | None],
) -> Iterator[tuple[str, tuple[str, str, str, str] | None, bool]]:
    """Lines by themselves (scopes, gaps), and the cells of rows, with whether there is a fault."""
    before = ""
    for row in shown:
        if row is None:
            before = ""
            yield "...", None, False
            continue
        lines, name, before = scoped(visible(row.name), before)
        for line in lines:
            yield line, None, False
        layer = cut(visible(row.layer[: 2 * _LONGEST]), _LONGEST)
        params = "?" if row.params is None else f"{row.params:,}" if row.params else ""
        yield "", (name, layer, row.output, params), row.faulty


def _shown(rows: Sequence[Row]) -> Iterator[Row | None]:
    """The rows worth showing, None for each gap."""
    faults = [at for at, row in enumerate(rows) if row.faulty]
    if len(rows) <= (_SHORT if faults else _ALL):
        yield from rows
        return
    around = _AROUND if faults else _ENDS
    centres = faults or [0, len(rows) - 1]
    kept = {near for at in centres for near in range(at - around, at + around + 1)}
    before = -1
    for at in sorted(kept & set(range(len(rows)))):
        if at != before + 1:
            yield None
        yield rows[at]
        before = at
    if before != len(rows) - 1:
        yield None
