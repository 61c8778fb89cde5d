"""What a layout is made of: rectangles and lines, in points, y downwards."""

from __future__ import annotations

from cnndsl.frozen import frozen
from cnndsl.plots.diagram.graph import Box
from cnndsl.plots.diagram.labels import Label

__all__ = [
    "SLIDE",
    "Note",
    "Placed",
    "PlacedBox",
    "PlacedFrame",
    "Rect",
    "Wire",
    "scale_on_slide",
]

SLIDE = (960.0, 540.0)
"""A slide's size in points."""


def scale_on_slide(width: float, height: float) -> float:
    """How large something of a size can be on a slide."""
    return min(SLIDE[0] / width, SLIDE[1] / height)


@frozen
class Rect:
    """A rectangle by its left upper corner."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> Rect:
        """The same somewhere else."""
        return Rect(self.x + x, self.y + y, self.width, self.height)

    @property
    def right(self) -> float:
        """Its right border."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower border."""
        return self.y + self.height

    def meets(self, other: Rect) -> bool:
        """Whether the two overlap."""
        return (
            self.x < other.right
            and other.x < self.right
            and self.y < other.bottom
            and other.y < self.bottom
        )

    def holds(self, other: Rect) -> bool:
        """Whether the other lies inside."""
        return (
            self.x <= other.x
            and other.right <= self.right
            and self.y <= other.y
            and other.bottom <= self.bottom
        )


@frozen
class PlacedBox:
    """A box in its place."""

    rect: Rect
    box: Box
    label: Label


@frozen
class PlacedFrame:
    """A frame in its place; its inside is placed beside it, not in it."""

    rect: Rect
    title: tuple[str, ...]
    is_detail: bool = False


@frozen
class Wire:
    """A line through points: straight down, or in a curve from one to the next.

    A ``square`` one has straight pieces and rounded corners instead.
    """

    points: tuple[tuple[float, float], ...]
    arrow: bool
    square: bool = False
    training: bool = False


@frozen
class Note:
    """A small text beside a wire, by its left upper corner."""

    rect: Rect
    text: str


@frozen
class Placed:
    """A graph in its place, and where values pass its upper and lower border."""

    width: float
    height: float
    boxes: tuple[PlacedBox, ...] = ()
    frames: tuple[PlacedFrame, ...] = ()
    wires: tuple[Wire, ...] = ()
    notes: tuple[Note, ...] = ()
    inputs: tuple[float, ...] = ()
    outputs: tuple[float, ...] = ()

    def moved(self, x: float, y: float) -> Placed:
        """The same somewhere else."""
        return Placed(
            self.width,
            self.height,
            tuple(PlacedBox(one.rect.moved(x, y), one.box, one.label) for one in self.boxes),
            tuple(
                PlacedFrame(one.rect.moved(x, y), one.title, one.is_detail) for one in self.frames
            ),
            tuple(
                Wire(
                    tuple((a + x, b + y) for a, b in one.points),
                    one.arrow,
                    one.square,
                    one.training,
                )
                for one in self.wires
            ),
            tuple(Note(one.rect.moved(x, y), one.text) for one in self.notes),
            tuple(one + x for one in self.inputs),
            tuple(one + x for one in self.outputs),
        )

    def with_other(self, other: Placed, width: float, height: float) -> Placed:
        """Both, on so much room; values pass the borders of neither."""
        return Placed(
            width, height,
            (*self.boxes, *other.boxes), (*self.frames, *other.frames),
            (*self.wires, *other.wires), (*self.notes, *other.notes),
        )  # fmt: skip
