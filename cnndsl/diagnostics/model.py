"""What a diagnostic is: data, built by the stages and formatted only by the renderers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from importlib import import_module
from typing import Self

from typing_extensions import override

from cnndsl.diagnostics.source import Source, Span
from cnndsl.frozen import frozen

__all__ = [
    "CnndslError",
    "Diagnostic",
    "Edit",
    "Fix",
    "HoleState",
    "Label",
    "Report",
    "Severity",
    "UserError",
]


class Severity(StrEnum):
    """How bad it is: an error stops compilation, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class HoleState(StrEnum):
    """What is known of a number that a spec leaves open with ``?``."""

    SOLVED = "solved"
    """Numbers fit, and they are said."""
    IMPOSSIBLE = "impossible"
    UNDETERMINED = "undetermined"
    """Nothing around it says which number is meant, or there are too many to try."""


@frozen
class Label:
    """Another place that matters, and why: where the shape came from, the first definition."""

    span: Span
    message: str


@frozen
class Edit:
    """Replace what a span covers by a text; an empty span inserts."""

    span: Span
    text: str


@frozen
class Fix:
    """A change that mends the error; ``--fix`` applies a safe one, which keeps the meaning."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool = False


@frozen
class Diagnostic:
    """One problem.

    ``message`` is one line in lower case without a final period and stands alone; ``label`` is
    the short text beside the underlined ``span``; ``notes`` are facts (the arithmetic);
    ``help`` says in one line what to do, and works when followed.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str = ""
    fixes: tuple[Fix, ...] = ()
    severity: Severity = Severity.ERROR
    hole: HoleState | None = None
    """What is known of the `?` that it is about, if it is about one."""
    follows: bool = False
    """Whether it follows from another mistake: shown only where there is no other error."""

    @override
    def __repr__(self) -> str:
        at = self.span.first
        place = f"{self.span.source.name}:{at.line}:{at.column}"
        return f"<Diagnostic {self.severity}[{self.code}] {place}: {self.message}>"


class Report:
    """Collects the diagnostics of a run; one problem at one place is kept once."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, Source, int, int]] = set()
        self._items: list[Diagnostic] = []

    def add(self, diagnostic: Diagnostic) -> None:
        """Take a diagnostic, unless the same code was reported at the same place already."""
        span = diagnostic.span
        key = (diagnostic.code, span.source, span.start, span.end)
        if key not in self._seen:
            self._seen.add(key)
            self._items.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Take several."""
        for diagnostic in diagnostics:
            self.add(diagnostic)

    def withdraw(self, within: Span) -> None:
        """Take back what has a safe fix and lies in a place of which more is known now."""
        covered = [
            item
            for item in self._items
            if item.span.source is within.source
            and within.start <= item.span.start
            and item.span.end <= within.end
            and any(fix.safe for fix in item.fixes)
        ]
        self._items = [item for item in self._items if not any(item is one for one in covered)]

    def replace(self, old: Diagnostic, new: Diagnostic) -> None:
        """Say it better, where more is known of a place now."""
        self._items = [new if item is old else item for item in self._items]

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def failed(self) -> bool:
        """Whether an error is among them."""
        return any(item.severity is Severity.ERROR for item in self._items)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All of them: file by file in the order met, each from top to bottom."""
        causes = [item for item in self._items if not item.follows]
        caused = any(item.severity is Severity.ERROR for item in causes)
        items = causes if caused else self._items
        files: dict[Source, int] = {}
        for item in items:
            files.setdefault(item.span.source, len(files))
        return tuple(sorted(items, key=lambda d: (files[d.span.source], d.span.start, d.code)))


class CnndslError(Exception):
    """What cnndsl raises for anything a user can mend."""

    is_shared = False
    """Whether all of several workers have it, so that they end together."""

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show of it: the message in colour.

        There is no traceback, unless ``CNNDSL_DEBUG`` is set.
        """
        if os.environ.get("CNNDSL_DEBUG"):
            return import_module("traceback").format_exception(self)  # type: ignore[no-any-return]
        # By its name: the renderers are made of what stands here.
        text: str = import_module("cnndsl.diagnostics.render").render_error(self, color=True)
        for option, argument in _ARGUMENTS.items():
            text = text.replace(f"`{option}`", f"`{argument}`")
        return text.splitlines()


_ARGUMENTS = {
    "--device cpu": 'device="cpu"',
    "--epochs": "epochs=…",
    "--out": "out=…",
    "--resume": "resume=True",
    "--skip-broken": "skip_broken=True",
    "--valid": "valid=…",
    "--valid 0.2": "valid=0.2",
    "--weights": "weights=…",
}
"""Options of commands that help names, and the arguments of ``Network.train`` that they are."""


class UserError(CnndslError):
    """A problem outside any spec: a file, a device, a picture; ``str()`` is its message."""

    def __init__(self, code: str, message: str, notes: Iterable[str] = (), help: str = "") -> None:
        self.code = code
        self.message = message
        self.notes = tuple(notes)
        self.help = help
        super().__init__(message)

    def amended(self, help: str | None = None, notes: Iterable[str] = ()) -> Self:
        """The same error with another help, and with further notes."""
        help = self.help if help is None else help
        error = type(self)(self.code, self.message, (*self.notes, *notes), help)
        error.is_shared = self.is_shared
        return error

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        """As processes hand it on to each other."""
        return type(self), (self.code, self.message, self.notes, self.help)

    @override
    def __str__(self) -> str:
        # A path that is no UTF-8 holds halves of characters, which no stream takes.
        return self.message.encode(errors="backslashreplace").decode()
