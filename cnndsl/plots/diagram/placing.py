"""Places stages in lanes: solids from left to right, sizes under them, operations above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import lru_cache
from typing import Literal

from cnndsl.frozen import frozen, mutable, replace
from cnndsl.layers.base import Family
from cnndsl.plots.diagram.labels import SMALL, width_of, wrapped
from cnndsl.plots.diagram.placed import Rect
from cnndsl.plots.diagram.solids import Scale, Solid
from cnndsl.plots.diagram.stages import Stage
from cnndsl.plots.diagram.words import sizes
from cnndsl.plots.figure import clipped

__all__ = [
    "FUNNEL",
    "ROWS",
    "WORDS",
    "Caption",
    "Passage",
    "PlacedSolid",
    "Placing",
    "Role",
    "Scene",
    "arrow_to",
    "captions_of",
    "height_of_words",
    "width_of_words",
]

_APART = 20.0
"""Points between solids, at least."""
WORDS = 9.0
"""Points between texts."""
_WIDEST = 104.0
ROWS = 30.0
"""Points between rows."""
FUNNEL = 46.0
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
    rise: tuple[float, float] | None = None
    """The heights between which it leads down, or up, and not to the right."""


@frozen
class Scene:
    """All of a figure in its place; the left upper corner is (0, 0)."""

    width: float
    height: float
    solids: tuple[PlacedSolid, ...]
    captions: tuple[Caption, ...]
    passages: tuple[Passage, ...]


@mutable
class Placing:
    """What is placed so far; a scale says how large solids are."""

    scale: Scale
    solids: list[PlacedSolid] = field(default_factory=list)
    captions: list[Caption] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    written: float = 0.0
    """How far to the right the texts of the last join reach."""

    def heights(
        self, lane: Sequence[Stage], before: PlacedSolid | None = None
    ) -> tuple[float, float]:
        """How far a lane reaches above its middle, with its texts, and below."""
        halves = [self.scale.solid(stage.type).height / 2 for stage in lane]
        half = max([8.0, *halves, *([before.solid.height / 2] if before else [])])
        words = max((height_of_words(captions_of(stage)) for stage in lane), default=0.0)
        return half + 8 + words, half + 16

    def room(self, stage: Stage) -> float:
        """About how wide a stage is."""
        words = width_of_words(captions_of(stage)) + WORDS
        return max(self.scale.solid(stage.type).width + _APART, words)

    def lane(
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
        above, below = self.heights(lane, before)
        pen = _Pen(x, max(x, self.written) - WORDS, x - WORDS)
        previous = None if fresh else before
        for number, stage in enumerate(lane):
            begins = number == 0 and (parted or previous is None)
            solid = self.scale.solid(stage.type)
            lead = _LEAD if fresh and number == 0 else 0.0
            lead = FUNNEL if begins and previous else _APART if previous else lead
            x = pen.place(stage, solid, lead, begins=begins and not fresh)
            placed = self.put(stage, solid, x, y)
            self.write(captions_of(stage), pen.middle, y - above, stage.family)
            self.size(stage, placed, y + below - 16)
            if previous or fresh:
                how = arrow_to(stage) if number == 0 and parted else stage
                self.passages.append(Passage(previous, placed, how))
            previous = placed
            found.append(placed)
        return found

    def put(self, stage: Stage, solid: Solid, x: float, y: float) -> PlacedSolid:
        """Put a solid where its middle is to be."""
        placed = PlacedSolid(x, y, solid, stage.family)
        self.solids.append(placed)
        return placed

    def size(self, stage: Stage, placed: PlacedSolid, y: float) -> None:
        """Write the sizes of a stage below a height, in the middle of its solid."""
        text = sizes(stage.type.dims)
        wide = width_of(text, SMALL)
        middle = (placed.rect.x + placed.rect.right) / 2
        self.captions.append(Caption(Rect(middle - wide / 2, y + 5, wide, 9.0), text, "size"))

    def write(
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

    def finished(self) -> Scene:
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
                    None if one.rise is None else (one.rise[0] - y, one.rise[1] - y),
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
        wide = width_of_words(captions_of(stage))
        half, below = solid.width / 2, width_of(sizes(stage.type.dims), SMALL)
        at = max(self.solids + lead + half, self.sizes + WORDS + below / 2)
        if begins:
            at = max(at, self.words + WORDS + wide / 2, self.solids + lead + wide / 2)
            self.middle = at
        elif wide:
            # The texts' middle is that between the two solids.
            at = max(at, 2 * (self.words + WORDS + wide / 2) - self.solids + half)
            self.middle = (self.solids + at - half) / 2
        self.words = self.middle + wide / 2 if wide else self.words
        self.solids, self.sizes = at + half, at + below / 2
        return at


def arrow_to(stage: Stage) -> Stage:
    """A stage to which an arrow leads, whatever its operation is."""
    return Stage(stage.type, stage.family, "", "", is_block=True)


@lru_cache(2**12)
def captions_of(stage: Stage) -> list[tuple[str, float, Role]]:
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


def width_of_words(words: Sequence[tuple[str, float, Role]]) -> float:
    """How wide the widest of some lines is."""
    return max([width_of(text, size) for text, size, _ in words], default=0.0)


def height_of_words(words: Sequence[tuple[str, float, Role]]) -> float:
    """How high some lines are together."""
    return sum(_line(size) for _, size, _ in words)


def _line(size: float) -> float:
    return 1.3 * size
