"""Collects notes about a foreign network: what is said of many of its layers is said once."""

from __future__ import annotations

__all__ = ["GroupedNotes"]

_SHOWN = 4
"""So many places of one note are named."""


class GroupedNotes:
    """Notes, each with the places that it is about.

    >>> notes = GroupedNotes()
    >>> for line in (3, 8, 12, 20, 31):
    ...     notes.add("line", str(line), "`std` is not read")
    >>> notes.add("", "", "two files")
    >>> list(notes.texts())
    ['line 3, 8, 12, 20 and 1 more: `std` is not read', 'two files']
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], list[str]] = {}

    def add(self, kind: str, place: str, message: str) -> None:
        """Add a note; ``kind`` says what the place is: `line`, `layer`."""
        places = self._places.setdefault((kind, message), [])
        if place:
            places.append(place)

    def texts(self) -> list[str]:
        """The notes, in the order in which each came first."""
        return [_text(kind, places, message) for (kind, message), places in self._places.items()]


def _text(kind: str, places: list[str], message: str) -> str:
    if not places:
        return message
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"{kind} {', '.join(places[:_SHOWN])}{more}: {message}"
