"""The leaves of the syntax tree, which hold no expressions but literals. Part of :mod:`.ast`."""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Span
from cnndsl.frozen import frozen

__all__ = [
    "Broken",
    "Classes",
    "ClassesFile",
    "Hole",
    "Identifier",
    "Import",
    "Name",
    "NetworkName",
    "Number",
    "Output",
    "Passage",
    "RoundingRule",
    "Size",
    "Text",
]


@frozen
class Identifier:
    """A name where it is defined or used as a label: ``C1``."""

    name: str
    span: Span


@frozen
class Number:
    """``4``, ``0.75``, ``1e-3``: an int where it was written as one."""

    value: int | float
    span: Span


@frozen
class Text:
    """``"labels.txt"``, without its quotes."""

    value: str
    span: Span


@frozen
class Hole:
    """``?``: a number that the checker finds."""

    span: Span


@frozen
class Name:
    """A name in an expression: a constant, a keyword of a schema (``same``, ``yes``) or a stream.

    Dotted names (``stem.conv1``) reach into the scope of a labelled block call.
    """

    name: str
    span: Span


@frozen
class Size:
    """``5x5``, ``1x32x32``, ``3x?x?``: two or more literal sizes in one word."""

    dims: tuple[Number | Hole, ...]
    span: Span


# --- statements of names and texts ---------------------------------------------------------------


@frozen
class NetworkName:
    """``network lenet5``."""

    name: Identifier
    span: Span


@frozen
class Classes:
    """``classes "cat", "dog"``."""

    names: tuple[Text, ...]
    span: Span


@frozen
class ClassesFile:
    """``classes from "labels.txt"``: one name a line."""

    path: Text
    span: Span


@frozen
class Output:
    """``output aux1, aux2``: further outputs."""

    names: tuple[Name, ...]
    span: Span


@frozen
class Import:
    """``import "blocks.cnn"``."""

    path: Text
    span: Span


@frozen
class RoundingRule:
    """``rounding ceil`` for what follows in this file or body."""

    rule: Identifier
    span: Span


# --- what is no statement ------------------------------------------------------------------------


@frozen
class Broken:
    """A statement that could not be read, and the names that it seems to define.

    What follows from its absence (an unknown label, a size that does not fit) is no mistake.
    """

    names: tuple[str, ...]
    span: Span


@frozen
class Passage:
    """A piece of another language, and what is said of it.

    ``gap`` are its place and the names that it defines, ``calls`` its first calls of layers.
    """

    gap: Broken
    diagnostic: Diagnostic
    calls: tuple[str, ...] = ()
