"""Turns results into HTML: an answer beside its picture, a network's scores, a run's curves."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from cnndsl.diagnostics.words import count
from cnndsl.display.html import Column, bar, escaped, note, picture, table, titled
from cnndsl.plots.figure import encoded

__all__ = [
    "AnswerLike",
    "ScoreLike",
    "answers_html",
    "evaluation_html",
    "figure_html",
    "percent",
    "significant",
]

_WHOLE = 20
"""Up to so many classes each has a row; of more, the worst ten."""
_WORST = 10
_SIDE = 128
"""The longer side of a picture beside its answers, in pixels."""


class ScoreLike(Protocol):
    """How good a class is known."""

    @property
    def count(self) -> int:
        """How many samples there are of it."""
        ...

    @property
    def precision(self) -> float | None:
        """The share of right answers among those that name it."""
        ...

    @property
    def recall(self) -> float | None:
        """The share of its samples that are found."""
        ...

    @property
    def f1(self) -> float | None:
        """The harmonic mean of the two."""
        ...


class AnswerLike(Protocol):
    """A class, and the number that the network gave for it."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def score(self) -> float:
        """The number."""
        ...


def percent(share: float | None) -> str:
    """A share in percent; nothing where there is none.

    >>> percent(0.98765), percent(None)
    ('98.8%', '')
    """
    return "" if share is None else f"{100 * share:.1f}%"


def significant(number: float) -> str:
    """A number with four digits that count.

    >>> significant(0.0123456), significant(12345.678)
    ('0.01235', '1.235e+04')
    """
    return f"{number:.4g}"


def figure_html(figure: Figure, words: str, width: int = 0) -> str:
    """A figure as a picture within the page."""
    return picture(encoded(figure, "png"), "png", words, width)


def evaluation_html(
    title: str,
    facts: Mapping[str, float | None],
    names: Sequence[str],
    scores: Sequence[ScoreLike],
    figure: Figure | None,
) -> str:
    """The numbers of an evaluation, of its classes, and what is mistaken for what."""
    said = [f"{name} {_fact(name, one)}" for name, one in facts.items() if one is not None]
    parts = [titled(title, said)]
    shown = list(range(len(scores)))
    if len(scores) > _WHOLE:
        shown.sort(key=lambda at: (scores[at].f1 is None, scores[at].f1 or 0.0))
        shown = shown[:_WORST]
        parts.append(note(f"the worst {_WORST} of {count(len(scores), 'class', plural='classes')}"))
    if shown:
        parts.append(_classes(names, scores, shown))
    if figure is not None:
        parts.append(figure_html(figure, "what is mistaken for what", 480))
    return "".join(parts)


def _fact(name: str, number: float) -> str:
    return percent(number) if name in ("top1", "top5", "accuracy") else significant(number)


def _classes(names: Sequence[str], scores: Sequence[ScoreLike], shown: Sequence[int]) -> str:
    some = [scores[at] for at in shown]
    return table(
        [
            Column("class", [names[at] for at in shown], words=True),
            Column("samples", [f"{one.count:,}" for one in some]),
            Column("precision", [percent(one.precision) for one in some]),
            Column("recall", [percent(one.recall) for one in some]),
            Column("F1", [percent(one.f1) for one in some]),
        ]
    )


def answers_html(
    name: str, source: Path | None, best: Sequence[AnswerLike], kind: str, rest: Sequence[str]
) -> str:
    """The best answers for a sample, beside it where it is a picture; other facts below."""
    shares = kind == "probability"
    rows = "".join(
        f'<tr style="background:none"><td style="text-align:left">{escaped(one.name)}</td>'
        f"<td>{bar(one.score) if shares else ''}</td>"
        f'<td style="text-align:right">{significant(one.score)}</td></tr>'
        for one in best
    )
    body = f'<table style="border-collapse:collapse;margin:0">{rows}</table>' if rows else ""
    body += "".join(map(note, rest))
    seen = _thumbnail(source)
    beside = f'<td style="vertical-align:top;padding-right:12px">{seen}</td>' if seen else ""
    return (
        f"{titled(name, [kind] if rows else [])}"
        '<table style="border-collapse:collapse;margin:0"><tr style="background:none">'
        f'{beside}<td style="vertical-align:top">{body}</td></tr></table>'
    )


def _thumbnail(source: Path | None) -> str:
    """A small copy of the picture in a file; nothing where it is none."""
    from PIL import Image

    from cnndsl.data.images import opened_picture

    if source is None:
        return ""
    try:
        with opened_picture(source) as opened:
            opened.picture.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            opened.picture.thumbnail((_SIDE, _SIDE))
            small: Any = opened.picture.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return ""
    file = io.BytesIO()
    small.save(file, "png")
    # What is smaller than that is shown larger, its pixels as squares.
    scale = max(1, math.floor(_SIDE / max(small.size)))
    seen = picture(file.getvalue(), "png", source.name, scale * small.width)
    return seen.replace("max-width", "image-rendering:pixelated;max-width")
