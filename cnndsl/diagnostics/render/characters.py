"""From characters of a source to what a terminal shows for them, and how many cells that takes."""

from __future__ import annotations

import unicodedata

__all__ = ["cell", "visible"]

_TAB = " " * 4
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_COMBINING = {"Mn", "Me"}


def cell(character: str) -> tuple[str, int]:
    r"""What stands for one character of a source line, and its width in cells.

    A tab is four spaces wherever it stands, control characters get a visible form, East Asian
    wide characters take two cells and combining ones none.

    >>> cell("a"), cell("\t"), cell("界"), cell("\x1b"), cell("\u202e")
    (('a', 1), ('    ', 4), ('界', 2), ('␛', 1), ('<U+202E>', 8))
    """
    if " " <= character <= "~":
        return character, 1
    if character == "\t":
        return _TAB, len(_TAB)
    category = unicodedata.category(character)
    if category in _INVISIBLE:
        shown = _named(character)
        return shown, len(shown)
    if category in _COMBINING:
        return character, 0
    return character, 2 if unicodedata.east_asian_width(character) in "WF" else 1


def visible(text: str) -> str:
    r"""A message or a file name, which may quote anything, as one harmless line.

    >>> visible("unknown character `\x00`")
    'unknown character `␀`'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(cell(character)[0] for character in text)


def _named(character: str) -> str:
    """A picture of a control character, or its number: ``␛``, ``<U+202E>``."""
    number = ord(character)
    if number < 0x20:
        return chr(0x2400 + number)
    return "␡" if number == 0x7F else f"<U+{number:04X}>"
