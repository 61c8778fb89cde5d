"""From one name of a figure's file to one for each picture and layer that is drawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

__all__ = ["named_files"]

T = TypeVar("T")


def named_files(path: str, things: Iterator[T]) -> Iterator[tuple[str, T]]:
    """A file for each of some things: of a single one the file itself, else numbered ones.

    >>> list(named_files("maps.png", iter("a"))), list(named_files("maps.png", iter("ab")))
    ([('maps.png', 'a')], [('maps-1.png', 'a'), ('maps-2.png', 'b')])
    """
    first = list(itertools.islice(things, 2))
    whole = Path(path)
    for at, thing in enumerate(itertools.chain(first, things), start=1):
        numbered = whole.with_name(f"{whole.stem}-{at}{whole.suffix}")
        yield (path if len(first) == 1 else str(numbered)), thing
