"""The colours of diagrams: a family of layers has one, told apart by the colour-blind as well.

The hues are those of Okabe & Ito (2008), as tints behind dark text, and as shades on dark paper.
"""

from __future__ import annotations

from collections.abc import Mapping

from cnndsl.frozen import frozen
from cnndsl.layers.base import Family

__all__ = ["THEMES", "Theme"]


@frozen
class Theme:
    """Colours: of the paper, of words and lines, and of each family (a fill and a border)."""

    paper: str
    panel: str
    ink: str
    gray: str
    line: str
    frame: str
    families: Mapping[Family, tuple[str, str]]


_LIGHT = Theme(
    paper="#ffffff",
    panel="#f6f8fa",
    ink="#1f2933",
    gray="#5b6773",
    line="#7b8794",
    frame="#c5ced6",
    families={
        "convolution": ("#cfe3f5", "#0072b2"),
        "pooling": ("#fbdcc0", "#d55e00"),
        "dense": ("#c9ecdf", "#009e73"),
        "attention": ("#f3dbe8", "#b4578f"),
        "embedding": ("#f3dbe8", "#b4578f"),
        "activation": ("#fdf6c9", "#a89a16"),
        "normalization": ("#fdf6c9", "#a89a16"),
        "regularization": ("#fdf6c9", "#a89a16"),
        "join": ("#ffffff", "#5b6773"),
        "shape": ("#e9edf0", "#8894a0"),
        "other": ("#ffffff", "#3e4c59"),
    },
)

_DARK = Theme(
    paper="#14191f",
    panel="#1b222a",
    ink="#eef2f5",
    gray="#a9b4bf",
    line="#8592a0",
    frame="#46525e",
    families={
        "convolution": ("#1f3a6b", "#6f9dff"),
        "pooling": ("#66330c", "#f0a050"),
        "dense": ("#1c4a35", "#c8f5c0"),
        "attention": ("#5a2c49", "#e29ac4"),
        "embedding": ("#5a2c49", "#e29ac4"),
        "activation": ("#4a4410", "#e5d84a"),
        "normalization": ("#4a4410", "#e5d84a"),
        "regularization": ("#4a4410", "#e5d84a"),
        "join": ("#14191f", "#a9b4bf"),
        "shape": ("#2b343d", "#8592a0"),
        "other": ("#1b222a", "#c3ccd5"),
    },
)

THEMES: Mapping[str, Theme] = {"light": _LIGHT, "dark": _DARK}
"""The themes, by name."""
