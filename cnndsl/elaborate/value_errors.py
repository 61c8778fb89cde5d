"""From what a schema has against a value to a diagnostic in the words of the spec."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, quoted, replacements, shorten
from cnndsl.elaborate.schema_errors import between, element, example, value_example
from cnndsl.elaborate.values import INITIALISERS, Constants, Value, brief, size_help
from cnndsl.frozen import frozen, replace
from cnndsl.layers.base import ItemError, Layer, Schema
from cnndsl.layers.init import NUMBERED
from cnndsl.syntax.ast import Expr, Identifier, List

__all__ = ["diagnose"]


def diagnose(
    schema: type[Schema],
    problem: Mapping[str, object],
    head: Identifier,
    values: Mapping[str, Value],
    written: Mapping[str, Expr],
    constants: Constants,
) -> Diagnostic:
    """One finding of pydantic's in the language of the spec.

    ``values`` are what was written by parameter, ``written`` the expressions, ``head`` the phrase's
    first word.
    """
    location = problem["loc"]
    assert isinstance(location, tuple)
    kind = str(problem["type"])
    name = str(location[0]) if location else ""
    if kind == "missing":
        return _missing(schema, head, name)
    span = written[name].span if name in written else head.span
    value: object = values.get(name)
    if len(location) > 1 and isinstance(location[1], int) and name in written:
        span, value = element(written[name], value, location[1])
    raw = problem.get("ctx")
    context = raw if isinstance(raw, Mapping) else {}
    error = context.get("error")
    if isinstance(error, ItemError) and name in written:
        return _item(_Wrong(schema, head, name, value, span), error, written[name], constants)
    wrong = _Wrong(schema, head, name, value, span)
    match kind:
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            return wrong.beyond(kind, context)
        case "literal_error" | "enum":
            return wrong.no_choice([word.strip(" '\"") for word in _expected(context)])
        case "value_error" | "assertion_error":
            return wrong.refused(str(problem["msg"]).removeprefix("Value error, "))
        case _ if isinstance(value, str):
            return wrong.unknown_word(kind, constants)
        case _:
            return wrong.of_another_kind(kind)


def _item(wrong: _Wrong, error: ItemError, expr: Expr, constants: Constants) -> Diagnostic:
    """What is wrong with one item of a list, said at its place."""
    value, at = wrong.value, expr
    span = expr.span
    for position in error.path:
        span, value = element(at, value, position)
        at = at.items[position] if isinstance(at, List) and position < len(at.items) else at
    found = replace(wrong, value=value, span=span)
    if isinstance(value, str):
        return found.unknown_word("float_type", constants)
    return found.of_item(str(error))


@frozen
class _Wrong:
    """A value that its schema does not take, and where it stands."""

    schema: type[Schema]
    head: Identifier
    name: str
    value: object
    span: Span

    @property
    def text(self) -> str:
        """The value as it is written."""
        return brief(self.value)  # type: ignore[arg-type]

    @property
    def what(self) -> str:
        """What the value is of, for a message."""
        if self.name == "value":
            return f"`{self.head.name}`"
        by_position = self.name in self.schema.positional
        return f"the {self.name} of `{self.head.name}`" if by_position else f"`{self.name}`"

    @property
    def written_like(self) -> str:
        """An example of what is right."""
        if self.name in self.schema.positional:
            return example(self.schema, self.head)
        return _pair(self.schema, self.name)

    def beyond(self, kind: str, context: Mapping[str, object]) -> Diagnostic:
        """A number outside its range."""
        bound = _bound(kind, context)
        near: tuple[str, ...] = ()
        help = f"write a number that is {bound}"
        if self.name == "shape" and self.value == -1:
            help = "write `?`, and claim the shape behind it: then the checker finds the number"
        if kind.startswith("less") and _is_share(context) and _is_percent(self.value):
            near = (f"{self.value / 100:g}",)  # type: ignore[operator]
            help = f"write `{near[0]}` for {self.text} per cent"
        return self._said("CNN205", f"{self.what} must be {bound}, not {self.text}", help, near)

    def no_choice(self, words: Sequence[str]) -> Diagnostic:
        """A word that is none of those to choose from."""
        text = self.text
        if (self.name, text) == ("padding", "causal"):
            help = "a list gives each side its cells: in one dimension `[2, 0]` for a kernel of 3"
            return self._said("CNN208", f"{self.what} cannot be `{text}`", help)
        near = (_OTHER_WORDS[text],) if _OTHER_WORDS.get(text) in words else closest(text, words)
        code = "CNN208" if isinstance(self.value, str) else "CNN204"
        if near and near[0] in NUMBERED:
            near = (f"{near[0]}(0.01)",)
        help = f"did you mean `{near[0]}`?" if near else f"write one of {quoted(words)}"
        return self._said(code, f"{self.what} cannot be `{text}`", help, near)

    def refused(self, message: str) -> Diagnostic:
        """What the schema itself has words against."""
        code = "CNN208" if isinstance(self.value, str) else "CNN205"
        help = f"write `{self.written_like}`"
        if self.text in INITIALISERS:
            name = self.head.name if self.name == "value" else self.name
            help = f"write `{name} {self.text}(0.01)`"
        return self._said(code, message, help)

    def of_item(self, message: str) -> Diagnostic:
        """What is wrong with a list, or with something in it."""
        text = "" if isinstance(self.value, tuple) else f", not `{self.text}`"
        help = f"write `{self.written_like}`"
        between = ": " if message.startswith(("row", "item")) else " "
        return self._said("CNN204", f"{self.what}{between}{message}{text}", help)

    def unknown_word(self, kind: str, constants: Constants) -> Diagnostic:
        """A name that is no constant."""
        near = closest(self.text, tuple(constants.names()))
        help = f"define it first, or write {_kind(kind)}, as in `{self.written_like}`"
        help = size_help(self.text) or help
        help = f"did you mean `{near[0]}`?" if near else help
        return self._said("CNN102", f"nothing is called `{self.text}` here", help, near)

    def of_another_kind(self, kind: str) -> Diagnostic:
        """A fraction, a list, yes or no where something else is needed."""
        value = self.value
        near: tuple[str, ...] = ()
        help = f"write `{self.written_like}`"
        if kind == "dataclass_exact_type":
            help = f"write `{self.name} normal({self.text})`" if type(value) is float else help
        elif isinstance(value, float) and re.fullmatch(r"-?[0-9.e]+", self.span.text):
            help, near = _nearest_whole(value)
        elif isinstance(value, float):
            help = f"write `({shorten(self.span.text)})//1`, which rounds down"
        message = f"{self.what} must be {_kind(kind)}, not `{self.text}`"
        return self._said("CNN204", message, help, near)

    def _said(self, code: str, message: str, help: str, near: tuple[str, ...] = ()) -> Diagnostic:
        fixes = replacements(self.span, near, self.text)
        return Diagnostic(code, message, self.span, help=help, fixes=fixes)


_OTHER_WORDS = {
    "xavier": "glorot",
    "kaiming": "he",
    "he_normal": "he",
    "glorot_uniform": "glorot",
    "lecun_normal": "lecun",
    "gaussian": "normal",
}
"""Words of other tools for ours."""


def _is_share(context: Mapping[str, object]) -> bool:
    """Whether the bound that a number exceeds is 1."""
    return 1 in (context.get("lt"), context.get("le"))


def _is_percent(value: object) -> bool:
    return isinstance(value, int | float) and 10 <= value <= 100


def _nearest_whole(value: float) -> tuple[str, tuple[str, ...]]:
    """Help for a number that should be whole, and the number where there is one."""
    lower = int(value)
    if value == lower:
        return f"write `{lower}`", (str(lower),)
    numbers = [lower, lower + 1] if lower > 0 else [1]
    return f"write {quoted(numbers, ' or ')}", ()


def _pair(schema: type[Schema], name: str) -> str:
    """An attribute with an example of its value, as a phrase writes it, or as a join does."""
    sign = " = " if issubclass(schema, Layer) and schema.joins else " "
    return f"{name}{sign}{value_example(schema, name)}"


def _missing(schema: type[Schema], head: Identifier, name: str) -> Diagnostic:
    wanted, written = f"`{name}`", f"{head.name} {_pair(schema, name)}"
    if issubclass(schema, Layer) and schema.joins:
        written = f"{head.name}({', '.join(schema.roles)}, {_pair(schema, name)})"
    if name in schema.positional:
        words = " and " if schema.spaced else between(schema)
        wanted, written = words.join(schema.positional), example(schema, head)
    if name == "value":
        wanted = "a value"
    return Diagnostic(
        "CNN202", f"`{head.name}` needs {wanted}", head.span, help=f"write `{written}`"
    )


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
        "dataclass_exact_type": "an initialiser",
        "finite_number": "a finite number",
        "is_instance_of": "a range",
    }
    return kinds.get(error, "another kind of value")
