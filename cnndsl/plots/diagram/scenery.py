"""Turns a placed scene into a figure: solids, the kernels on them, and what they lead to."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from cnndsl.plots.diagram.labels import SMALL
from cnndsl.plots.diagram.picture import sheet
from cnndsl.plots.diagram.placed import Rect
from cnndsl.plots.diagram.placing import Caption, Passage, PlacedSolid, Scene
from cnndsl.plots.diagram.theme import Theme
from cnndsl.plots.figure import in_house_style

__all__ = ["scenery"]

_SHARES = ((0.62, 0.32), (0.5, 0.62))
"""Where on the maps the cell is whose kernel is drawn, as shares of their width and height.

They alternate, so that a cell does not lie on the next kernel.
"""

Point = tuple[float, float]


@in_house_style
def scenery(placed: Scene, name: str, theme: Theme, remark: str = "") -> Figure:
    """The figure of a scene, with the network's name above it."""
    figure, axes = sheet(placed.width, placed.height, name, theme, remark)
    for solid in placed.solids:
        _draw_solid(axes, solid, theme)
    for number, passage in enumerate(placed.passages):
        _draw_passage(axes, passage, theme, _SHARES[number % 2])
    for caption in placed.captions:
        _draw_caption(axes, caption, theme)
    return figure


def _draw_solid(axes: Axes, placed: PlacedSolid, theme: Theme) -> None:
    fill, border = theme.families[placed.family]
    style: dict[str, Any] = {"facecolor": fill, "edgecolor": border, "linewidth": 0.7}
    for number, one in enumerate(placed.solid.sheets):
        rect = one.moved(placed.x, placed.y)
        order = 2 + number * 1e-3
        if placed.solid.depth:
            _draw_depth(axes, rect, placed.solid.depth, order, style)
        axes.add_patch(Rectangle((rect.x, rect.y), rect.width, rect.height, zorder=order, **style))
    front, cells = placed.front, placed.solid.cells
    for at in range(1, cells):
        y = front.y + front.height * at / cells
        axes.plot([front.x, front.right], [y, y], color=border, linewidth=0.5, zorder=2.5)


def _draw_depth(axes: Axes, rect: Rect, depth: float, order: float, style: dict[str, Any]) -> None:
    """The upper and the right side of a sheet that reaches back."""
    x, y, right, bottom = rect.x, rect.y, rect.right, rect.bottom
    for corners in (
        [(x, y), (x + depth, y - depth), (right + depth, y - depth), (right, y)],
        [(right, y), (right + depth, y - depth), (right + depth, bottom - depth), (right, bottom)],
    ):
        axes.add_patch(Polygon(corners, closed=True, zorder=order, **style))


def _draw_caption(axes: Axes, caption: Caption, theme: Theme) -> None:
    color = {
        "name": theme.names[caption.family],
        "title": theme.ink,
        "remark": theme.gray,
        "size": theme.ink,
    }[caption.role]
    rect = caption.rect
    size = SMALL - 0.5 if caption.role == "remark" else SMALL
    axes.text(
        rect.x, rect.y + rect.height / 2, caption.text, fontsize=size, color=color,
        va="center_baseline", zorder=6,
    )  # fmt: skip


# --- from solid to solid ----------------------------------------------------------------------


def _draw_passage(axes: Axes, passage: Passage, theme: Theme, shares: Point) -> None:
    source, target, stage = passage.source, passage.target, passage.stage
    if passage.rise and source:
        _upright(axes, source, target, passage.rise, theme)
    elif stage.is_block and source:
        begin, end = (source.rect.right + 3, source.y), (target.rect.x - 3, target.y)
        if passage.by is not None:
            turn, back = (begin[0] + 36, passage.by), (end[0] - 40, passage.by)
            _bend(axes, begin, turn, theme)
            axes.plot([turn[0], back[0]], [passage.by] * 2, color=theme.line, linewidth=1, zorder=4)
            begin = back
        _arrow(axes, begin, end, theme)
    elif source is None:
        left = target.rect.x
        _arrow(axes, (left - 22, target.y), (left - 3, target.y), theme)
    elif stage.windows and not source.solid.is_vector:
        _kernel(axes, passage, source, theme, shares)
    elif stage.dense or target.solid.is_vector:
        _all_to_all(axes, source.front, target.front, theme)
    else:
        begin, end = (source.rect.right + 3, source.y), (target.rect.x - 3, target.y)
        _arrow(axes, begin, end, theme)


def _arrow(axes: Axes, begin: Point, end: Point, theme: Theme) -> None:
    if abs(begin[1] - end[1]) < 0.5:
        look = "-|>,head_length=3,head_width=1.7"
        style: dict[str, Any] = {"color": theme.line, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
        arrow = FancyArrowPatch(begin, end, arrowstyle=look, mutation_scale=1.3, zorder=4, **style)
        axes.add_patch(arrow)
        return
    _bend(axes, begin, (end[0] - 5, end[1]), theme)
    head = [end, (end[0] - 5.8, end[1] - 2.8), (end[0] - 5.8, end[1] + 2.8)]
    axes.add_patch(Polygon(head, closed=True, facecolor=theme.line, linewidth=0, zorder=4))


def _upright(
    axes: Axes, source: PlacedSolid, target: PlacedSolid, rise: Point, theme: Theme
) -> None:
    """An arrow down, or up, between two heights; to the right first where its end is aside."""
    x, (begin, end) = target.x, rise
    way = [(x, begin), (x, end)]
    if abs(x - source.x) > 1:
        way = [(source.rect.right + 3, source.y), (x, source.y), (x, end)]
    axes.plot(*zip(*way, strict=True), color=theme.line, linewidth=1, zorder=4)
    back = end + (5.8 if end < begin else -5.8)
    head = [(x, end), (x - 2.8, back), (x + 2.8, back)]
    axes.add_patch(Polygon(head, closed=True, facecolor=theme.line, linewidth=0, zorder=4))


def _bend(axes: Axes, begin: Point, end: Point, theme: Theme) -> None:
    """A curve that begins and ends level."""
    bend = (end[0] - begin[0]) * 0.6
    path = Path(
        [begin, (begin[0] + bend, begin[1]), (end[0] - bend, end[1]), end],
        [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4],
    )
    axes.add_patch(PathPatch(path, fill=False, edgecolor=theme.line, linewidth=1.0, zorder=4))


def _all_to_all(axes: Axes, source: Rect, target: Rect, theme: Theme) -> None:
    """Every number depends on all: lines between the corners, crossing."""
    ends = ((source.y, target.y), (source.bottom, target.bottom), (source.y, target.bottom),
            (source.bottom, target.y))  # fmt: skip
    for one, other in ends:
        axes.plot(
            [source.right, target.x], [one, other], color=theme.line, linewidth=0.6, zorder=3.5
        )


def _kernel(
    axes: Axes, passage: Passage, source: PlacedSolid, theme: Theme, at_shares: Point
) -> None:
    """What a cell sees of the maps before: a kernel on these, and lines from it to the cell."""
    target, windows = passage.target, passage.stage.windows
    shares = at_shares[::-1] if len(windows) > 1 else at_shares[:1]
    seen, cell = [], []
    for window, share in zip(windows[-2:], shares, strict=True):
        at = min(int(window.output * share), window.output - 1)
        found = window.cells(at)
        low = max(0, min(found, default=0)) / window.size
        high = min(window.size, max(found, default=0) + 1) / window.size
        seen.append((low, max(low, high)))
        cell.append((at / window.output, (at + 1) / window.output))
    small, large = _part(source.front, seen), _part(target.front, cell)
    _window(axes, small, theme)
    _window(axes, large, theme)
    for one, other in ((small.y, large.y), (small.bottom, large.bottom)):
        ends = [small.right, large.x], [one, other]
        axes.plot(*ends, color=theme.ink, linewidth=0.6, linestyle=(0, (3, 2)), zorder=3.5)


def _window(axes: Axes, rect: Rect, theme: Theme) -> None:
    """A small square on a sheet."""
    corner, color = (rect.x, rect.y), to_rgba(theme.paper, 0.55)
    style: dict[str, Any] = {"facecolor": color, "edgecolor": theme.ink, "linewidth": 0.7}
    axes.add_patch(Rectangle(corner, rect.width, rect.height, zorder=3.5, **style))


def _part(rect: Rect, shares: list[tuple[float, float]]) -> Rect:
    """A part of a sheet, by shares of its height and width, but not too small to be seen."""
    (left, right), (top, bottom) = shares[-1], shares[0] if len(shares) > 1 else (0.0, 1.0)
    width = max(2.2, (right - left) * rect.width)
    height = max(2.2, (bottom - top) * rect.height)
    x = min(rect.x + left * rect.width, rect.right - width)
    y = min(rect.y + top * rect.height, rect.bottom - height)
    return Rect(x, y, width, height)
