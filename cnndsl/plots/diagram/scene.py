"""Places the stages of a network: in rows, in lanes that are joined, or as a U."""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.plots.diagram.labels import SMALL, width_of
from cnndsl.plots.diagram.placed import scale_on_slide
from cnndsl.plots.diagram.placing import (
    FUNNEL,
    ROWS,
    WORDS,
    Passage,
    PlacedSolid,
    Placing,
    Role,
    Scene,
    arrow_to,
    captions_of,
    height_of_words,
    width_of_words,
)
from cnndsl.plots.diagram.solids import Scale
from cnndsl.plots.diagram.stages import Bundle, Course, Fold, Level, Stage
from cnndsl.plots.diagram.words import sizes

__all__ = ["scene"]


def scene(course: Course) -> Scene:
    """Place the stages of a network, in as many rows as suit a slide best."""
    scale = Scale.of(stage.type for stage in course.stages())
    first = course.bundles[0]
    if len(course.bundles) > 1 or isinstance(first, Fold) or first.join:
        return _Arranging(scale).across(course.bundles)
    [chain] = first.lanes
    found = [_Arranging(scale).rows(chain, count) for count in range(1, min(6, len(chain)) + 1)]
    scales = [scale_on_slide(one.width, one.height) for one in found]
    large = (one for one, scale in zip(found, scales, strict=True) if scale >= 1)
    return next(large, found[scales.index(max(scales))])


_End = tuple[PlacedSolid, float | None]
"""The last solid of a lane; of an empty lane what is before it, and the lane's height."""


class _Arranging(Placing):
    def rows(self, chain: Sequence[Stage], count: int) -> Scene:
        """A chain in so many rows, as evenly as its widths allow."""
        y, last = 0.0, None
        for row in _split(chain, [self.room(stage) for stage in chain], count):
            above, below = self.heights(row)
            last = self.lane(row, 0.0, y + above, last, fresh=last is not None)[-1]
            y += above + below + ROWS
        return self.finished()

    def across(self, bundles: Sequence[Bundle | Fold]) -> Scene:
        """Bundles side by side, the lanes of each below each other."""
        x: float = 0.0
        last: PlacedSolid | None = None
        for bundle in bundles:
            if isinstance(bundle, Fold):
                last = self._fold(bundle, x, last)
                x = max(last.rect.right, self._written_at(last))
                continue
            spans = [self.heights(lane, last) for lane in bundle.lanes]
            total = sum(above + below for above, below in spans) + ROWS * (len(spans) - 1)
            y = -total / 2 if len(spans) > 1 else -spans[0][0]
            y += last.y if last and len(spans) == 1 else 0.0
            ends: list[_End] = []
            known = len(self.captions)
            for lane, (above, below) in zip(bundle.lanes, spans, strict=True):
                parted = len(spans) > 1
                placed = self.lane(lane, x, y + above, last, fresh=False, parted=parted)
                if placed:
                    ends.append((placed[-1], None))
                elif last:
                    ends.append((last, y + above))
                y += above + below + ROWS
            last = ends[-1][0]
            x = max(one.rect.right for one, _ in ends)
            x = max([x, *(one.rect.right for one in self.captions[known:])])
            if bundle.join:
                last = self._join(bundle.join, x, ends)
                x = last.rect.right
        return self.finished()

    def _join(self, stage: Stage, x: float, ends: Sequence[_End]) -> PlacedSolid:
        """The stage that lanes lead to, in the middle of them."""
        solid = self.scale.solid(stage.type)
        words = captions_of(stage)
        wide = width_of_words(words)
        at = x + FUNNEL + max(solid.width, wide, width_of(sizes(stage.type.dims), SMALL)) / 2
        placed = self.put(
            stage, solid, at, sum(end.y if by is None else by for end, by in ends) / len(ends)
        )
        self.write(words, at, placed.rect.y - 8 - height_of_words(words), stage.family)
        self.written = at + wide / 2 + WORDS
        self.size(stage, placed, placed.rect.bottom)
        self.passages += [Passage(end, placed, arrow_to(stage), by) for end, by in ends]
        return placed

    # --- a U ---

    def _fold(self, fold: Fold, x: float, before: PlacedSolid | None) -> PlacedSolid:
        """A U: its levels below each other, down on the left and up on the right."""
        lefts = self._descend(fold.levels, x, before)
        upper = [*zip(lefts[:-1], fold.levels[:-1], strict=True)]
        column = max(
            max(one.rect.right, self._written_at(one))
            + FUNNEL
            + width_of_words(_told(level.across))
            for one, level in upper
        ) + max(self._begin_of(level.right) for _, level in upper)
        last, low = lefts[-1], fold.levels[-1].left
        for one, level in reversed(upper):
            last = self._rise(level, one, (last, self.heights(low)[0]), column)
            low = level.right
        return last

    def _descend(
        self, levels: Sequence[Level], x: float, before: PlacedSolid | None
    ) -> list[PlacedSolid]:
        """Place the left sides, and find the last of each; that of the first may be ``before``."""
        found: list[PlacedSolid] = []
        y = before.y if before else 0.0
        low, begin = 0.0, 0.0
        for number, level in enumerate(levels):
            above, below = self.heights([*level.left, *level.right])
            if number == 0 and not level.left:
                assert before is not None
                found.append(before)
                begin = self._written_below(before)
                low = max(begin, y + below)
                continue
            if number == 0:
                found.append(self.lane(level.left, x, y, before, fresh=False)[-1])
            else:
                words = _told(level.down)
                beside = max(height_of_words(words), height_of_words(_told(levels[number - 1].up)))
                y = low + max(ROWS, beside + 14) + above
                end = y - self.heights(level.left)[0] - 3
                over = found[-1]
                row = self._lane_at(level.left, over.x, y)
                arrow = arrow_to(level.left[0])
                self.passages.append(Passage(over, row[0], arrow, rise=(begin, end)))
                middle = over.x + 8 + width_of_words(words) / 2
                self.write(words, middle, end - height_of_words(words) - 7, "other")
                found.append(row[-1])
            low, begin = y + below, y + self.heights(level.left)[1]
        return found

    def _lane_at(self, lane: Sequence[Stage], x: float, y: float) -> list[PlacedSolid]:
        """A lane whose first solid stands around a point."""
        self.written = -1e9
        return self.lane(lane, x - self._begin_of(lane), y, None, fresh=False)

    def _begin_of(self, lane: Sequence[Stage]) -> float:
        """How far to the right of its beginning the middle of a lane's first solid is."""
        return _Arranging(self.scale).lane(lane, 0.0, 0.0, None, fresh=False)[0].x

    def _rise(
        self, level: Level, across: PlacedSolid, below: tuple[PlacedSolid, float], column: float
    ) -> PlacedSolid:
        """The right side of a level: its solids, and what leads to them from below and across.

        What is ``below`` has texts so far above its middle.
        """
        source, above = below
        row = self._lane_at(level.right, max(source.x, column), across.y)
        end = across.y + self.heights(level.right)[1] + 3
        arrow = arrow_to(level.right[0])
        self.passages.append(Passage(source, row[0], arrow, rise=(source.y - above - 2, end)))
        self.passages.append(Passage(across, row[0], arrow))
        words = _told(level.across)
        middle = row[0].rect.x - 14 - width_of_words(words) / 2
        self.write(words, middle, across.y - height_of_words(words) - 3, "other")
        words = _told(level.up)
        self.write(words, row[0].x + 8 + width_of_words(words) / 2, end + 6, "other")
        return row[-1]

    def _written_below(self, placed: PlacedSolid) -> float:
        """How far down the sizes of a solid are written."""
        low = placed.rect.bottom - 1
        below = (one.rect for one in self.captions if one.role == "size" and one.rect.y > low)
        return max((one.bottom for one in below if one.x < placed.x < one.right), default=low) + 2

    def _written_at(self, placed: PlacedSolid) -> float:
        """How far to the right texts reach that stand about as high as a solid."""
        low, high = placed.rect.y - 60, placed.rect.bottom + 60
        beside = (one.rect for one in self.captions if low < one.rect.bottom < high)
        return max((one.right for one in beside), default=0.0)


def _told(stages: Sequence[Stage]) -> list[tuple[str, float, Role]]:
    """The lines that tell of stages which are no more than words beside an arrow."""
    return [
        line
        for stage in stages
        for line in (*captions_of(stage), (sizes(stage.type.dims), SMALL, "size"))
    ]


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
