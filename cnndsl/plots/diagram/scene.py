"""Places stages beside each other: solids in rows, sizes under them, operations above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import lru_cache
from typing import Literal

from cnndsl.frozen import frozen, mutable, replace
from cnndsl.layers.base import Family
from cnndsl.plots.diagram.labels import SMALL, width_of, wrapped
from cnndsl.plots.diagram.placed import Rect, scale_on_slide
from cnndsl.plots.diagram.solids import Scale, Solid
from cnndsl.plots.diagram.stages import Bundle, Course, Stage
from cnndsl.plots.diagram.words import sizes
from cnndsl.plots.figure import clipped

__all__ = ["Caption", "Passage", "PlacedSolid", "Scene", "scene"]

_APART = 20.0
"""Points between solids, at least."""
_WORDS = 9.0
"""Points between texts."""
_WIDEST = 104.0
_ROWS = 30.0
"""Points between rows."""
_FUNNEL = 46.0
"""The room for lines from several lanes to what joins them."""
_LEAD = 26.0
"""The length of the arrow with which a row begins."""

Role = Literal["name", "title", "remark", "size"]


@frozen
class PlacedSolid:
    """A solid and the point that it stands around."""

    x: float
    y: float
    solid: Solid
    family: Family

    @property
    def front(self) -> Rect:
        """The sheet in front, in its place."""
        return self.solid.front.moved(self.x, self.y)

    @property
    def rect(self) -> Rect:
        """What it covers."""
        left = min(one.x for one in self.solid.sheets)
        top = min(one.y for one in self.solid.sheets) - self.solid.depth
        return Rect(self.x + left, self.y + top, self.solid.width, self.solid.height)


@frozen
class Caption:
    """A line of text in its place."""

    rect: Rect
    text: str
    role: Role
    family: Family = "other"


@frozen
class Passage:
    """What leads from one solid to another: a stage says how; without one it is an arrow.

    ``source`` is None where a row begins, and ``target`` where one ends.
    """

    source: PlacedSolid | None
    target: PlacedSolid
    stage: Stage
    by: float | None = None
    """The height at which it leads past other solids, where it does."""


@frozen
class Scene:
    """All of a figure in its place; the left upper corner is (0, 0)."""

    width: float
    height: float
    solids: tuple[PlacedSolid, ...]
    captions: tuple[Caption, ...]
    passages: tuple[Passage, ...]


def scene(course: Course) -> Scene:
    """Place the stages of a network, in as many rows as suit a slide best."""
    stages = [stage for bundle in course.bundles for lane in bundle.lanes for stage in lane]
    stages += [bundle.join for bundle in course.bundles if bundle.join]
    scale = Scale.of(stage.type for stage in stages)
    if len(course.bundles) > 1 or course.bundles[0].join:
        return _Placing(scale).across(course.bundles)
    [chain] = course.bundles[0].lanes
    found = [_Placing(scale).rows(chain, count) for count in range(1, min(6, len(chain)) + 1)]
    scales = [scale_on_slide(one.width, one.height) for one in found]
    large = (one for one, scale in zip(found, scales, strict=True) if scale >= 1)
    return next(large, found[scales.index(max(scales))])


_End = tuple[PlacedSolid, float | None]
"""The last solid of a lane; of an empty lane what is before it, and the lane's height."""


@mutable
class _Placing:
    scale: Scale
    solids: list[PlacedSolid] = field(default_factory=list)
    captions: list[Caption] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    written: float = 0.0
    """How far to the right the texts of the last join reach."""

    def rows(self, chain: Sequence[Stage], count: int) -> Scene:
        """A chain in so many rows, as evenly as its widths allow."""
        y, last = 0.0, None
        for row in _split(chain, [self._room(stage) for stage in chain], count):
            above, below = self._heights(row)
            last = self._lane(row, 0.0, y + above, last, fresh=last is not None)[-1]
            y += above + below + _ROWS
        return self._finished()

    def across(self, bundles: Sequence[Bundle]) -> Scene:
        """Bundles side by side, the lanes of each below each other."""
        x, last = 0.0, None
        for bundle in bundles:
            spans = [self._heights(lane, last) for lane in bundle.lanes]
            total = sum(above + below for above, below in spans) + _ROWS * (len(spans) - 1)
            y = -total / 2 if len(spans) > 1 else -spans[0][0]
            y += last.y if last and len(spans) == 1 else 0.0
            ends: list[_End] = []
            known = len(self.captions)
            for lane, (above, below) in zip(bundle.lanes, spans, strict=True):
                parted = len(spans) > 1
                placed = self._lane(lane, x, y + above, last, fresh=False, parted=parted)
                if placed:
                    ends.append((placed[-1], None))
                elif last:
                    ends.append((last, y + above))
                y += above + below + _ROWS
            last = ends[-1][0]
            x = max(one.rect.right for one, _ in ends)
            x = max([x, *(one.rect.right for one in self.captions[known:])])
            if bundle.join:
                last = self._join(bundle.join, x, ends)
                x = last.rect.right
        return self._finished()

    def _join(self, stage: Stage, x: float, ends: Sequence[_End]) -> PlacedSolid:
        """The stage that lanes lead to, in the middle of them."""
        solid = self.scale.solid(stage.type)
        words = _captions(stage)
        wide = _width(words)
        at = x + _FUNNEL + max(solid.width, wide, width_of(sizes(stage.type.dims), SMALL)) / 2
        placed = self._put(
            stage, solid, at, sum(end.y if by is None else by for end, by in ends) / len(ends)
        )
        self._write(words, at, placed.rect.y - 8 - _height(words), stage.family)
        self.written = at + wide / 2 + _WORDS
        self._size(stage, placed, placed.rect.bottom)
        self.passages += [Passage(end, placed, _arrow_to(stage), by) for end, by in ends]
        return placed

    def _heights(
        self, lane: Sequence[Stage], before: PlacedSolid | None = None
    ) -> tuple[float, float]:
        """How far a lane reaches above its middle, with its texts, and below."""
        halves = [self.scale.solid(stage.type).height / 2 for stage in lane]
        half = max([8.0, *halves, *([before.solid.height / 2] if before else [])])
        words = max((_height(_captions(stage)) for stage in lane), default=0.0)
        return half + 8 + words, half + 16

    def _room(self, stage: Stage) -> float:
        """About how wide a stage is."""
        words = _width(_captions(stage)) + _WORDS
        return max(self.scale.solid(stage.type).width + _APART, words)

    def _lane(
        self,
        lane: Sequence[Stage],
        x: float,
        y: float,
        before: PlacedSolid | None,
        *,
        fresh: bool,
        parted: bool = False,
    ) -> list[PlacedSolid]:
        """Stages from left to right, each as near to the one before as their texts allow.

        A ``fresh`` lane goes on in a new row; else what is before stands to its left, and above
        and below it too where lanes are ``parted``.
        """
        found: list[PlacedSolid] = []
        above, below = self._heights(lane, before)
        pen = _Pen(x, max(x, self.written) - _WORDS, x - _WORDS)
        previous = None if fresh else before
        for number, stage in enumerate(lane):
            begins = number == 0 and (parted or previous is None)
            solid = self.scale.solid(stage.type)
            lead = _LEAD if fresh and number == 0 else 0.0
            lead = _FUNNEL if begins and previous else _APART if previous else lead
            x = pen.place(stage, solid, lead, begins=begins and not fresh)
            placed = self._put(stage, solid, x, y)
            self._write(_captions(stage), pen.middle, y - above, stage.family)
            self._size(stage, placed, y + below - 16)
            if previous or fresh:
                how = _arrow_to(stage) if number == 0 and parted else stage
                self.passages.append(Passage(previous, placed, how))
            previous = placed
            found.append(placed)
        return found

    def _put(self, stage: Stage, solid: Solid, x: float, y: float) -> PlacedSolid:
        placed = PlacedSolid(x, y, solid, stage.family)
        self.solids.append(placed)
        return placed

    def _size(self, stage: Stage, placed: PlacedSolid, y: float) -> None:
        text = sizes(stage.type.dims)
        wide = width_of(text, SMALL)
        middle = (placed.rect.x + placed.rect.right) / 2
        self.captions.append(Caption(Rect(middle - wide / 2, y + 5, wide, 9.0), text, "size"))

    def _write(
        self,
        words: Sequence[tuple[str, float, Role]],
        middle: float,
        y: float,
        family: Family,
    ) -> None:
        """Lines of text, centred, which begin at a height."""
        for text, size, role in words:
            wide, high = width_of(text, size), _line(size)
            self.captions.append(
                Caption(Rect(middle - wide / 2, y, wide, high), text, role, family)
            )
            y += high

    def _finished(self) -> Scene:
        """All moved so that it begins at (0, 0)."""
        rects = [one.rect for one in self.solids] + [one.rect for one in self.captions]
        rects += [
            Rect(one.target.x, one.by, 0.0, 2.0) for one in self.passages if one.by is not None
        ]
        x, y = min(one.x for one in rects), min(one.y for one in rects)
        moved = {id(one): replace(one, x=one.x - x, y=one.y - y) for one in self.solids}
        return Scene(
            max(one.right for one in rects) - x,
            max(one.bottom for one in rects) - y,
            tuple(moved.values()),
            tuple(replace(one, rect=one.rect.moved(-x, -y)) for one in self.captions),
            tuple(
                Passage(
                    moved[id(one.source)] if one.source else None,
                    moved[id(one.target)],
                    one.stage,
                    None if one.by is None else one.by - y,
                )
                for one in self.passages
            ),
        )


@mutable
class _Pen:
    """How far a lane has come: with its solids, its texts above, and the sizes below."""

    solids: float
    words: float
    sizes: float
    middle: float = 0.0

    def place(self, stage: Stage, solid: Solid, lead: float, *, begins: bool) -> float:
        """The middle of the next solid; texts stand between it and the one before.

        Where a lane ``begins``, they stand above the solid.
        """
        wide = _width(_captions(stage))
        half, below = solid.width / 2, width_of(sizes(stage.type.dims), SMALL)
        at = max(self.solids + lead + half, self.sizes + _WORDS + below / 2)
        if begins:
            at = max(at, self.words + _WORDS + wide / 2, self.solids + lead + wide / 2)
            self.middle = at
        elif wide:
            # The texts' middle is that between the two solids.
            at = max(at, 2 * (self.words + _WORDS + wide / 2) - self.solids + half)
            self.middle = (self.solids + at - half) / 2
        self.words = self.middle + wide / 2 if wide else self.words
        self.solids, self.sizes = at + half, at + below / 2
        return at


def _arrow_to(stage: Stage) -> Stage:
    """A stage to which an arrow leads, whatever its operation is."""
    return Stage(stage.type, stage.family, "", "", is_block=True)


@lru_cache(2**12)
def _captions(stage: Stage) -> list[tuple[str, float, Role]]:
    """The lines that tell of a stage's operation: its name, what it is, and what is to be said."""
    if not stage.title:
        return [(clipped(stage.name, SMALL, _WIDEST), SMALL, "name")] if stage.name else []
    times = f" ×{stage.times}" if stage.times else ""
    lines: list[tuple[str, float, Role]] = []
    if stage.name:
        lines.append((clipped(stage.name, SMALL, _WIDEST), SMALL, "name"))
    lines.append((clipped(stage.title, SMALL, _WIDEST - 20) + times, SMALL, "title"))
    room = max(width_of(text, SMALL) for text, _, _ in lines)
    remarks = wrapped(stage.remarks, max(room, 70.0), SMALL - 0.5)
    return [*lines, *((one, SMALL - 0.5, "remark") for one in remarks)]


def _width(words: Sequence[tuple[str, float, Role]]) -> float:
    return max([width_of(text, size) for text, size, _ in words], default=0.0)


def _height(words: Sequence[tuple[str, float, Role]]) -> float:
    return sum(_line(size) for _, size, _ in words)


def _line(size: float) -> float:
    return 1.3 * size


def _split(chain: Sequence[Stage], rooms: Sequence[float], count: int) -> list[Sequence[Stage]]:
    """A chain in so many pieces of about equal width."""
    rows: list[Sequence[Stage]] = []
    total, begun, used = sum(rooms), 0, 0.0
    for at, room in enumerate(rooms):
        used += room
        if used >= total * (len(rows) + 1) / count - room / 2 and len(rows) < count - 1:
            rows.append(chain[begun : at + 1])
            begun = at + 1
    rows.append(chain[begun:])
    return [row for row in rows if row]
