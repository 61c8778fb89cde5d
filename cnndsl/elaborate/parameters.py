"""Turns the values that a caller gives for ``param`` statements into values of the language."""

from __future__ import annotations

from collections.abc import Mapping

from cnndsl.diagnostics.model import Report, UserError
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.evaluate import evaluate
from cnndsl.elaborate.values import EVERY_WORD, Constants, EvaluationError, Value
from cnndsl.syntax.ast import Let
from cnndsl.syntax.parser import parse

__all__ = ["parameter_values"]


def parameter_values(given: Mapping[str, object]) -> dict[str, Value]:
    """Values by name; text is read as the spec would read it.

    >>> parameter_values({"classes": "10", "width": 0.5, "deep": "yes"})
    {'classes': 10, 'width': 0.5, 'deep': True}

    Raises:
        UserError: CNN114 for a value that the language does not have.
    """
    return {name: _value(name, value) for name, value in given.items()}


def _value(name: str, value: object) -> Value:
    match value:
        case bool() | int() | float():
            return value
        case list() | tuple():
            return tuple(_value(name, item) for item in value)
        case str():
            return _read(name, value)
        case _:
            raise _unusable(name, str(value))


def _read(name: str, text: str) -> Value:
    report = Report()
    module = parse(Source(f"-D {name}", f"let value = {text}\n"), report)
    match module.statements:
        case [Let(value=expr)] if not report.failed:
            try:
                return evaluate(expr, Constants(), words=EVERY_WORD)
            except EvaluationError as error:
                raise _unusable(name, text, error.diagnostic.message) from None
        case _:
            raise _unusable(name, text)


def _unusable(name: str, text: str, why: str = "") -> UserError:
    return UserError(
        "CNN114",
        f"`{name}` cannot be `{text}`",
        notes=(why,) if why else (),
        help="give a number, `yes`, `no`, a word or a list such as `[64, 128]`",
    )
