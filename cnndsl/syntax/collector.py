"""Collects the mistakes of one text, and says when there are too many to go on."""

from __future__ import annotations

from bisect import bisect_left, insort

from cnndsl.diagnostics.model import Diagnostic, Report
from cnndsl.diagnostics.source import Source, Span

__all__ = ["Collector", "Refusal", "Stop"]


class Refusal(Exception):  # noqa: N818 - not an error of the program
    """A statement reads well and cannot be meant: raised while its tree is built.

    ``start`` is where the part of the text begins that was to become a node.
    """

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic
        self.start = -1


class Stop(Exception):  # noqa: N818
    """Reading on makes no sense: a limit is reached."""


class Collector:
    """The mistakes found in one text, in whatever order, and where they are."""

    def __init__(self, source: Source, report: Report, most: int) -> None:
        self.source = source
        self._report = report
        self._left = most
        self._places: list[int] = []

    def span(self, start: int, end: int) -> Span:
        """A stretch of the text."""
        return Span(self.source, start, end)

    def add(self, diagnostic: Diagnostic) -> None:
        """Report a mistake.

        Raises:
            Stop: when it was the last one that is worth reporting.
        """
        self._report.add(diagnostic)
        if not any(fix.safe for fix in diagnostic.fixes):
            insort(self._places, diagnostic.span.start)
        self._left -= 1
        if self._left <= 0:
            raise Stop

    def withdraw(self, within: Span) -> None:
        """Take back what has a safe fix and lies in a place of which more is known now."""
        self._report.withdraw(within)

    def within(self, start: int, end: int) -> bool:
        """Whether a mistake was reported here that may bring others with it.

        One with a safe fix does not: it was read as what it meant.
        """
        at = bisect_left(self._places, start)
        return at < len(self._places) and self._places[at] < end
