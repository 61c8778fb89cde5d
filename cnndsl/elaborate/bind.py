"""Turns a phrase (``conv 6@5x5 stride 2``) into what its schema makes of it.

The schema alone says what the words mean: its positional parameters come first, then pairs of an
attribute's name and its value, in any order. Problems become diagnostics at the word at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Generic, TypeVar, get_args

from pydantic import ValidationError

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Report
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, quoted, replacements, shorten
from cnndsl.elaborate.bound import Bound, closed, takes_lists, validate
from cnndsl.elaborate.evaluate import evaluate
from cnndsl.elaborate.schema_errors import example, foreign_letters, value_example
from cnndsl.elaborate.values import (
    EVERY_WORD,
    Constants,
    EvaluationError,
    ListOfLists,
    Value,
    holes_in,
)
from cnndsl.frozen import replace
from cnndsl.layers import FOREIGN_ATTRIBUTES, find
from cnndsl.layers.base import Layer, Schema
from cnndsl.syntax.ast import At, Binary, Expr, Identifier, List, Name, Number, Size, Text, Unary
from cnndsl.syntax.post_parse_errors import comment_in_slashes

__all__ = ["bind"]

S = TypeVar("S", bound=Schema)

MOST_SIZES = 16
"""No layer works along more dimensions."""


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
        rest = self._positional(self._joined(self._uncommented(arguments)))
        while rest:
            rest = self._attribute(rest)
        if self.failed:
            return None
        places = {name: expr.span for name, expr in self.written.items()}
        bound = Bound(self.schema, self.values, places)
        problems = _problems(bound, self.head, self.written, self.constants)
        self.report.extend(problems)
        return None if problems else bound

    def _uncommented(self, arguments: Sequence[Expr]) -> Sequence[Expr]:
        """The arguments up to what looks like a comment of another language, ``// like this``."""
        for at, argument in enumerate(arguments):
            last = argument.size if isinstance(argument, At) else argument
            if not (isinstance(last, Binary) and last.operator == "//"):
                continue
            if isinstance(last.right, Name) and not self._is_constant(last.right):
                self.report.add(comment_in_slashes(last))
                kept = replace(argument, size=last.left) if argument is not last else last.left
                return (*arguments[:at], kept)
        return arguments

    def _joined(self, arguments: Sequence[Expr]) -> Sequence[Expr]:
        """The arguments up to a sign that stands for an arrow, ``> relu``."""
        lasts = (item.size if isinstance(item, At) else item for item in arguments)
        if any(isinstance(one, Binary) and not isinstance(one.right, Number) for one in lasts):
            from cnndsl.elaborate.phrase_errors import sign_for_arrow

            if found := sign_for_arrow(arguments, self._is_constant):
                self.report.add(found[0])
                self.failed = True
                return found[1]
        return arguments

    # --- positional arguments ---

    def _positional(self, arguments: Sequence[Expr]) -> Sequence[Expr]:
        names = self.schema.positional
        if not names or not arguments:
            return arguments
        first = arguments[0]
        pairs_only = len(arguments) % 2 == 0 or not self._is_constant(first)
        ours = FOREIGN_ATTRIBUTES.get(first.name) if isinstance(first, Name) else None
        foreign = ours in self.schema.model_fields
        if (self._names_attribute(first) or foreign) and pairs_only:
            return arguments
        if self.schema.spaced:
            return self._spaced(arguments)
        if len(names) == 1:
            if isinstance(first, At):
                self._fail("CNN203", f"`{self.head.name}` takes no `@`", first.span, self._usage())
            else:
                self._take(names[0], first)
        elif isinstance(first, At):
            how_many, how_large = first.count, first.size
            if isinstance(how_many, Size) and isinstance(how_large, Number):
                from cnndsl.elaborate.phrase_errors import size_before_count

                self.report.add(size_before_count(self.head, names, first))
                how_many, how_large = how_large, how_many
            self._take(names[0], how_many)
            self._take(names[1], how_large)
        elif len(arguments) > 1 and not isinstance(arguments[1], Name | At):
            self._lacks_at(first, arguments[1])
            return arguments[2:]
        else:
            self._needs_at(first)
        return arguments[1:]

    def _spaced(self, arguments: Sequence[Expr]) -> Sequence[Expr]:
        """Take the values that stand apart, ``clip 0 6``, up to the first attribute's name."""
        rest = list(arguments)
        for name in self.schema.positional:
            if not rest or (self._names_attribute(rest[0]) and not self._is_constant(rest[0])):
                break
            first = rest.pop(0)
            if isinstance(first, At):
                message = f"`{self.head.name}` takes no `@`"
                self._fail("CNN203", message, first.span, self._usage())
                break
            self._take(name, first)
        return rest

    def _needs_at(self, first: Expr) -> None:
        """``conv 64``: the kernel is missing, or the filters."""
        filters, kernel = self.schema.positional
        word, text = self.head.name, shorten(first.span.text)
        help = f"write `{word} {text}@3` for a {kernel} of 3"
        if isinstance(first, Size | List):
            help = f"write `{word} 16@{text}` for 16 {filters}"
            one, _, rest = text.replace(" ", "").partition("x")
            if isinstance(first, Size) and len(first.dims) == 3 and one != "?":
                help = f"write `{word} {one}@{rest}` for {one} {filters} of {rest}"
        elif isinstance(first, Name) and not self._is_constant(first):
            help = f"write it like `{example(self.schema, self.head)}`"
        self._fail("CNN202", f"`{word}` needs {filters}@{kernel}, not `{text}`", first.span, help)

    def _lacks_at(self, first: Expr, second: Expr) -> None:
        """``conv 64 3``: read as what it means, so that checking goes on."""
        from cnndsl.elaborate.phrase_errors import at_missing

        names = self.schema.positional
        self.report.add(at_missing(self.head, names, first, second))
        if isinstance(second, Unary):
            self.failed = True
            return
        if isinstance(first, Size) and isinstance(second, Number):
            first, second = second, first
        self._take(names[0], first)
        self._take(names[1], second)

    # --- attributes ---

    def _attribute(self, rest: Sequence[Expr]) -> Sequence[Expr]:
        """Take one attribute and its value off the front of what is left."""
        head, *following = rest
        if not isinstance(head, Name):
            if not self.failed:
                self._surplus(head, following)
            return following
        if head.name not in self.schema.model_fields:
            if self._is_no_attribute(head, following):
                return ()
            self._unknown(head, following)
            return following[1:] if following and not self._starts_pair(following[0]) else following
        if not following or self._lacks_value(following):
            self._fail(
                "CNN207",
                f"`{head.name}` has no value",
                head.span,
                f"write `{head.name} {value_example(self.schema, head.name)}`",
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

    def _is_no_attribute(self, name: Name, following: Sequence[Expr]) -> bool:
        """Report an activation, or a statement that begins in the line; what follows is its."""
        from cnndsl.elaborate.phrase_errors import activation_attribute, statement_behind

        found = activation_attribute(self.head, name, following)
        if found is None and issubclass(self.schema, Layer):
            found = statement_behind(name)
        if found is None:
            return False
        self.report.withdraw(found.span)
        self.report.add(found)
        self.failed = True
        return True

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

    def _given(self, following: Sequence[Expr]) -> Set[str]:
        """The attributes that have been taken, or may be named in what is left of the phrase."""
        return {*self.written, *(one.name for one in following if isinstance(one, Name))}

    def _surplus(self, expr: Expr, following: Sequence[Expr]) -> None:
        from cnndsl.elaborate.phrase_errors import nameless_value, number_of_initialiser

        if found := number_of_initialiser([*self.written.values()], expr):
            self.report.add(found)
            self.failed = True
            return
        meant = nameless_value(self.schema, self.values, self._given(following), expr)
        help, fixes = meant or (self._usage(), ())
        message = f"`{self.head.name}` has no place for `{shorten(expr.span.text)}`"
        self._fail("CNN203", message, expr.span, help, fixes=fixes)

    def _unknown(self, name: Name, following: Sequence[Expr]) -> None:
        if not name.name.isascii():
            self.report.add(foreign_letters(name.name, name.span))
            self.failed = True
            return
        foreign = FOREIGN_ATTRIBUTES.get(name.name, "")
        ours = foreign if foreign in self.schema.model_fields else ""
        if not ours:
            from cnndsl.elaborate.phrase_errors import unknown_word

            given = self._given(following)
            if found := unknown_word(self.schema, self.head, name, following, given):
                self.report.add(found)
                self.failed = True
                return
        near = (ours,) if ours else closest(name.name, tuple(self.schema.model_fields))
        help = f"did you mean `{near[0]}`?" if near else self._usage()
        if ours:
            help = f"in cnndsl it is called `{ours}`"
        if ours in self.schema.positional:
            near = ()
            help = f"leave the word out, and write it as in `{example(self.schema, self.head)}`"
        if near and near[0] in self._given(following):
            help, ours, near = f"leave it out: `{near[0]}` is given", "", ()
        fixes = replacements(name.span, near)
        if ours and near:
            fixes = (Fix(f"write `{ours}`", (Edit(name.span, ours),), safe=True),)
        message = f"`{self.head.name}` has no attribute `{shorten(name.name)}`"
        self._fail("CNN201", message, name.span, help, fixes=fixes)

    # --- both ---

    def _take(self, name: str, expr: Expr) -> None:
        self.written[name] = expr
        try:
            value = evaluate(expr, self.constants, words=EVERY_WORD)
        except EvaluationError as error:
            if isinstance(expr, Text):
                self.report.withdraw(expr.span)  # that its quotes are of the wrong kind
            self.report.add(error.diagnostic)
            self.failed = True
            return
        # A layer in a loop is bound often: what is long is refused before the schema looks at it.
        is_layer = issubclass(self.schema, Layer)
        if not is_layer or takes_lists(self.schema, name):
            self.values[name] = value
        elif isinstance(value, tuple) and len(value) > MOST_SIZES:
            message = f"`{name}` takes a value for each dimension, not {len(value)}"
            self._fail("CNN205", message, expr.span, f"write at most {MOST_SIZES}")
        elif isinstance(value, ListOfLists):
            message = f"`{name}` takes values, not lists of them"
            help = "write one list of numbers"
            if name.endswith("init"):
                message = f"`{name}` takes a way to draw weights, not the weights"
                help = f"write `{name} he`; weights of your own come with `--weights FILE`"
            self._fail("CNN204", message, expr.span, help)
        else:
            self.values[name] = value

    def _fail(
        self, code: str, message: str, span: Span, help: str, fixes: tuple[Fix, ...] = ()
    ) -> None:
        self.report.add(Diagnostic(code, message, span, help=help, fixes=fixes))
        self.failed = True

    def _usage(self) -> str:
        """What the phrase can say, as help."""
        attributes = [n for n in self.schema.model_fields if n not in self.schema.positional]
        usage = f"write `{example(self.schema, self.head)}`"
        if attributes:
            return f"{usage}; its attributes are {quoted(attributes)}"
        return usage


def _problems(
    bound: Bound[S], head: Identifier, written: Mapping[str, Expr], constants: Constants
) -> tuple[Diagnostic, ...]:
    """What the schema has against the values; of holes, whether a whole number can stand there."""
    values = bound.values
    open_names = {name for name, value in values.items() if any(True for _ in holes_in(value))}
    no_sizes = [name for name in open_names if not _takes_whole_numbers(bound.schema, name)]
    if no_sizes and issubclass(bound.schema, Layer):
        return tuple(_hole_refused(head, name, written[name].span) for name in no_sizes)
    lists = (name for name in open_names if isinstance(values[name], tuple))
    judged = {name for name in lists if takes_lists(bound.schema, name)}
    open_names -= judged  # in a list, what is beside the hole can be wrong
    if open_names or judged:
        values = {name: 1 if name in open_names else closed(one) for name, one in values.items()}
    try:
        validate(bound.schema, values)
    except ValidationError as error:
        from cnndsl.elaborate.value_errors import diagnose  # a right spec does not need it

        problems = error.errors(include_url=False, include_context=True)
        found = [
            diagnose(bound.schema, dict(problem), head, values, written, constants)
            for problem in problems
            if not problem["loc"] or problem["loc"][0] not in open_names
        ]
        return tuple({item.span: item for item in reversed(found)}.values())[::-1]
    return ()


def _takes_whole_numbers(schema: type[Schema], name: str) -> bool:
    """Whether a parameter is a whole number or sizes: not a fraction, a word, `yes` or `no`."""
    kinds = [schema.model_fields[name].annotation]
    whole = False
    while kinds:
        kind = kinds.pop()
        if kind is float:
            return False
        whole |= kind is int
        kinds.extend(get_args(kind))
    return whole


def _hole_refused(head: Identifier, name: str, span: Span) -> Diagnostic:
    return Diagnostic(
        "CNN406",
        f"`?` cannot be the {name} of `{head.name}`: only numbers that sizes depend on are found",
        span,
        help="write the value",
    )
