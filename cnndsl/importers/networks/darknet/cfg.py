"""Reads a cfg file: sections in order, options with their lines, comments.

Darknet takes all blanks out of a line before it reads it; of an option that stands twice in a
section the first counts (``option_list.c``, ``parser.c``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Source, Span
from cnndsl.diagnostics.words import closest, quoted, shorten

__all__ = ["Section", "fault", "read_sections"]


def fault(span: Span, message: str, help: str = "", code: str = "CNN681") -> CompileError:
    """Why the whole file is refused because of a place in it."""
    return CompileError([Diagnostic(code, message, span, help=help)])


class Section:
    """A section: its name, where it stands, its options.

    What an option does is said where it is asked for; :meth:`unread` gives those that nobody
    asked for.
    """

    def __init__(self, name: str, span: Span) -> None:
        self.name = name
        self.span = span
        self._options: dict[str, tuple[str, Span]] = {}
        self._asked: set[str] = set()

    @property
    def line(self) -> int:
        """The line of its name, from 1."""
        return self.span.first.line

    def take(self, name: str, value: str, span: Span) -> None:
        """Add an option; the first of a name counts."""
        self._options.setdefault(name, (value, span))

    def has(self, name: str) -> bool:
        """Whether an option was written."""
        self._asked.add(name)
        return name in self._options

    def ignore(self, *names: str) -> None:
        """Count options as asked for that say nothing about a network."""
        self._asked.update(names)

    def unread(self) -> Iterator[tuple[str, int]]:
        """The options that nobody asked for, each with its line."""
        for name, (_, span) in self._options.items():
            if name not in self._asked:
                yield name, span.first.line

    def span_of(self, name: str) -> Span:
        """Where an option stands; the section's place where it is not there."""
        return self._options[name][1] if name in self._options else self.span

    def text(self, name: str, default: str) -> str:
        """An option as it stands there."""
        self._asked.add(name)
        return self._options[name][0] if name in self._options else default

    def whole(self, name: str, default: int) -> int:
        """A whole number."""
        value = _uncommented(self.text(name, ""))
        if not value:
            return default
        if re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            return int(value)
        # Darknet's `atoi` reads up to the first sign that is no digit, and says nothing.
        raise fault(
            self.span_of(name), f"`{name}` takes a whole number, not `{shorten(value, 30)}`"
        )

    def number(self, name: str, default: float) -> float:
        """A number."""
        value = _uncommented(self.text(name, ""))
        if not value:
            return default
        found = _number(value)
        if found is None:
            raise fault(self.span_of(name), f"`{name}` takes a number, not `{shorten(value, 30)}`")
        return found

    def flag(self, name: str, *, default: bool) -> bool:
        """A number that is 0 or not."""
        return self.number(name, float(default)) != 0

    def wholes(self, name: str) -> list[int]:
        """Whole numbers with commas between them."""
        numbers = self.numbers(name)
        if any(not one.is_integer() for one in numbers):
            value = shorten(self.text(name, ""), 30)
            raise fault(self.span_of(name), f"`{name}` takes whole numbers, not `{value}`")
        return [int(one) for one in numbers]

    def numbers(self, name: str) -> list[float]:
        """Numbers with commas between them."""
        found = []
        for part in filter(None, _uncommented(self.text(name, "")).split(",")):
            number = _number(part)
            if number is None:
                message = (
                    f"`{name}` takes numbers with commas between them, not `{shorten(part, 30)}`"
                )
                raise fault(self.span_of(name), message)
            found.append(number)
        return found


def _section_name(bare: str, span: Span, *, first: bool) -> str:
    """The name in a section's line.

    Raises:
        CompileError: CNN680.
    """
    name, bracket, behind = bare[1:].partition("]")
    if not bracket:
        message = f"the bracket of a section's name is never closed: `{shorten(bare, 30)}`"
        raise fault(span, message, "write `]`", "CNN680")
    if behind:
        message = f"behind the name of a section stands `{shorten(behind, 30)}`"
        help = "put a comment on a line of its own: Darknet takes it for a part of the name"
        raise fault(span, message, help, "CNN680")
    if first and name not in ("net", "network"):
        message = f"the first section is `[{shorten(name, 30)}]`, not `[net]`"
        help = "a cfg file begins with `[net]`, which says how large the input is"
        raise fault(span, message, help, "CNN680")
    return name


def _uncommented(text: str) -> str:
    """A number without what stands behind it: Darknet reads up to the first other sign."""
    return re.split(r"[#;]", text, maxsplit=1)[0]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e308 and "_" not in text else None


def read_sections(source: Source, known: Sequence[str]) -> list[Section]:
    """The sections of a text, in order.

    Args:
        source: the file.
        known: the names that sections can have, for what is meant by another one.

    Raises:
        CompileError: CNN680, where a line is none of a cfg file.
    """
    sections: list[Section] = []
    for number, start in enumerate(source.line_starts, start=1):
        line = source.line(number)
        bare = re.sub(r"\s", "", line)
        if not bare or bare[0] in "#;":
            continue
        begin = start + len(line) - len(line.lstrip())
        span = Span(source, begin, start + len(line.rstrip()))
        if bare[0] == "[":
            sections.append(Section(_section_name(bare, span, first=not sections), span))
        elif "=" not in bare:
            near = closest(bare, known)
            help = f"write `[{near[0]}]`" if near else "write `option=value`, or `[section]`"
            raise fault(
                span,
                f"a line that is neither a section nor an option: `{shorten(bare, 40)}`",
                help,
                "CNN680",
            )
        elif not sections:
            raise fault(
                span, "an option before the first section", "write `[net]` above it", "CNN680"
            )
        else:
            name, _, value = bare.partition("=")
            sections[-1].take(name, value, span)
    if not sections:
        place = Span(source, 0, min(1, len(source.text)))
        raise fault(
            place, "no section in the file", f"it begins with {quoted(['[net]'])}", "CNN680"
        )
    return sections
