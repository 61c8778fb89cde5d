"""The compile-time values of the language: numbers, words, sizes, yes and no, and their names."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import field
from typing import TypeAlias

from typing_extensions import override

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Span
from cnndsl.frozen import frozen, mutable
from cnndsl.layers.base import Init, Layer
from cnndsl.syntax.ast import Call

__all__ = [
    "DEEPEST_LIST",
    "EVERY_WORD",
    "FUNCTIONS",
    "INITIALISERS",
    "KNOWN_WORDS",
    "LARGEST",
    "MOST_ITEMS",
    "SIZES",
    "Broken",
    "Constant",
    "Constants",
    "EvaluationError",
    "ListOfLists",
    "OpenHole",
    "Value",
    "brief",
    "evaluation_error",
    "extent",
    "follows",
    "holes_in",
    "show",
    "size_help",
]


class _Every(Container[str]):
    """The set of all words."""

    @override
    def __contains__(self, word: object) -> bool:
        return True


EVERY_WORD: Container[str] = _Every()
"""Where a schema will judge the words."""

LARGEST = 2**63 - 1
"""Whole numbers beyond this have no use in a network and are an error."""

INITIALISERS = frozenset(("he", "glorot", "lecun", "uniform", "normal", "constant"))
"""The words that make an :class:`~cnndsl.layers.base.Init`, alone or with a number."""


SIZES = ("channels", "depth", "height", "width", "length", "size")
"""The functions that read a size of a stream."""

FUNCTIONS = frozenset(("min", "max", *SIZES)) | INITIALISERS
"""All that an expression can call."""


def size_help(name: str) -> str:
    """How the size of a stream is written, as help; empty where a name is that of no size.

    >>> size_help("x.height"), size_help("x")
    ('write `height(x)`', '')
    """
    stream, _, word = name.rpartition(".")
    if word not in SIZES:
        return ""
    if stream:
        return f"write `{word}({stream})`"
    return f"write `{word}(identity)` for that of the stream here, or define it by `let`"


KNOWN_WORDS = INITIALISERS | {"valid", "same", "full", "exact", "floor", "ceil"}
"""The words that a constant or a block's argument may carry to a layer inside."""


SHOWN_ITEMS = 8
"""Of a longer list, a message shows no more."""

MOST_ITEMS = 1000
"""A list holds so many values, those of the lists in it included: lists of lists would explode."""


DEEPEST_LIST = 4
"""Lists stand in each other no deeper: rows, matrices, lists of them, and lists of those."""


class ListOfLists(tuple["Value", ...]):
    """The value of a list that holds lists: the pairs of a ``for``, a matrix, several matrices."""

    __slots__ = ()


@frozen
class OpenHole:
    """The value of a ``?`` that has not been found yet; known by its place.

    Holes in one size (``3x?x?``) are meant to be equal and share a ``group``, the size's place.
    """

    span: Span
    group: Span


@frozen
class Broken:
    """The value of a constant whose own expression has none; using it adds no second error."""

    diagnostic: Diagnostic


Value: TypeAlias = (
    "int | float | bool | str | tuple[Value, ...] | range | Init | Layer | OpenHole | Broken"
)


class EvaluationError(Exception):
    """An expression that has no value, and the diagnostic that says why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


def evaluation_error(
    code: str, message: str, span: Span, help: str, label: str = ""
) -> EvaluationError:
    """An expression has no value, for this reason."""
    return EvaluationError(Diagnostic(code, message, span, label=label, help=help))


def follows(span: Span, message: str) -> EvaluationError:
    """Something has no value because of a mistake that is reported where it is, and not again."""
    help = "mend what comes before it"
    return EvaluationError(Diagnostic("CNN132", message, span, help=help, follows=True))


@mutable
class Constant:
    """A named value, where it was defined, and whether anything reads it."""

    value: Value
    span: Span
    used: bool = False


@mutable
class Constants:
    """The constants in scope; an inner scope sees what the outer one has."""

    outer: Constants | None = None
    own: dict[str, Constant] = field(default_factory=dict)
    streams: Container[str] | None = None
    """The names of the streams in sight, so that a stream in arithmetic is called one."""
    sizes: Callable[[Call], Value] | None = None
    """Reads a size of a stream, ``channels(NAME)``, where these constants are in scope."""
    told: Callable[[Span, Value], None] | None = None
    """Learns of every value that is named, here and in inner scopes."""

    def __post_init__(self) -> None:
        if self.told is None and self.outer is not None:
            self.told = self.outer.told

    def find(self, name: str) -> Constant | None:
        """The nearest constant of that name."""
        scope: Constants | None = self
        while scope is not None:
            if name in scope.own:
                return scope.own[name]
            scope = scope.outer
        return None

    def has_stream(self, name: str) -> bool:
        """Whether a stream is called so where these constants are in scope."""
        scope: Constants | None = self
        while scope is not None and scope.streams is None:
            scope = scope.outer
        return scope is not None and scope.streams is not None and name in scope.streams

    def size(self, call: Call) -> Value | None:
        """The value of ``channels(NAME)`` and its like; None where there are no streams."""
        scope: Constants | None = self
        while scope is not None and scope.sizes is None:
            scope = scope.outer
        return scope.sizes(call) if scope is not None and scope.sizes is not None else None

    def names(self) -> Iterator[str]:
        """All names in scope."""
        scope: Constants | None = self
        while scope is not None:
            yield from scope.own
            scope = scope.outer

    def define(self, name: str, value: Value, span: Span) -> None:
        """Name a value in this scope."""
        self.own[name] = Constant(value, span)
        if self.told is not None:
            self.told(span, value)


def show(value: Value) -> str:
    """A value as a spec would write it.

    >>> show((3, 1)), show(True), show(0.5)
    ('[3, 1]', 'yes', '0.5')
    """
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return f"[{', '.join(map(_shown_item, value))}]"
        case range():
            return f"{value.start}..{value.stop - 1}"
        case Init():
            return value.name if value.value is None else f"{value.name}({value.value:g})"
        case Layer():
            return value.keyword
        case OpenHole() | Broken():
            return "?"
        case _:
            return str(value)


def _shown_item(value: Value) -> str:
    """An item of a list; in a matrix of numbers, whole ones stand without a point."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < LARGEST
    return show(int(value) if whole else value)  # type: ignore[arg-type]


def brief(value: Value) -> str:
    """A value as a message shows it: of a long list only the beginning.

    >>> brief(tuple(range(20)))
    '[0, 1, 2, 3, 4, 5, 6, 7, …]'
    """
    if not isinstance(value, tuple):
        return show(value)
    if len(value) <= SHOWN_ITEMS:
        return _listed(value)
    return f"{_listed(value[:SHOWN_ITEMS])[:-1]}, …]"


def _listed(values: tuple[Value, ...]) -> str:
    items = (brief(one) if isinstance(one, tuple) else _shown_item(one) for one in values)
    return f"[{', '.join(items)}]"


def extent(value: Value) -> tuple[int, int]:
    """How many values a list holds, those of the lists in it included, and how deep these are.

    >>> extent((1, 2)), extent(3), extent(ListOfLists([(1, 2), (3, 4)]))
    ((2, 1), (0, 0), (6, 2))
    """
    if not isinstance(value, tuple):
        return 0, 0
    if not isinstance(value, ListOfLists):
        return len(value), 1
    inner = [extent(item) for item in value]
    return len(value) + sum(many for many, _ in inner), 1 + max(depth for _, depth in inner)


def holes_in(value: Value) -> Iterator[OpenHole]:
    """The open holes in a value."""
    if isinstance(value, OpenHole):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from holes_in(item)
