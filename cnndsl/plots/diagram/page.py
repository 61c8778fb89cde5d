"""Places a diagram on a page: the network in columns, the blocks that are drawn once beside it.

Of several ways the one is taken that is largest on a slide of 16 to 9.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnndsl.frozen import replace
from cnndsl.plots.diagram.columns import Columns, framed
from cnndsl.plots.diagram.graph import Diagram
from cnndsl.plots.diagram.placed import SLIDE, Placed, scale_on_slide

__all__ = ["page"]

_APART = 26.0
"""Points between the network and what is beside it."""
_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48)
"""Into how many columns a network may be broken."""


def page(diagram: Diagram) -> Placed:
    """The diagram with all its parts in their places."""
    best, largest = Placed(0, 0), 0.0
    columns = Columns()
    details = [
        framed(columns.place(one.graph, SLIDE[1], detail=True), (one.title,), is_detail=True)
        for one in diagram.details
    ]
    for room in _rooms(columns.height(diagram.graph), columns.least(diagram.graph)):
        whole = columns.place(diagram.graph, room)
        for way in _ways(whole, details):
            scale = scale_on_slide(way.width, way.height)
            if scale > 1.02 * largest:
                best, largest = way, scale
    return best


def _rooms(total: float, least: float) -> Iterator[float]:
    """The heights of columns that are worth a try: the whole, a half, a third and so on."""
    for count in _COUNTS:
        room = total / count * 1.04
        yield max(room, least)
        if room < least:
            break


def _ways(whole: Placed, details: Sequence[Placed]) -> Iterator[Placed]:
    if not details:
        yield whole
        return
    tallest = max(one.height for one in details)
    for high in sorted({max(whole.height, tallest), sum(one.height + _APART for one in details)}):
        yield _beside(whole, _in_columns(details, high))
    widest = max(one.width for one in details)
    for wide in sorted({max(whole.width, widest), sum(one.width + _APART for one in details)}):
        yield _below(whole, _in_rows(details, wide))


def _beside(whole: Placed, other: Placed) -> Placed:
    return _merged(whole, other.moved(whole.width + _APART, 0.0))


def _below(whole: Placed, other: Placed) -> Placed:
    return _merged(whole, other.moved(0.0, whole.height + _APART))


def _in_columns(details: Sequence[Placed], high: float) -> Placed:
    placed, x, y, right = Placed(0, 0), 0.0, 0.0, 0.0
    for one in details:
        if y and y + one.height > high:
            x, y = right + _APART, 0.0
        placed = _merged(placed, one.moved(x, y))
        right = max(right, x + one.width)
        y += one.height + _APART
    return placed


def _in_rows(details: Sequence[Placed], wide: float) -> Placed:
    placed, x, y, bottom = Placed(0, 0), 0.0, 0.0, 0.0
    for one in details:
        if x and x + one.width > wide:
            x, y = 0.0, bottom + _APART
        placed = _merged(placed, one.moved(x, y))
        bottom = max(bottom, y + one.height)
        x += one.width + _APART
    return placed


def _merged(one: Placed, other: Placed) -> Placed:
    """Both; their sizes are those of all that is in them."""
    both = one.with_other(other, 0, 0)
    rects = [box.rect for box in both.boxes] + [frame.rect for frame in both.frames]
    rects += [note.rect for note in both.notes]
    points = [point for wire in both.wires for point in wire.points]
    width = max([one.width, *(rect.right for rect in rects), *(x for x, _ in points)])
    height = max([one.height, *(rect.bottom for rect in rects), *(y for _, y in points)])
    return replace(both, width=width, height=height)
