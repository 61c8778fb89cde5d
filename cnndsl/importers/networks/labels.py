"""Gives values of the network names that a spec can have: those of the source where these say much.

A name is made of letters, digits and ``_``, and is no layer's, block's or statement's word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cnndsl.elaborate.values import FUNCTIONS
from cnndsl.layers import keywords
from cnndsl.syntax.layout import STATEMENT_WORDS

__all__ = ["Namer", "common_label", "legal", "parts_of"]

_WORDS = frozenset(
    ("if", "else", "for", "in", "repeat", "and", "or", "not", "yes", "no", "share", "stream")
)
_SEPARATORS = re.compile(r"[./:]+")
_LONGEST = 40
"""Longer names are cut: no line has room for them."""
_LONGEST_PATH = 60
"""With dots they may be longer."""


def legal(name: str) -> str:
    """The name with `_` for what names have not; empty where nothing is left.

    >>> legal("layer1.0/conv-1"), legal("7x7"), legal("…")
    ('layer1_0_conv_1', '_7x7', '')
    """
    text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    if len(text) > _LONGEST:
        cut, whole = text[-_LONGEST:], text[-_LONGEST:].partition("_")[2]
        # A word that was cut goes, unless little would be left.
        text = (whole if text[-_LONGEST - 1] != "_" and 2 * len(whole) > _LONGEST else cut).strip(
            "_"
        )
    return f"_{text}" if text[:1].isdigit() else text


def parts_of(label: str) -> tuple[str, ...]:
    """A label's parts: ``layer1.0/conv1`` are three.

    >>> parts_of("/layer1/layer1.0/conv1/Conv")
    ('layer1', 'layer1', '0', 'conv1', 'Conv')
    """
    return tuple(part for part in _SEPARATORS.split(label) if part)


def common_label(labels: Sequence[str]) -> str:
    """What several labels begin with, in whole parts; empty where nothing.

    >>> common_label(["layer1.0.conv1", "layer1.0.bn1"]), common_label(["a.b", "c.d"])
    ('layer1.0', '')
    """
    split = [parts_of(label) for label in labels if label]
    if not split:
        return ""
    found = []
    for column in zip(*split, strict=False):
        if len(set(column)) > 1:
            break
        found.append(column[0])
    if len(split) == 1:
        found = found[:-1]
    return ".".join(found)


class Namer:
    """Hands out names, each once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*keywords(), *map(str.lower, STATEMENT_WORDS), *_WORDS, *FUNCTIONS, *taken}
        self._reserved = frozenset(self._taken)

    @classmethod
    def of_parameters(cls) -> Namer:
        """Hands out names of parameters, which may be those of functions too: ``width``."""
        made = cls()
        made._taken -= FUNCTIONS
        return made

    def take(self, wanted: str, otherwise: str = "value") -> str:
        """A name as near to the one that is wanted as there is; ``otherwise`` for none.

        >>> names = Namer()
        >>> names.take("fc.6"), names.take("fc_6"), names.take("conv"), names.take("", "skip")
        ('fc_6', 'fc_6_2', 'conv2', 'skip')
        """
        base = legal(wanted) or otherwise
        name, number = base, 2
        while name in self._taken:
            name = f"{base}_{number}" if base[-1:].isdigit() else f"{base}{number}"
            number += 1
        self._taken.add(name)
        return name

    def take_path(self, wanted: str, otherwise: str = "value") -> str:
        """The same with the dots of a label: a layer's name may have them.

        >>> names = Namer()
        >>> names.take_path("conv.1"), names.take_path("layer1.0/conv-1"), names.take_path("fc.6")
        ('conv_1', 'layer1.0.conv_1', 'fc.6')
        """
        parts = [re.sub(r"[^A-Za-z0-9]+", "_", one).strip("_") for one in parts_of(wanted)]
        name = ".".join(one for one in parts if one)
        first, dot, _ = name.partition(".")
        is_one = dot and not first[0].isdigit() and first not in self._reserved
        if not is_one or name in self._taken or len(name) > _LONGEST_PATH:
            return self.take(wanted, otherwise)
        self._taken.add(name)
        return name
