"""Draws networks: from a typed network and the way it is to look to the bytes of a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.files import write_atomically
from cnndsl.plots.diagram.build import diagram
from cnndsl.plots.diagram.description import blocks_in_words, described, volumes_in_words
from cnndsl.plots.diagram.dot import dot
from cnndsl.plots.diagram.mermaid import mermaid
from cnndsl.plots.diagram.theme import THEMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ENDINGS",
    "FORMATS",
    "DrawOptions",
    "Format",
    "Style",
    "ThemeName",
    "draw",
    "drawn",
    "format_of",
]

Style = Literal["blocks", "volumes"]
"""``blocks`` is the graph of the layers, ``volumes`` the feature maps as boxes."""
ThemeName = Literal["light", "dark"]
"""Dark ink on light paper, or the other way round."""
Format = Literal["svg", "png", "pdf", "dot", "mermaid"]

FORMATS: dict[str, Format] = {
    "svg": "svg",
    "png": "png",
    "pdf": "pdf",
    "dot": "dot",
    "gv": "dot",
    "mmd": "mermaid",
    "mermaid": "mermaid",
}
"""What a drawing may be, by the ending of its file."""
ENDINGS = {form: ending for ending, form in reversed(FORMATS.items())}
"""How a drawing's file ends."""


class DrawOptions(TypedDict, total=False):
    """How a network is to look.

    ``style`` is ``blocks`` or ``volumes``, ``theme`` is ``light`` or ``dark``; with ``expand``
    every round of a loop is drawn, and every call of a block with its inside.
    """

    style: Style
    theme: ThemeName
    expand: bool


def format_of(path: str | os.PathLike[str]) -> Format:
    """The format of a drawing's file, by its ending.

    Raises:
        UserError: CNN621 for another ending.
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending in FORMATS:
        return FORMATS[ending]
    raise UserError(
        "CNN621",
        f"`{os.fspath(path)}` says no format of a drawing by its ending",
        help="let it end in `.svg`, `.png`, `.pdf`, `.dot` or `.mmd`",
    )


def draw(
    typed: TypedNetwork,
    path: str | os.PathLike[str],
    format: Format | None = None,
    *,
    style: Style = "blocks",
    theme: ThemeName = "light",
    expand: bool = False,
) -> None:
    """Draw a network into a file, whole or not at all; equal networks give equal bytes.

    The file's ending says what is drawn, unless a ``format`` is named.

    Raises:
        UserError: CNN621 for a file's ending, CNN603 where the file cannot be written, and as
            :func:`drawn`.
        ValueError: for another style, theme or format.
    """
    form = format or format_of(path)
    write_atomically(path, drawn(typed, form, style=style, theme=theme, expand=expand))


def drawn(
    typed: TypedNetwork,
    format: Format,
    *,
    style: Style = "blocks",
    theme: ThemeName = "light",
    expand: bool = False,
) -> bytes:
    """The bytes of a network's drawing in a format, as :func:`draw` writes them.

    Raises:
        UserError: CNN620 where igraph is missing, CNN622 for a network that is no chain as
            ``volumes``, CNN623 for a text of these, CNN624 for what is too large.
        ValueError: for another style, theme or format.
    """
    if format not in ENDINGS:
        raise ValueError(f"there is no format `{format}`, but {', '.join(ENDINGS)}")
    if theme not in THEMES:
        raise ValueError(f"there is no theme `{theme}`, but {', '.join(THEMES)}")
    texts = {"dot": dot, "mermaid": mermaid}
    if format in texts:
        if style != "blocks":
            raise UserError(
                "CNN623",
                f"`{style}` is a picture, and {format} is a text that other programs lay out",
                help="let the file end in `.svg`, `.png` or `.pdf`, or draw it as `blocks`",
            )
        return texts[format](diagram(typed, expand=expand), THEMES[theme]).encode()
    if style not in _PICTURES:
        raise ValueError(f"there is no style `{style}`, but {', '.join(_PICTURES)}")
    from cnndsl.plots.figure import PIXELS, encoded

    figure, words = _PICTURES[style](typed, theme, expand)
    width, height = (round(PIXELS * 72 * float(side)) for side in figure.get_size_inches())
    if format == "png" and max(width, height) > _SIDE:
        raise UserError(
            "CNN624",
            f"the picture would be {width:,} x {height:,} pixels, and no side has more than"
            f" {_SIDE:,}",
            help="let the file end in `.svg` or `.pdf`",
        )
    title = f"{typed.name} as {style}"
    content = encoded(figure, format, title)
    return described(content, title, words) if format == "svg" else content


_SIDE = 32_000
"""A picture in pixels has no longer side: its pixels alone would take gigabytes."""
_BOXES = 3_000
"""A picture has no more boxes: nobody could find anything in it."""

_LANES = 16
"""Feature maps have no more chains below each other."""


def _blocks(typed: TypedNetwork, theme: ThemeName, expand: bool) -> tuple[Figure, str]:
    from cnndsl.plots.diagram.page import page
    from cnndsl.plots.diagram.picture import picture

    built = diagram(typed, expand=expand)
    count = sum(1 for _ in built.graph.boxes())
    if count > _BOXES:
        raise UserError(
            "CNN624",
            f"the picture would have {count:,} boxes, more than {_BOXES:,}",
            help="leave out `--expand`, or let the file end in `.dot` or `.mmd`"
            if expand
            else "let the file end in `.dot` or `.mmd`",
        )
    return picture(page(built), built.name, THEMES[theme]), blocks_in_words(built)


def _volumes(typed: TypedNetwork, theme: ThemeName, expand: bool) -> tuple[Figure, str]:
    from cnndsl.plots.diagram.scene import scene
    from cnndsl.plots.diagram.scenery import scenery
    from cnndsl.plots.diagram.stages import Bundle, stages_of

    course = stages_of(typed, expand=expand)
    lanes = max((len(one.lanes) for one in course.bundles if isinstance(one, Bundle)), default=0)
    if lanes > _LANES:
        raise UserError(
            "CNN624",
            f"the picture would have {lanes:,} chains below each other, more than {_LANES}",
            help="draw it as `blocks`",
        )
    remark = f"without {', '.join(course.beside)}" if course.beside else ""
    return scenery(scene(course), typed.name, THEMES[theme], remark), volumes_in_words(course)


_PICTURES: dict[str, Callable[[TypedNetwork, ThemeName, bool], tuple[Figure, str]]] = {
    "blocks": _blocks,
    "volumes": _volumes,
}
