"""Packs panels around a placed network: each goes where it ends highest, below what is there.

A network in columns leaves room below the shorter ones; panels go there too. What is taken is kept
as a skyline: how far down each stretch of the page is taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from cnndsl.frozen import replace
from cnndsl.plots.diagram.labels import PILE
from cnndsl.plots.diagram.placed import Placed, Rect

__all__ = ["APART", "Skyline", "packed", "skyline_of"]

APART = 22.0
"""Points between the network and what is beside or below it."""

Skyline = tuple[tuple[float, float, float], ...]
"""Stretches from left to right: where each begins and ends, and how far down it is taken."""


def skyline_of(placed: Placed) -> Skyline:
    """How far down each stretch of something placed is taken."""
    rects = [frame.rect for frame in placed.frames] + [note.rect for note in placed.notes]
    for box in placed.boxes:
        pile = PILE if box.box.times else 0.0
        rects.append(Rect(box.rect.x, box.rect.y, box.rect.width + pile, box.rect.height + pile))
    for wire in placed.wires:
        for (x0, y0), (x1, y1) in itertools.pairwise(wire.points):
            left, right = sorted((x0, x1))
            rects.append(Rect(left - 1, min(y0, y1), right - left + 2, abs(y0 - y1)))
    return _skyline(rects)


def _skyline(rects: Sequence[Rect]) -> Skyline:
    edges = sorted({x for rect in rects for x in (rect.x, rect.right)})
    found: list[tuple[float, float, float]] = []
    for left, right in itertools.pairwise(edges):
        low = max((one.bottom for one in rects if one.x < right and left < one.right), default=0.0)
        if found and found[-1][2] == low:
            found[-1] = (found[-1][0], right, low)
        else:
            found.append((left, right, low))
    return tuple(found)


def packed(whole: Placed, skyline: Skyline, panels: Iterable[Placed], width: float) -> Placed:
    """A network and panels on a page that is so wide, if the widest of them is no wider."""
    page, taken = whole, [*skyline]
    for panel in panels:
        places = {0.0, *(right + APART for _, right, _ in taken), width - panel.width}
        places |= {left for left, _, _ in taken}
        fitting = [x for x in places if 0 <= x <= max(0.0, width - panel.width)] or [0.0]
        bottom, x = min((_top(taken, x, panel) + panel.height, x) for x in fitting)
        y = bottom - panel.height
        page = page.with_other(
            panel.moved(x, y), max(page.width, x + panel.width), max(page.height, bottom)
        )
        taken.append((x, x + panel.width, bottom))
    return replace(page, inputs=whole.inputs, outputs=whole.outputs)


def _top(taken: Iterable[tuple[float, float, float]], x: float, panel: Placed) -> float:
    """How high a panel may begin at a place: below all that is there, and not too near to it."""
    right = x + panel.width
    below = [low for a, b, low in taken if a < right + APART - 0.01 and x < b + APART - 0.01]
    return max(below, default=-APART) + APART
