"""Turns what is placed into a figure: boxes, frames and lines in the colours of a theme."""

from __future__ import annotations

import itertools
import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from cnndsl.plots.diagram.labels import PILE, SMALL, TITLE, width_of
from cnndsl.plots.diagram.placed import Note, Placed, PlacedBox, PlacedFrame, Rect, Wire
from cnndsl.plots.diagram.theme import Theme
from cnndsl.plots.figure import add_axes, clipped, in_house_style, new_figure

__all__ = ["picture", "sheet"]

MARGIN = 14.0
HEAD = 22.0
"""The room of the network's name, above all."""
_NAME = 11.0


@in_house_style
def picture(placed: Placed, name: str, theme: Theme) -> Figure:
    """The figure of a placed diagram."""
    figure, axes = sheet(placed.width, placed.height, name, theme)
    for number, frame in enumerate(placed.frames):
        _draw_frame(axes, frame, theme, 1 + number * 1e-4)
    for wire in placed.wires:
        _draw_wire(axes, wire, theme)
    for box in placed.boxes:
        _draw_box(axes, box, theme)
    for note in placed.notes:
        _draw_note(axes, note, theme)
    return figure


def sheet(
    wide: float, high: float, name: str, theme: Theme, remark: str = ""
) -> tuple[Figure, Axes]:
    """A sheet with a network's name and a remark above the room, whose corner is (0, 0)."""
    shown = clipped(name, _NAME, max(wide, 200.0))
    beside = width_of(shown, _NAME) + 12
    width = max(wide, beside + width_of(remark, SMALL)) + 2 * MARGIN
    height = high + 2 * MARGIN + HEAD
    figure = new_figure(width, height)
    figure.set_facecolor(theme.paper)
    axes = add_axes(figure, 0, 0, width, height)
    axes.set_xlim(-MARGIN, width - MARGIN)
    axes.set_ylim(height - MARGIN - HEAD, -MARGIN - HEAD)
    axes.axis("off")
    axes.text(0, -HEAD + 6, shown, fontsize=_NAME, color=theme.ink, va="center_baseline")
    if remark:
        axes.text(beside, -HEAD + 6, remark, fontsize=SMALL, color=theme.gray, va="center_baseline")
    return figure, axes


def _rounded(rect: Rect, radius: float, **style: object) -> FancyBboxPatch:
    return FancyBboxPatch(
        (rect.x, rect.y), rect.width, rect.height,
        boxstyle=f"round,pad=0,rounding_size={radius}", mutation_aspect=1, **style,  # type: ignore[arg-type]
    )  # fmt: skip


def _draw_frame(axes: Axes, frame: PlacedFrame, theme: Theme, order: float) -> None:
    fill = theme.panel if frame.is_detail else "none"
    style = "-" if frame.is_detail else (0, (3, 2))
    axes.add_patch(
        _rounded(
            frame.rect,
            6,
            facecolor=fill,
            edgecolor=theme.frame,
            linewidth=0.9,
            linestyle=style,
            zorder=order,
        )
    )
    color = theme.ink if frame.is_detail else theme.gray
    for number, line in enumerate(frame.title):
        axes.text(
            frame.rect.x + 7, frame.rect.y + 4 + 9.5 * number, line, fontsize=SMALL,
            color=theme.gray if number else color, va="top", zorder=4,
        )  # fmt: skip


def _draw_box(axes: Axes, placed: PlacedBox, theme: Theme) -> None:
    box, rect = placed.box, placed.rect
    fill, border = theme.families[box.family]
    words = theme.names[box.family]
    pill = box.kind in ("join", "input", "output", "loss")
    radius = rect.height / 2 if pill else 3.5
    if box.kind in ("input", "output"):
        fill, border, words = theme.panel, theme.gray, theme.gray
    style = {"facecolor": fill, "edgecolor": border, "linewidth": 1.0}
    if box.kind == "loss":
        style |= {"linestyle": (0, (2.5, 1.5)), "facecolor": theme.paper, "edgecolor": theme.gray}
    if box.kind == "block":
        style |= {"linewidth": 1.5, "facecolor": theme.panel}
    if box.times:
        for sheet in (2, 1):
            behind = rect.moved(sheet * PILE / 2, sheet * PILE / 2)
            axes.add_patch(_rounded(behind, radius, zorder=3 - sheet * 0.1, **style))
    axes.add_patch(_rounded(rect, radius, zorder=3, **style))
    lines = placed.label.lines
    total = sum(_height(line.size) for line in lines)
    y = rect.y + (rect.height - total) / 2
    for line in lines:
        x = rect.x + (rect.width - line.width) / 2
        step = _height(line.size)
        small = line.size < TITLE and not pill
        for at, text, emphasis in line.pieces:
            color = theme.gray if small else words if emphasis else theme.ink
            axes.text(
                x + at, y + step / 2, text, fontsize=line.size, va="center_baseline", zorder=5,
                color=color,
            )  # fmt: skip
        y += step


def _height(size: float) -> float:
    return 12.0 if size >= TITLE else 9.5


def _draw_note(axes: Axes, note: Note, theme: Theme) -> None:
    axes.text(
        note.rect.x, note.rect.y + note.rect.height / 2, note.text, fontsize=SMALL,
        color=theme.gray, va="center_baseline", zorder=5,
    )  # fmt: skip


def _draw_wire(axes: Axes, wire: Wire, theme: Theme) -> None:
    style = (0, (2.5, 1.5)) if wire.training else "-"
    path = _square(wire.points) if wire.square else _curved(wire.points)
    axes.add_patch(
        PathPatch(
            path,
            fill=False,
            edgecolor=theme.line,
            linewidth=1.0,
            linestyle=style,
            capstyle="butt",
            zorder=2,
        )
    )
    if wire.arrow:
        head = _head(*wire.points[-2:])
        axes.add_patch(Polygon(head, closed=True, facecolor=theme.line, linewidth=0, zorder=2.5))


def _head(before: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
    """The corners of an arrow's head, which points along the longer side of its last piece."""
    dx, dy = end[0] - before[0], end[1] - before[1]
    along = (math.copysign(1, dx), 0.0) if abs(dx) > abs(dy) else (0.0, math.copysign(1, dy))
    (x, y), (u, v) = end, along
    back = x - 5.8 * u, y - 5.8 * v
    tip = x - 0.3 * u, y - 0.3 * v
    return [tip, (back[0] - 2.8 * v, back[1] - 2.8 * u), (back[0] + 2.8 * v, back[1] + 2.8 * u)]


def _curved(points: tuple[tuple[float, float], ...]) -> Path:
    """Straight down where points stand below each other, else a curve that begins and ends so."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if abs(x0 - x1) < 0.01 or abs(y0 - y1) < 0.01:
            vertices.append((x1, y1))
            codes.append(Path.LINETO)
            continue
        bend = (y1 - y0) * 0.55
        vertices += [(x0, y0 + bend), (x1, y1 - bend), (x1, y1)]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)


def _square(points: tuple[tuple[float, float], ...]) -> Path:
    """Straight pieces with rounded corners."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, behind in zip(points, points[1:], points[2:], strict=False):
        vertices += [_towards(corner, before), corner, _towards(corner, behind)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    vertices.append(points[-1])
    codes.append(Path.LINETO)
    return Path(vertices, codes)


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """A point near a corner, on the way to another."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max(abs(dx), abs(dy))
    share = min(5.0, length / 2) / length if length else 0.0
    return corner[0] + dx * share, corner[1] + dy * share
