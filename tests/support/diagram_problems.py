"""Says what is wrong with where a diagram's parts lie."""

from __future__ import annotations

from itertools import combinations, pairwise

from cnndsl.plots.diagram.placed import Placed, Rect

__all__ = ["problems"]


def problems(placed: Placed) -> list[str]:
    """What lies on something else, or beyond the page."""
    found = []
    boxes = [(one.box.title, one.rect) for one in placed.boxes]
    notes = [(one.text, one.rect) for one in placed.notes]
    for (name, rect), (other, second) in combinations((*boxes, *notes), 2):
        if rect.meets(second):
            found.append(f"{name} lies on {other}")
    for name, rect in (*boxes, *notes, *((str(one.title), one.rect) for one in placed.frames)):
        if rect.x < -0.1 or rect.y < -0.1 or rect.right > placed.width + 0.1:
            found.append(f"{name} leaves the page")
        if rect.bottom > placed.height + 0.1:
            found.append(f"{name} leaves the page below")
    for frame in placed.frames:
        for name, rect in boxes:
            if frame.rect.meets(rect) and not frame.rect.holds(rect):
                found.append(f"{name} lies across {frame.title}")
    for first, second in combinations([frame.rect for frame in placed.frames], 2):
        if first.meets(second) and not (first.holds(second) or second.holds(first)):
            found.append("frames overlap")
    found += [
        f"{one.box.title} is wider than its box"
        for one in placed.boxes
        if any(line.width > one.rect.width for line in one.label.lines)
    ]
    for wire in placed.wires:
        for (x0, y0), (x1, y1) in pairwise(wire.points):
            if abs(x0 - x1) > 0.01 and abs(y0 - y1) > 0.01:
                continue
            line = Rect(min(x0, x1), min(y0, y1), abs(x0 - x1), abs(y0 - y1))
            inner = [(name, Rect(one.x + 0.1, one.y + 0.1, one.width - 0.2, one.height - 0.2))
                     for name, one in boxes]  # fmt: skip
            found += [f"a line crosses {name}" for name, rect in inner if line.meets(rect)]
    return found
