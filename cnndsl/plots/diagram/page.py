"""Places a diagram on a page: the network in columns, the blocks that are drawn once beside it.

Of several ways the one is taken that is largest on a slide of 16 to 9.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnndsl.plots.diagram.columns import Columns, framed
from cnndsl.plots.diagram.graph import Diagram
from cnndsl.plots.diagram.placed import Placed

__all__ = ["SLIDE", "page"]

SLIDE = (960.0, 540.0)
"""A slide's size in points."""
_APART = 26.0
"""Points between the network and what is beside it."""
_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48)
"""Into how many columns a network may be broken."""


def page(diagram: Diagram) -> Placed:
    """The diagram with all its parts in their places."""
    best: Placed | None = None
    columns = Columns()
    details = [
        framed(columns.place(one.graph, SLIDE[1], detail=True), (one.title,), is_detail=True)
        for one in diagram.details
    ]
    for room in _rooms(columns.height(diagram.graph), columns.least(diagram.graph)):
        whole = columns.place(diagram.graph, room)
        for way in _ways(whole, details):
            if best is None or _scale(way) > 1.02 * _scale(best):
                best = way
    assert best is not None
    return best


def _rooms(total: float, least: float) -> Iterator[float]:
    """The heights of columns that are worth a try: the whole, a half, a third and so on."""
    for count in _COUNTS:
        room = total / count * 1.04
        yield max(room, least)
        if room < least:
            break


def _scale(placed: Placed) -> float:
    """How large a placed diagram can be on a slide."""
    return min(SLIDE[0] / placed.width, SLIDE[1] / placed.height)


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
    boxes, frames = (*one.boxes, *other.boxes), (*one.frames, *other.frames)
    wires, notes = (*one.wires, *other.wires), (*one.notes, *other.notes)
    rects = [box.rect for box in boxes] + [frame.rect for frame in frames]
    rects += [note.rect for note in notes]
    points = [point for wire in wires for point in wire.points]
    width = max([one.width, *(rect.right for rect in rects), *(x for x, _ in points)])
    height = max([one.height, *(rect.bottom for rect in rects), *(y for _, y in points)])
    return Placed(width, height, boxes, frames, wires, notes)
