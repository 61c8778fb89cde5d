"""Turns the statements about a network (input, train) into what they declare."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TypeVar

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Report
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, quoted, replacements, shorten
from cnndsl.elaborate.bind import bind
from cnndsl.elaborate.bound import Bound
from cnndsl.elaborate.evaluate import evaluate
from cnndsl.elaborate.network import InputNode
from cnndsl.elaborate.schema_errors import element, foreign_letters
from cnndsl.elaborate.values import Constants, Value, brief, holes_in
from cnndsl.layers.base import MAX_SIZE, Schema, ShapeFault
from cnndsl.recipe.preparation import Preparation
from cnndsl.syntax.ast import (
    Expr,
    Input,
    List,
    Name,
    Number,
    Setting,
    Size,
)
from cnndsl.syntax.post_parse_errors import new_line_missing
from cnndsl.types import DType, TensorType

__all__ = [
    "given_twice",
    "input_node",
    "input_sizes",
    "joined",
    "unknown_setting",
    "validated",
]

S = TypeVar("S", bound=Schema)


# --- input ------------------------------------------------------------------------------------


def input_sizes(statement: Input, constants: Constants, report: Report) -> tuple[Value, ...] | None:
    """The sizes that an ``input`` states, holes left open; None where they make no sense."""
    arguments = _size_arguments(statement)
    value = evaluate(arguments[0], constants) if arguments else ()
    sizes = value if isinstance(value, tuple) else (value,)
    problem: Diagnostic | None = None
    if not sizes:
        help = "write channels x height x width, as in `input 3x224x224`"
        problem = Diagnostic("CNN202", "`input` needs its sizes", statement.span, help=help)
    elif len(arguments) > 1 and not _is_tokens(statement):
        problem = _sizes_apart(arguments)
    else:
        problem = _wrong_size(arguments[0], value, sizes)
    if problem is not None:
        report.add(problem)
    return None if problem else sizes


def _wrong_size(expr: Expr, value: Value, sizes: tuple[Value, ...]) -> Diagnostic | None:
    """``input 0x28x28``, ``input 3x28.5x28``, and sizes of too many dimensions."""
    for index, size in enumerate(sizes):
        good = isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= MAX_SIZE
        if not good and not any(True for _ in holes_in(size)):
            return Diagnostic(
                "CNN205" if type(size) in (int, float) else "CNN204",
                f"an input's size must be a whole number from 1 to {MAX_SIZE}, not `{brief(size)}`",
                element(expr, value, index)[0],
                help="write channels x height x width, as in `input 3x224x224`",
            )
    if len(sizes) > 4:
        return Diagnostic(
            "CNN308",
            f"an input has at most three spatial dimensions, not {len(sizes) - 1}",
            expr.span,
            help="write channels x depth x height x width at most; the batch is not written",
        )
    return None


def _sizes_apart(arguments: Sequence[Expr]) -> Diagnostic:
    """``input 3 224 224``."""
    if isinstance(arguments[1], Name):
        return new_line_missing(arguments[0].span, arguments[1].span)
    help = "write all sizes in one word, as in `input 3x224x224`"
    fixes: tuple[Fix, ...] = ()
    joined = "x".join(argument.span.text for argument in arguments)
    if all(isinstance(a, Number | Size) for a in arguments) and joined.replace("x", "").isdecimal():
        help = f"write `input {joined}`"
        whole = arguments[0].span.to(arguments[-1].span)
        fixes = (Fix(help, (Edit(whole, joined),), safe=True),)
    span = arguments[1].span
    message = f"`input` has no place for `{shorten(span.text)}`"
    return Diagnostic("CNN203", message, span, help=help, fixes=fixes)


def _is_tokens(statement: Input) -> bool:
    return _tokens_position(statement) is not None


def _tokens_position(statement: Input) -> int | None:
    """Where the arguments of ``tokens`` begin; the word may have been read as the input's name."""
    first = statement.arguments[0] if statement.arguments else None
    if isinstance(first, Name) and first.name == "tokens":
        return 1
    if statement.name is not None and statement.name.name == "tokens":
        return 0
    return None


def _size_arguments(statement: Input) -> Sequence[Expr]:
    return statement.arguments[_tokens_position(statement) or 0 :]


def input_node(
    statement: Input, sizes: tuple[int, ...], name: str, constants: Constants, report: Report
) -> InputNode:
    """The input that a statement declares, its preparation checked."""
    vocabulary = _vocabulary(statement, constants, report) if _is_tokens(statement) else None
    dtype = DType.INT64 if _is_tokens(statement) else DType.FLOAT32
    kind = TensorType(sizes, dtype, vocabulary)
    preparation = Preparation()
    if statement.settings:
        from cnndsl.recipe.preparation import SETTINGS, prepare

        found = _settings(statement.settings, SETTINGS, "input", constants, report)
        preparation = prepare({setting.name.name: schema for setting, schema in found})
        places = {setting.name.name: setting.span for setting, _ in found}
        for fault in preparation.faults(kind):
            report.add(_fault(fault, places, statement.span))
    return InputNode(name, kind, preparation, statement.span)


def _fault(fault: ShapeFault, places: Mapping[str, Span], whole: Span) -> Diagnostic:
    span = next((places[name] for name in fault.blame if name in places), whole)
    return Diagnostic(fault.code, fault.message, span, fault.label, help=fault.help)


def _vocabulary(statement: Input, constants: Constants, report: Report) -> int | None:
    arguments = _size_arguments(statement)
    match arguments[1:]:
        case [Name(name="vocabulary"), size]:
            value = evaluate(size, constants)
            if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SIZE:
                return value
            span, what = size.span, f"`vocabulary` must be a whole number from 1 on, not {value}"
        case []:
            span, what = statement.span, "`input tokens` needs a `vocabulary`"
        case [surplus, *_]:
            span, what = (
                surplus.span,
                f"`input tokens` has no place for `{shorten(surplus.span.text)}`",
            )
    report.add(
        Diagnostic(
            "CNN202" if len(arguments) == 1 else "CNN203",
            what,
            span,
            help="write `input tokens 56 vocabulary 20000`",
        )
    )
    return None


# --- settings ---------------------------------------------------------------------------------


def _settings(
    settings: Sequence[Setting],
    schemas: Mapping[str, type[Schema]],
    where: str,
    constants: Constants,
    report: Report,
) -> list[tuple[Setting, Schema]]:
    """Bind settings that each have one schema and stand once."""
    found: list[tuple[Setting, Schema]] = []
    first: dict[str, Span] = {}
    for setting in settings:
        name = setting.name.name
        if name not in schemas:
            report.add(unknown_setting(setting, tuple(schemas), where))
        elif name in first:
            report.add(given_twice(setting, first[name]))
        elif apart := joined(setting, tuple(schemas), where, schemas[name].model_fields):
            report.add(apart)
        else:
            values = _as_list(setting) if name == "range" else setting.values
            value = validated(bind(schemas[name], setting.name, values, constants, report), report)
            if value is not None:
                found.append((setting, value))
        first.setdefault(name, setting.name.span)
    return found


def joined(
    setting: Setting, names: Sequence[str], where: str, taken: Container[str] = ()
) -> Diagnostic | None:
    """Whether other settings go on in the same line: ``batch 128 epochs 20``.

    Those may be in pieces, or have the name of another tool. ``taken`` are words that may stand
    there.
    """
    found: list[tuple[int, Span, str]] = []
    for at, before in enumerate(setting.values[:-1], start=1):
        meant = _setting_at(setting.values[at:], names, where, taken)
        if meant is not None and not (found and setting.values[at].span.start < found[-1][1].end):
            found.append((before.span.end, *meant))
    if not found:
        return None
    source = setting.span.source
    edits = tuple(Edit(Span(source, end, place.end), f"\n  {ours}") for end, place, ours in found)
    _, place, ours = found[0]
    what = f"`{ours}` is a setting of its own"
    if place.text != ours:
        what = f"`{shorten(place.text)}` is the setting `{ours}`"
    every = " and ".join(f"`{ours}`" for _, _, ours in found)
    as_here = all(place.text == ours for _, place, ours in found)
    help = f"begin a new line before {every}" if as_here else f"write {every} in a new line"
    return Diagnostic(
        "CNN201",
        f"{what}, not a part of `{setting.name.name}`",
        place,
        help=help,
        fixes=(Fix(help, edits, safe=True),),
    )


def _setting_at(
    values: Sequence[Expr], names: Sequence[str], where: str, taken: Container[str] = ()
) -> tuple[Span, str] | None:
    """The setting that values begin with, where its name is written and what it is here.

    By another name than ours it is one where a number follows: else it may be a value.
    """
    first = values[0]
    if not isinstance(first, Name) or first.name in taken:
        return None
    if first.name in names:
        return first.span, first.name
    for word, place, rest in _words_at(values):
        if not (rest and isinstance(rest[0], Number)):
            continue
        from cnndsl.recipe.absent import other_setting  # a right spec has few such words

        ours, _ = (word, "") if word in names else other_setting(where, word, "") or ("", "")
        if ours:
            return place, ours
    return None


def _words_at(values: Sequence[Expr]) -> Iterator[tuple[str, Span, Sequence[Expr]]]:
    """The words that values may begin with, their places, and what stands behind each.

    These are two names as one, ``weight decay``, and the first alone.
    """
    match values:
        case [Name(one, place), Name(other, end), *rest]:
            yield f"{one}_{other}", place.to(end), rest
    match values:
        case [Name(one, place), *rest]:
            yield one, place, rest


def _as_list(setting: Setting) -> Sequence[Expr]:
    """``range 0 1`` is ``range [0, 1]``."""
    if len(setting.values) != 2:
        return setting.values
    return (List(setting.values, setting.values[0].span.to(setting.values[1].span)),)


def validated(bound: Bound[S] | None, report: Report) -> S | None:
    """The setting's value; None where it is wrong, or has a hole, which nothing could determine."""
    if bound is None:
        return None
    for value in bound.values.values():
        for hole in holes_in(value):
            report.add(
                Diagnostic(
                    "CNN406",
                    "`?` cannot stand in a setting: no claim could determine it",
                    hole.span,
                    help="write the value",
                )
            )
            return None
    return bound.validate()


def unknown_setting(setting: Setting, known: Sequence[str], where: str) -> Diagnostic:
    """CNN501: no setting is called so; with the name that was probably meant."""
    from cnndsl.recipe.absent import other_setting  # a right spec does not need it

    name = setting.name
    if not name.name.isascii():
        return foreign_letters(name.name, name.span)
    near = closest(name.name, known)
    fixes = replacements(name.span, near)
    message = f"`{where}` has no setting"
    behind = setting.span.text[len(name.name) :].strip() if "\n" not in setting.span.text else ""
    for word, place, _ in _words_at((Name(name.name, name.span), *setting.values)):
        value = shorten(behind.removeprefix(word[len(name.name) + 1 :]).strip())
        other = (word, "") if word in known else other_setting(where, word, value)
        if other is None:
            continue
        ours, help = other
        if ours:
            help = f"in cnndsl it is called `{ours}`"
            fixes = (Fix(f"write `{ours}`", (Edit(place, ours),), safe=True),)
        message = f"{message} `{shorten(place.text)}`"
        return Diagnostic("CNN501", message, place, help=help, fixes=fixes if ours else ())
    return Diagnostic(
        "CNN501",
        f"{message} `{shorten(name.name)}`",
        name.span,
        help=f"did you mean `{near[0]}`?" if near else f"its settings are {quoted(known)}",
        fixes=fixes,
    )


def given_twice(setting: Setting, first: Span) -> Diagnostic:
    """CNN206, with the place of the first."""
    return Diagnostic(
        "CNN206",
        f"`{setting.name.name}` is given twice",
        setting.name.span,
        labels=(Label(first, "given here first"),),
        help=f"keep one `{setting.name.name}`",
    )
