"""Places a diagram on a page: the network in columns, the blocks that are drawn once beside it.

Of several ways the one is taken that is largest on a slide of 16 to 9.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnndsl.plots.diagram.columns import Columns, framed
from cnndsl.plots.diagram.graph import Diagram, Graph
from cnndsl.plots.diagram.packing import APART, packed, skyline_of
from cnndsl.plots.diagram.placed import SLIDE, Placed, scale_on_slide

__all__ = ["page"]

_STEP = 0.92
"""How the heights of columns that are tried go down."""
_WIDTHS = 12
"""How many widths of a page are tried, from the network's own on."""


def page(diagram: Diagram) -> Placed:
    """The diagram with all its parts in their places."""
    best, largest = Placed(0, 0), 0.0
    columns = Columns()
    panels = [
        framed(columns.place(one.graph, SLIDE[1], detail=True), (one.title,), is_detail=True)
        for one in diagram.details
    ]
    orders = _orders(panels)
    for room in _rooms(columns, diagram.graph):
        whole = columns.place(diagram.graph, room)
        if scale_on_slide(whole.width, whole.height) < largest / 2 and whole.width > SLIDE[0]:
            break  # Lower columns only make it wider.
        skyline = skyline_of(whole) if panels else ()
        for width in _widths(whole, panels):
            # Nothing on a page makes it smaller.
            if scale_on_slide(width, whole.height) <= 1.02 * largest:
                break
            for order in orders:
                way = packed(whole, skyline, order, width)
                scale = scale_on_slide(way.width, way.height)
                if scale > 1.02 * largest:
                    best, largest = way, scale
    return best


def _rooms(columns: Columns, graph: Graph) -> Iterator[float]:
    """The heights of columns that are worth a try, from far too high ones down to the least."""
    total, widest = columns.size(graph)
    least = columns.least(graph)
    ideal = (total * widest * SLIDE[1] / SLIDE[0]) ** 0.5
    room = min(total, 3 * ideal) * 1.04
    while room > least:
        yield room
        room *= _STEP
    yield least


def _widths(whole: Placed, panels: Sequence[Placed]) -> Iterator[float]:
    """The widths of a page that are worth a try, the least first."""
    least = max([whole.width, *(one.width for one in panels)])
    most = whole.width + sum(one.width + APART for one in panels)
    beside = {whole.width + APART + one.width for one in panels}
    steps = {least + (most - least) * step / _WIDTHS for step in range(_WIDTHS + 1)}
    yield from sorted(one for one in steps | beside if one >= least)


def _orders(panels: Sequence[Placed]) -> list[Sequence[Placed]]:
    """The panels as they are first met, and the highest first."""
    highest = sorted(panels, key=lambda one: -one.height)
    return [panels] if highest == [*panels] else [panels, highest]
