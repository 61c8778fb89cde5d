"""Turns a phrase (``conv 6@5x5 stride 2``) into what its schema makes of it.

The schema alone says what the words mean: its positional parameters come first, then pairs of an
attribute's name and its value, in any order. Problems become diagnostics at the word at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

from pydantic import ValidationError

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Report
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.suggest import closest
from cnndsl.frozen import frozen
from cnndsl.layers import find, keywords
from cnndsl.layers.base import Schema
from cnndsl.semantics.evaluate import (
    EVERY_WORD,
    Constants,
    EvaluationError,
    Value,
    evaluate,
    holes_in,
    show,
)
from cnndsl.syntax.ast import At, Expr, Identifier, List, Name, Number, Size

__all__ = ["Bound", "bind", "unknown_layer"]

S = TypeVar("S", bound=Schema)


@frozen
class Bound(Generic[S]):
    """A phrase understood: the schema, the values written, where each of them stands."""

    schema: type[S]
    values: Mapping[str, Value]
    places: Mapping[str, Span]

    def validate(self, **defaults: Value) -> S:
        """The schema's object of these values; equal values give the same object.

        Raises:
            ValidationError: where the schema refuses them, which :func:`bind` has ruled out for
                a phrase without holes.
        """
        values = {**defaults, **self.values}
        return _validate(self.schema, values)

    @property
    def has_holes(self) -> bool:
        """Whether a value is still to be found."""
        return any(True for value in self.values.values() for _ in holes_in(value))


def bind(
    schema: type[S],
    head: Identifier,
    arguments: Sequence[Expr],
    constants: Constants,
    report: Report,
) -> Bound[S] | None:
    """Sort the expressions behind a phrase's first word into the schema's parameters.

    Gives None where something is wrong with them; the report says what.
    """
    return _Binder(schema, head, constants, report).bind(arguments)


class _Binder(Generic[S]):
    """Binds one phrase."""

    def __init__(
        self, schema: type[S], head: Identifier, constants: Constants, report: Report
    ) -> None:
        self.schema = schema
        self.head = head
        self.constants = constants
        self.report = report
        self.values: dict[str, Value] = {}
        self.written: dict[str, Expr] = {}
        self.failed = False

    def bind(self, arguments: Sequence[Expr]) -> Bound[S] | None:
        """Take the positional arguments, then the pairs, then let the schema judge."""
        rest = self._positional(arguments)
        while rest:
            rest = self._attribute(rest)
        if self.failed:
            return None
        places = {name: expr.span for name, expr in self.written.items()}
        bound = Bound(self.schema, self.values, places)
        problems = _problems(bound, self.head, self.written, self.constants)
        self.report.extend(problems)
        return None if problems else bound

    # --- positional arguments ---

    def _positional(self, arguments: Sequence[Expr]) -> Sequence[Expr]:
        names = self.schema.positional
        if not names or not arguments:
            return arguments
        first = arguments[0]
        pairs_only = len(arguments) % 2 == 0 or not self._is_constant(first)
        if self._names_attribute(first) and pairs_only:
            return arguments
        if len(names) == 1:
            if isinstance(first, At):
                self._fail("CNN203", f"`{self.head.name}` takes no `@`", first.span, self._usage())
            else:
                self._take(names[0], first)
        elif isinstance(first, At):
            self._take(names[0], first.count)
            self._take(names[1], first.size)
        else:
            self._needs_at(first, arguments[1:2])
        return arguments[1:]

    def _needs_at(self, first: Expr, following: Sequence[Expr]) -> None:
        """``conv 64`` or ``conv 64 3`` where ``conv 64@3`` is meant."""
        filters, kernel = self.schema.positional
        word = self.head.name
        message = f"`{word}` needs {filters}@{kernel}, not `{_shorten(first.span.text)}`"
        fixes: tuple[Fix, ...] = ()
        help = f"write `{word} {_shorten(first.span.text)}@3` for a {kernel} of 3"
        if isinstance(first, Size | List):
            help = f"write `{word} 16@{_shorten(first.span.text)}` for 16 {filters}"
        if following and isinstance(following[0], Size | Number):
            gap = Span(first.span.source, first.span.end, following[0].span.start)
            joined = f"{first.span.text}@{following[0].span.text}"
            help = f"write `{self.head.name} {joined}`"
            fixes = (Fix(f"write `{joined}`", (Edit(gap, "@"),), safe=True),)
            self.values.setdefault(kernel, 1)
        self._fail("CNN202", message, first.span, help, fixes=fixes)

    # --- attributes ---

    def _attribute(self, rest: Sequence[Expr]) -> Sequence[Expr]:
        """Take one attribute and its value off the front of what is left."""
        head, *following = rest
        if not isinstance(head, Name):
            if not self.failed:
                self._surplus(head)
            return following
        if head.name not in self.schema.model_fields:
            self._unknown(head)
            return following[1:] if following and not self._starts_pair(following[0]) else following
        if not following or self._lacks_value(following):
            self._fail(
                "CNN207",
                f"`{head.name}` has no value",
                head.span,
                f"write `{head.name} {_example(self.schema, head.name)}`",
            )
            return following
        if head.name in self.written:
            self._fail(
                "CNN206",
                f"`{head.name}` is given twice",
                head.span,
                f"keep one `{head.name}`",
            )
        else:
            self._take(head.name, following[0])
        return following[1:]

    def _lacks_value(self, following: Sequence[Expr]) -> bool:
        """Whether what follows an attribute's name is the next pair, not its value."""
        first = following[0]
        return (
            self._names_attribute(first)
            and not self._is_constant(first)
            and len(following) % 2 == 0
        )

    def _names_attribute(self, expr: Expr) -> bool:
        return isinstance(expr, Name) and expr.name in self.schema.model_fields

    def _is_constant(self, expr: Expr) -> bool:
        return isinstance(expr, Name) and self.constants.find(expr.name) is not None

    def _starts_pair(self, expr: Expr) -> bool:
        return self._names_attribute(expr) or (
            isinstance(expr, Name) and find(expr.name) is not None
        )

    def _surplus(self, expr: Expr) -> None:
        text = _shorten(expr.span.text)
        self._fail(
            "CNN203",
            f"`{self.head.name}` has no place for `{text}`",
            expr.span,
            self._usage(),
        )

    def _unknown(self, name: Name) -> None:
        if find(name.name) is not None:
            arrow = Edit(Span(name.span.source, name.span.start, name.span.start), "-> ")
            self._fail(
                "CNN201",
                f"`{name.name}` is a layer, not an attribute of `{self.head.name}`",
                name.span,
                f"put `->` before `{name.name}`",
                fixes=(Fix(f"put `->` before `{name.name}`", (arrow,), safe=True),),
            )
            return
        near = closest(name.name, tuple(self.schema.model_fields))
        fixes = (
            (Fix(f"write `{near[0]}`", (Edit(name.span, near[0]),), safe=len(near) == 1),)
            if near
            else ()
        )
        self._fail(
            "CNN201",
            f"`{self.head.name}` has no attribute `{name.name}`",
            name.span,
            f"did you mean `{near[0]}`?" if near else self._usage(),
            fixes=fixes,
        )

    # --- both ---

    def _take(self, name: str, expr: Expr) -> None:
        self.written[name] = expr
        try:
            self.values[name] = evaluate(expr, self.constants, words=EVERY_WORD)
        except EvaluationError as error:
            self.report.add(error.diagnostic)
            self.failed = True

    def _fail(
        self, code: str, message: str, span: Span, help: str, fixes: tuple[Fix, ...] = ()
    ) -> None:
        self.report.add(Diagnostic(code, message, span, help=help, fixes=fixes))
        self.failed = True

    def _usage(self) -> str:
        """What the phrase can say, as help."""
        attributes = [n for n in self.schema.model_fields if n not in self.schema.positional]
        usage = f"write `{_usage(self.schema, self.head)}`"
        if attributes:
            return f"{usage}; its attributes are {', '.join(f'`{name}`' for name in attributes)}"
        return usage


def _usage(schema: type[Schema], head: Identifier) -> str:
    """An example of the phrase, without attributes: ``conv 16@3``."""
    positional = "@".join(_example(schema, name) for name in schema.positional)
    return f"{head.name} {positional}" if positional else head.name


def _validate(schema: type[S], values: Mapping[str, Value]) -> S:
    found: S = _validated(schema, tuple(values.items()), repr(values))
    return found


@lru_cache(maxsize=4096)
def _validated(schema: type[S], values: tuple[tuple[str, Value], ...], written: str) -> S:
    # `written` tells apart what Python holds to be equal: 1, 1.0 and `yes`.
    if not values and not any(field.is_required() for field in schema.model_fields.values()):
        return schema.model_construct()  # the defaults, without building a validator first
    return schema.model_validate(dict(values))


def _problems(
    bound: Bound[S], head: Identifier, written: Mapping[str, Expr], constants: Constants
) -> tuple[Diagnostic, ...]:
    """What the schema has against the values; holes are not judged."""
    values = bound.values
    open_names = {name for name, value in values.items() if any(True for _ in holes_in(value))}
    if open_names:
        values = {name: 1 if name in open_names else value for name, value in values.items()}
    try:
        _validate(bound.schema, values)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=True)
        found = [
            _diagnose(bound.schema, dict(problem), head, values, written, constants)
            for problem in problems
            if not problem["loc"] or problem["loc"][0] not in open_names
        ]
        return tuple({(item.code, item.span): item for item in reversed(found)}.values())[::-1]
    return ()


def _diagnose(
    schema: type[Schema],
    problem: Mapping[str, object],
    head: Identifier,
    values: Mapping[str, Value],
    written: Mapping[str, Expr],
    constants: Constants,
) -> Diagnostic:
    """One finding of pydantic's in the language of the spec."""
    location = problem["loc"]
    assert isinstance(location, tuple)
    kind = str(problem["type"])
    name = str(location[0]) if location else ""
    if kind == "missing":
        return _missing(schema, head, name)
    span = written[name].span if name in written else head.span
    value: object = values.get(name)
    if len(location) > 1 and isinstance(location[1], int) and name in written:
        span, value = _element(written[name], value, location[1])
    raw = problem.get("ctx")
    context = raw if isinstance(raw, Mapping) else {}
    text = show(value)  # type: ignore[arg-type]
    near: tuple[str, ...] = ()
    by_position = name in schema.positional
    written_like = _usage(schema, head) if by_position else f"{name} {_example(schema, name)}"
    match kind:
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            bound = _bound(kind, context)
            what = f"the {name} of `{head.name}`" if by_position else f"`{name}`"
            code, message = "CNN205", f"{what} must be {bound}, not {text}"
            help = f"write a number that is {bound}"
        case "literal_error" | "enum":
            words = [word.strip(" '\"") for word in _expected(context)]
            near = closest(text, words)
            code = "CNN208" if isinstance(value, str) else "CNN204"
            message = f"`{name}` cannot be `{text}`"
            help = (
                f"did you mean `{near[0]}`?"
                if near
                else f"write one of {', '.join(f'`{word}`' for word in words)}"
            )
        case "value_error" | "assertion_error":
            code = "CNN208" if isinstance(value, str) else "CNN205"
            message = str(problem["msg"]).removeprefix("Value error, ")
            help = f"write `{written_like}`"
        case _ if isinstance(value, str):
            code, message = "CNN102", f"nothing is called `{text}` here"
            near = closest(text, tuple(constants.names()))
            help = f"define it first, or write {_kind(kind)}, as in `{written_like}`"
            help = f"did you mean `{near[0]}`?" if near else help
        case _:
            what = f"the {name} of `{head.name}`" if by_position else f"`{name}`"
            code, message = "CNN204", f"{what} must be {_kind(kind)}, not `{text}`"
            help = f"write `{written_like}`"
    fixes = (
        (Fix(f"write `{near[0]}`", (Edit(span, near[0]),), safe=len(near) == 1),) if near else ()
    )
    return Diagnostic(code, message, span, help=help, fixes=fixes)


def _missing(schema: type[Schema], head: Identifier, name: str) -> Diagnostic:
    wanted, example = name, f"{head.name} {name} {_example(schema, name)}"
    if name in schema.positional:
        wanted, example = "@".join(schema.positional), _usage(schema, head)
    return Diagnostic(
        "CNN202", f"`{head.name}` needs {wanted}", head.span, help=f"write `{example}`"
    )


def _element(expr: Expr, value: object, index: int) -> tuple[Span, object]:
    """The place and value of one element of a size or list; the whole where it was one number."""
    items = expr.dims if isinstance(expr, Size) else expr.items if isinstance(expr, List) else ()
    if index < len(items) and isinstance(value, tuple):
        return items[index].span, value[index]
    return expr.span, value


def _bound(kind: str, context: Mapping[str, object]) -> str:
    words = {
        "greater_than_equal": ("ge", "at least"),
        "less_than_equal": ("le", "at most"),
        "greater_than": ("gt", "greater than"),
        "less_than": ("lt", "less than"),
    }
    key, text = words[kind]
    limit = context.get(key)
    return f"{text} {limit:g}" if isinstance(limit, float) else f"{text} {limit}"


def _expected(context: Mapping[str, object]) -> list[str]:
    return str(context.get("expected", "")).replace(" or ", ", ").split(", ")


def _kind(error: str) -> str:
    """What a schema wanted, from the name of pydantic's error."""
    kinds = {
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "bool_type": "`yes` or `no`",
        "string_type": "a word",
        "tuple_type": "a size",
        "dataclass_type": "an initialiser",
        "is_instance_of": "an initialiser",
        "finite_number": "a finite number",
    }
    return kinds.get(error, "another kind of value")


def _example(schema: type[Schema], name: str) -> str:
    """A value that the parameter could have, for help lines."""
    field = schema.model_fields[name]
    if field.examples:
        return str(field.examples[0])
    default = field.get_default(call_default_factory=True)
    if default is None or field.is_required():
        return {"filters": "16", "units": "10", "kernel": "3"}.get(name, "1")
    if isinstance(default, tuple):
        return "x".join(map(str, default))
    return show(default)


def _shorten(text: str, limit: int = 40) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def unknown_layer(head: Identifier, others: Sequence[str]) -> Diagnostic:
    """CNN101: nothing is called so; with the name that was probably meant."""
    from cnndsl.layers import FOREIGN

    foreign = FOREIGN.get(head.name)
    near = (foreign,) if foreign else closest(head.name, (*keywords(), *others))
    fixes: tuple[Fix, ...] = ()
    help = "`cnndsl explain CNN101` lists where the layers are documented"
    if near:
        help = f"in cnndsl it is called `{near[0]}`" if foreign else f"did you mean `{near[0]}`?"
        safe = len(near) == 1
        fixes = (Fix(f"write `{near[0]}`", (Edit(head.span, near[0]),), safe=safe),)
    return Diagnostic(
        "CNN101", f"there is no layer or block `{head.name}`", head.span, help=help, fixes=fixes
    )
