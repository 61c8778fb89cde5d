"""Reads a message's fields by name and type, and knows which of them nobody asked for.

What a layer does with a field is said where it asks for it, with the default that caffe.proto
gives it. What was not asked for cannot have been said: :func:`unread` lists it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest
from cnndsl.importers.networks.caffe.prototext import Field, Message, Scalar, Word

__all__ = ["Fields", "fault", "meant"]


def fault(span: Span, message: str, help: str = "", label: str = "") -> CompileError:
    """CNN681: why the whole file is refused because of a place in it."""
    return CompileError([Diagnostic("CNN681", message, span, label=label, help=help)])


def meant(word: str, known: Iterable[str]) -> str:
    """What a word is perhaps a misspelling of, as a help; empty where nothing is near."""
    near = closest(word, [one for one in known if one])
    return f"did you mean `{near[0]}`?" if near else ""


class Fields:
    """The fields of one message, each under its name.

    Args:
        message: what was read; None for a message that is not there, whose fields all have their
            defaults.
        place: the span to blame where something is missing.
        what: what the message is, for people: ``layer `conv1` ``.
    """

    def __init__(self, message: Message | None, place: Span, what: str) -> None:
        self.message = message or Message(())
        self.place = place
        self.what = what
        self.is_there = message is not None
        self._asked: set[str] = set()
        self._inner: list[Fields] = []
        self._opened: dict[str, Fields] = {}

    # --- single values ---

    def has(self, name: str) -> bool:
        """Whether a field was written."""
        return self._last(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        field = self._last(name)
        if field is None:
            return default
        if not isinstance(field.value, str):
            raise _mistyped(field, "a string in quotes")
        return field.value

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number; without a default it has to be there."""
        field = self._last(name)
        if field is None:
            if default is None:
                raise self.lacks(name)
            return default
        return _whole(field)

    def number(self, name: str, default: float) -> float:
        """A number."""
        field = self._last(name)
        return default if field is None else _number(field)

    def positive(self, name: str, default: float) -> float:
        """A number above 0."""
        field = self._last(name)
        value = self.number(name, default)
        if field is not None and not value > 0:
            raise _mistyped(field, "a number above 0")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Yes or no: ``true``, ``false``, 1 or 0."""
        field = self._last(name)
        if field is None:
            return default
        value = field.value
        word = value.text if isinstance(value, Word) else value
        if word in ("true", "True", "t", 1):
            return True
        if word in ("false", "False", "f", 0):
            return False
        raise _mistyped(field, "`true` or `false`")

    def word(self, name: str, default: str, words: tuple[str, ...] = ()) -> str:
        """A word of an enumeration; ``words`` are its words from number 0 on."""
        field = self._last(name)
        if field is None:
            return default
        value = field.value
        if isinstance(value, Word):
            found = value.text
        elif isinstance(value, int) and 0 <= value < len(words):
            return words[value]
        elif isinstance(value, str):
            found = value
        else:
            raise _mistyped(field, "a word")
        if words and found not in words:
            known = ", ".join(filter(None, words))
            help = meant(found, words) or f"there are {known}"
            raise fault(field.span, f"`{name}` cannot be `{found}`", help)
        return found

    # --- several values ---

    def texts(self, name: str) -> list[str]:
        """All strings under a name."""
        found = []
        for field in self._all(name):
            if not isinstance(field.value, str):
                raise _mistyped(field, "a string in quotes")
            found.append(field.value)
        return found

    def wholes(self, name: str) -> list[int]:
        """All whole numbers under a name."""
        return [_whole(field) for field in self._all(name)]

    def numbers(self, name: str) -> list[float]:
        """All numbers under a name."""
        return [_number(field) for field in self._all(name)]

    # --- messages ---

    def inner(self, name: str) -> Fields:
        """The message under a name, the same each time; several are merged, as in Caffe."""
        if name not in self._opened:
            self._opened[name] = self._merged(name)
        return self._opened[name]

    def adopt(self, fields: Fields) -> None:
        """Count another message's fields among one's own, in :meth:`unread`."""
        self._inner.append(fields)

    def _merged(self, name: str) -> Fields:
        parts = self._messages(name)
        if not parts:
            return self._open(None, self.place, name)
        merged = Message(tuple(field for _, message in parts for field in message.fields))
        return self._open(merged, parts[0][0].span, name)

    def inners(self, name: str) -> list[Fields]:
        """All messages under a name."""
        return [self._open(message, field.span, name) for field, message in self._messages(name)]

    def fields(self, name: str) -> list[Field]:
        """All fields of a name as they are."""
        return list(self._all(name))

    # --- what was not asked for ---

    def ignore(self, *names: str) -> None:
        """Count fields as asked for that say nothing about a network."""
        self._asked.update(names)

    def unread(self) -> Iterator[tuple[Field, str]]:
        """The fields that nobody asked for, each with the name of its message."""
        for field in self.message.fields:
            if field.name not in self._asked:
                yield field, self.what
        for one in self._inner:
            yield from one.unread()

    def lacks(self, name: str) -> CompileError:
        """Why the file is refused where a field is not there."""
        near = closest(name, [field.name for field in self.message.fields])
        help = f"is `{near[0]}` meant for it?" if near else f"write `{name}: …` there"
        return fault(self.place, f"`{self.what}` has no `{name}`", help)

    def _open(self, message: Message | None, span: Span, name: str) -> Fields:
        fields = Fields(message, span, name)
        self._inner.append(fields)
        return fields

    def _all(self, name: str) -> Iterator[Field]:
        self._asked.add(name)
        return self.message.all(name)

    def _last(self, name: str) -> Field | None:
        self._asked.add(name)
        return self.message.last(name)

    def _messages(self, name: str) -> list[tuple[Field, Message]]:
        found = []
        for field in self._all(name):
            if not isinstance(field.value, Message):
                raise _mistyped(field, "a message, `{ … }`")
            found.append((field, field.value))
        return found


def _whole(field: Field) -> int:
    value = field.value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    raise _mistyped(field, "a whole number")


_NUMBERS = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}


def _number(field: Field) -> float:
    value = field.value
    if isinstance(value, Word):
        word = value.text.lower()
        if (known := _NUMBERS.get(word.lstrip("-"))) is not None:
            return -known if word.startswith("-") else known
    elif isinstance(value, int | float):
        return float(value) if abs(value) < 1e308 else math.copysign(math.inf, value)
    raise _mistyped(field, "a number")


def _mistyped(field: Field, wanted: str) -> CompileError:
    value: Scalar | Message = field.value
    shown = "a message" if isinstance(value, Message) else _shown(value)
    return fault(field.span, f"`{field.name}` takes {wanted}, not {shown}")


def _shown(value: Scalar) -> str:
    if isinstance(value, Word):
        return f"`{value.text}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"
