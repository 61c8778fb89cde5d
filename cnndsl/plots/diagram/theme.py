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
    """Colours: of the paper, of words and lines, and of each family (a fill and a border).

    All words have a contrast of 4.5 and more to whatever is behind them (WCAG 2.2, level AA); so
    ``names`` are not always in the colour of their family's border.
    """

    paper: str
    panel: str
    ink: str
    gray: str
    line: str
    frame: str
    families: Mapping[Family, tuple[str, str]]
    names: Mapping[Family, str]


_LIGHT = Theme(
    paper="#ffffff",
    panel="#f6f8fa",
    ink="#1f2933",
    gray="#56626e",
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
        "join": ("#ffffff", "#56626e"),
        "shape": ("#e9edf0", "#8894a0"),
        "other": ("#ffffff", "#3e4c59"),
    },
    names={
        "convolution": "#0067a0",
        "pooling": "#a24700",
        "dense": "#007253",
        "attention": "#944775",
        "embedding": "#944775",
        "activation": "#796f10",
        "normalization": "#796f10",
        "regularization": "#796f10",
        "join": "#56626e",
        "shape": "#5b646c",
        "other": "#3e4c59",
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
    names={
        "convolution": "#7ba5ff",
        "pooling": "#f0a050",
        "dense": "#c8f5c0",
        "attention": "#e29ac4",
        "embedding": "#e29ac4",
        "activation": "#e5d84a",
        "normalization": "#e5d84a",
        "regularization": "#e5d84a",
        "join": "#a9b4bf",
        "shape": "#98a3af",
        "other": "#c3ccd5",
    },
)

THEMES: Mapping[str, Theme] = {"light": _LIGHT, "dark": _DARK}
"""The themes, by name."""
