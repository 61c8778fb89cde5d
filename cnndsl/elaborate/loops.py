"""Turns the heads of loops into rounds: what each of them defines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.context import ElaborationContext
from cnndsl.elaborate.evaluate import evaluate, hole_refused
from cnndsl.elaborate.scope import Frame
from cnndsl.elaborate.values import KNOWN_WORDS, Constants, EvaluationError, OpenHole, Value, brief
from cnndsl.syntax.ast import Expr, For, Repeat

__all__ = ["rounds"]


def rounds(
    context: ElaborationContext, loop: Repeat | For, frame: Frame
) -> Iterator[Callable[[Constants], None]]:
    """What to do to the constants of each round's body before it runs."""
    if isinstance(loop, Repeat):
        times = evaluate(loop.count, frame.constants)
        if isinstance(times, bool) or not isinstance(times, int) or times < 0:
            raise _cannot_loop(loop.count, times, "`repeat` takes a whole number from 0 on")
        _check_rounds(context, times, loop.count)
        return ((lambda constants: None) for _ in range(times))
    values = evaluate(loop.values, frame.constants, words=KNOWN_WORDS)
    if not isinstance(values, tuple | range):
        raise _cannot_loop(loop.values, values, "`for` runs over a range or a list")
    _check_rounds(context, len(values) if isinstance(values, tuple) else values.stop, loop.values)
    return (_definer(loop, value) for value in values)


def _check_rounds(context: ElaborationContext, times: int, expr: Expr) -> None:
    if times > context.limits.steps:
        context.loops.append(expr.span)
        context.exhaust("steps", f"{times:,} rounds are more than {context.limits.steps:,}")


def _cannot_loop(expr: Expr, value: Value, rule: str) -> EvaluationError:
    if isinstance(value, OpenHole):
        return hole_refused(expr.span)
    return EvaluationError(
        Diagnostic(
            "CNN212",
            f"{rule}, not `{brief(value)}`",
            expr.span,
            help="write `repeat 3 { … }`, `for i in 1..3 { … }` or `for k in [16, 32] { … }`",
        )
    )


def _definer(loop: For, value: Value) -> Callable[[Constants], None]:
    names = loop.names
    values = value if isinstance(value, tuple) and len(names) > 1 else (value,)
    if len(values) != len(names):
        raise EvaluationError(
            Diagnostic(
                "CNN212",
                f"{count(len(names), 'name')} cannot take `{brief(value)}`",
                names[0].span.to(names[-1].span),
                help="give every round as many values as there are names",
            )
        )

    def define(constants: Constants) -> None:
        for name, item in zip(names, values, strict=True):
            constants.define(name.name, item, name.span)

    return define
