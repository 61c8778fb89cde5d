"""Tells in words what a drawing shows, for those who have it read to them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from cnndsl.diagnostics.render.characters import visible
from cnndsl.plots.diagram.graph import Diagram
from cnndsl.plots.diagram.labels import remark_of, title_of
from cnndsl.plots.diagram.stages import Course
from cnndsl.plots.diagram.words import sizes

__all__ = ["blocks_in_words", "described", "volumes_in_words"]

_MOST = 60
"""Nobody listens to more boxes."""


def blocks_in_words(diagram: Diagram) -> str:
    """The boxes of a network, and of the blocks that are drawn once, in their order."""
    parts = {"The layers of the network": diagram.graph}
    parts |= {f"inside {one.title}": one.graph for one in diagram.details}
    told = {
        title: [", ".join((title_of(box), *remark_of(box))) for box in graph.boxes()]
        for title, graph in parts.items()
    }
    return ". ".join(f"{title}: {_listed(words)}" for title, words in told.items())


def volumes_in_words(course: Course) -> str:
    """The feature maps of a network, with their sizes and what leads to them."""
    told = [
        f"{' '.join(filter(None, (stage.name, stage.title)))} gives {sizes(stage.type.dims)}"
        for stage in course.stages()
    ]
    return f"The feature maps of the network: {_listed(told)}"


def _listed(words: Sequence[str]) -> str:
    more = len(words) - _MOST
    return "; ".join((*words[:_MOST], *([f"and {more:,} more"] if more > 0 else [])))


def described(svg: bytes, title: str, words: str) -> bytes:
    """An SVG file that says what it shows: one picture, with a title and a description."""
    head, begin, rest = svg.partition(b"<svg ")
    opening, end, content = rest.partition(b">")
    told = f"\n <title>{escape(visible(title))}</title>\n <desc>{escape(visible(words))}</desc>"
    return b"".join((head, begin, b'role="img" ', opening, end, told.encode(), content))
