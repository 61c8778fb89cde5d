"""Turns expressions into compile-time values: numbers, words, sizes, yes and no.

Whole numbers stay exact; nothing is ever handed to Python's own ``eval``. A name that is no
constant evaluates to itself as a *word* (``same``, ``sgd``) where words may stand, which is where
a schema will judge it.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import assert_never

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, shorten
from cnndsl.elaborate.arithmetic import COMPARISONS, arithmetic
from cnndsl.elaborate.schema_errors import foreign_letters
from cnndsl.elaborate.values import (
    DEEPEST_LIST,
    EVERY_WORD,
    FUNCTIONS,
    INITIALISERS,
    MOST_ITEMS,
    SIZES,
    Broken,
    Constants,
    EvaluationError,
    ListOfLists,
    OpenHole,
    Value,
    brief,
    evaluation_error,
    extent,
    show,
    size_help,
)
from cnndsl.layers import find
from cnndsl.layers.base import Init
from cnndsl.syntax.ast import (
    Argument,
    At,
    Binary,
    Call,
    Chain,
    Claim,
    Conditional,
    Expr,
    Hole,
    List,
    Name,
    Number,
    Size,
    Text,
    Unary,
)

__all__ = ["claimed_sizes", "evaluate", "hole_refused", "truth"]


def evaluate(expr: Expr, constants: Constants, *, words: Container[str] = ()) -> Value:
    """The value of an expression.

    Args:
        expr: what to evaluate.
        constants: the names it can use.
        words: the names that may stand for themselves where they are no constants.

    Raises:
        EvaluationError: CNN102 for an unknown name, CNN204 for a wrong type, CNN210 for
            arithmetic without a value, CNN406 for arithmetic with a hole.
    """
    match expr:
        case Number():
            return expr.value
        case Text():
            raise _quoted(expr, constants, words)
        case Hole():
            return OpenHole(expr.span, expr.span)
        case Name():
            return _name(expr, constants, words)
        case Size():
            return tuple(
                OpenHole(dim.span, expr.span) if isinstance(dim, Hole) else dim.value
                for dim in expr.dims
            )
        case List():
            return _list(expr, constants, words)
        case Unary():
            return _unary(expr, constants)
        case Binary():
            return _binary(expr, constants)
        case Conditional():
            condition = truth(expr.condition, constants)
            return evaluate(expr.then if condition else expr.otherwise, constants, words=words)
        case Call():
            return _call(expr, constants)
        case At():
            raise evaluation_error(
                "CNN204",
                "`@` joins a count and a size, as in `6@5x5`; here one value is needed",
                expr.span,
                help="write one number here, or move `@` behind the layer's name",
            )
    assert_never(expr)


def _list(expr: List, constants: Constants, words: Container[str]) -> Value:
    items = tuple(evaluate(item, constants, words=words) for item in expr.items)
    if not any(isinstance(item, tuple) for item in items):
        many, depth, value = len(items), 1, items
    else:
        value = ListOfLists(items)
        many, depth = extent(value)
    if depth > DEEPEST_LIST:
        raise evaluation_error(
            "CNN204",
            f"lists stand in each other {DEEPEST_LIST} deep at most, not {depth}",
            expr.span,
            help="write the values themselves, pairs of them, or matrices",
        )
    if many > MOST_ITEMS:
        raise evaluation_error(
            "CNN205",
            f"a list holds at most {MOST_ITEMS} values, not {many}",
            expr.span,
            help="use a range, or loops in each other",
        )
    return value


def _quoted(expr: Text, constants: Constants, words: Container[str]) -> EvaluationError:
    """``padding "same"``: numbers and words stand without quotes."""
    word = expr.value
    known = word in words or word in ("yes", "no") or constants.find(word) is not None
    if not known and not word[:1].isdecimal():
        message = f"`{shorten(expr.span.text)}` is a text, and no value is called so"
        help = "write a number, `yes` or `no`, or a word that layers take, such as `same`"
        return evaluation_error("CNN204", message, expr.span, help=help)
    if not re.fullmatch(r"[A-Za-z_]\w*|\d+(\.\d+)?", word, re.ASCII):
        message = "a text in quotes is no value here"
        return evaluation_error("CNN204", message, expr.span, help="write a number or a word")
    fix = Fix(f"write `{word}`", (Edit(expr.span, word),), safe=True)
    return EvaluationError(
        Diagnostic(
            "CNN204",
            f"values stand without quotes: `{word}`, not `{expr.span.text}`",
            expr.span,
            help=f"write `{word}`",
            fixes=(fix,),
        )
    )


def _name(expr: Name, constants: Constants, words: Container[str]) -> Value:
    if expr.name in ("yes", "no"):
        return expr.name == "yes"
    constant = constants.find(expr.name)
    if constant is not None:
        constant.used = True
        if isinstance(constant.value, Broken):
            raise EvaluationError(constant.value.diagnostic)
        return constant.value
    if expr.name in words:
        return expr.name
    if not expr.name.isascii():
        raise EvaluationError(foreign_letters(expr.name, expr.span))
    if constants.has_stream(expr.name):
        raise evaluation_error(
            "CNN209",
            f"`{expr.name}` is a stream, and a value is needed here",
            expr.span,
            help="write a number here; streams are joined by `add( … )` or `concat( … )`",
        )
    if find(expr.name) is not None:
        raise evaluation_error(
            "CNN209",
            f"`{expr.name}` is a layer, and a value is needed here",
            expr.span,
            help="write a number here; layers are joined by `->`",
        )
    near = closest(expr.name, tuple(constants.names()))
    if expr.name in ("true", "false", "True", "False"):
        near = ("yes" if expr.name.lower() == "true" else "no",)
    help = f"define it first: `let {shorten(expr.name)} = …`, or write a number"
    if near:
        help = f"did you mean `{near[0]}`?"
    elif written := size_help(expr.name):
        help = written
    message = f"nothing is called `{shorten(expr.name)}` here"
    raise evaluation_error("CNN102", message, expr.span, help)


def claimed_sizes(claim: Claim, constants: Constants) -> tuple[Value, ...]:
    """The sizes that a claim states, holes left open.

    Raises:
        EvaluationError: CNN204 where they are no sizes, and as :func:`evaluate` does.
    """
    dims: list[Value] = []
    for expr in claim.dims:
        value = evaluate(expr, constants)
        dims.extend(value if isinstance(value, tuple) else (value,))
    sizes = (isinstance(dim, int | OpenHole) and not isinstance(dim, bool) for dim in dims)
    if dims and all(sizes):
        return tuple(dims)
    raise evaluation_error(
        "CNN204",
        f"a claim states sizes, not `{', '.join(map(brief, dims[:8])) or '[]'}`",
        claim.span,
        help="write the sizes of the output, as in `=> 6x28x28`",
    )


def hole_refused(span: Span) -> EvaluationError:
    """A ``?`` whose value would change what the network is made of."""
    return evaluation_error(
        "CNN406",
        "`?` cannot decide what is built: only sizes and arguments of layers are found",
        span,
        help="write the value",
    )


def _number(expr: Expr, constants: Constants, wanted: str = "a number") -> int | float:
    value = evaluate(expr, constants)
    if isinstance(value, OpenHole):
        raise evaluation_error(
            "CNN406",
            "`?` cannot be a part of arithmetic: it must be a whole argument",
            expr.span,
            help="let `?` stand alone, as in `padding ?`",
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise evaluation_error(
            "CNN204",
            f"{wanted} is needed here, not `{brief(value)}`",
            expr.span,
            help="arithmetic and comparisons take numbers",
        )
    return value


def truth(expr: Expr, constants: Constants) -> bool:
    """The value of a condition.

    Raises:
        EvaluationError: CNN211 where it is neither yes nor no, and as :func:`evaluate` does.
    """
    value = evaluate(expr, constants)
    if isinstance(value, bool):
        return value
    if isinstance(value, OpenHole):
        raise hole_refused(expr.span)
    raise evaluation_error(
        "CNN211",
        f"a condition must be `yes` or `no`, not `{brief(value)}`",
        expr.span,
        help="compare it with something, as in `width > 64`",
    )


def _unary(expr: Unary, constants: Constants) -> Value:
    if expr.operator == "not":
        return not truth(expr.operand, constants)
    return -_number(expr.operand, constants)


def _binary(expr: Binary, constants: Constants) -> Value:
    match expr.operator:
        case "and":
            return truth(expr.left, constants) and truth(expr.right, constants)
        case "or":
            return truth(expr.left, constants) or truth(expr.right, constants)
        case "==" | "!=":
            left, right = (_comparable(side, constants) for side in (expr.left, expr.right))
            alike = isinstance(left, bool) == isinstance(right, bool) and left == right
            return alike == (expr.operator == "==")
        case "..":
            return _range(expr, constants)
        case "<" | "<=" | ">" | ">=":
            compare = COMPARISONS[expr.operator]
            return compare(_number(expr.left, constants), _number(expr.right, constants))
    return arithmetic(expr, _number(expr.left, constants), _number(expr.right, constants))


def _comparable(expr: Expr, constants: Constants) -> Value:
    """A side of ``==`` or ``!=``."""
    value = evaluate(expr, constants, words=EVERY_WORD)
    if isinstance(value, OpenHole):
        raise hole_refused(expr.span)
    if isinstance(value, int | float | str):
        return value
    raise evaluation_error(
        "CNN204",
        f"numbers and words are compared, not `{brief(value)}`",
        expr.span,
        help="compare numbers, words or `yes` and `no`",
    )


def _range(expr: Binary, constants: Constants) -> range:
    first, last = _number(expr.left, constants), _number(expr.right, constants)
    if isinstance(first, int) and isinstance(last, int):
        return range(first, last + 1)
    raise evaluation_error(
        "CNN204",
        f"a range runs over whole numbers, not from {show(first)} to {show(last)}",
        expr.span,
        help="write whole numbers, as in `1..4`",
    )


def _call(expr: Call, constants: Constants) -> Value:
    name = expr.callee.name
    if name in ("min", "max"):
        numbers = [_number(_plain(argument), constants) for argument in expr.arguments]
        if numbers:
            return min(numbers) if name == "min" else max(numbers)
        raise evaluation_error(
            "CNN202",
            f"`{name}` needs at least one number",
            expr.span,
            help=f"write `{name}(1, 2)`",
        )
    if name in INITIALISERS:
        return _initialiser(expr, constants)
    if name in SIZES:
        return _size(expr, constants)
    near = closest(name, sorted(FUNCTIONS))
    help = f"did you mean `{near[0]}`?" if near else "there are `min` and `max`"
    raise evaluation_error(
        "CNN102",
        f"no function is called `{shorten(name)}`",
        expr.callee.span,
        help="write a range as `1..3`, both ends included" if name == "range" else help,
    )


def _size(expr: Call, constants: Constants) -> Value:
    value = constants.size(expr)
    if value is not None:
        return value
    name = expr.callee.name
    message = f"`{name}` reads the size of a stream, and no stream is in sight here"
    help = "write a number, or hand one over as an argument of a block"
    raise evaluation_error("CNN209", message, expr.span, help)


def _initialiser(expr: Call, constants: Constants) -> Init:
    name = expr.callee.name
    if len(expr.arguments) > 1:
        raise evaluation_error(
            "CNN203",
            f"`{name}` takes one number, not {len(expr.arguments)}",
            expr.arguments[1].span,
            help=f"write `{name}(0.01)`",
        )
    value = _number(_plain(expr.arguments[0]), constants) if expr.arguments else None
    return Init(name, None if value is None else float(value))  # type: ignore[arg-type]


def _plain(argument: Argument) -> Expr:
    """The expression of an argument that can be nothing else."""
    if isinstance(argument.value, Chain) or argument.name is not None:
        raise evaluation_error(
            "CNN209",
            "a number is needed here, not a layer",
            argument.span,
            help="write a number, or a constant's name",
        )
    return argument.value
