"""Carries out ``if``, ``repeat`` and ``for``: which body runs, how often, under which names."""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.elaborate.context import ElaborationContext
from cnndsl.elaborate.evaluate import truth
from cnndsl.elaborate.loops import rounds
from cnndsl.elaborate.scope import Frame, Naming, labels_in, opens_scope
from cnndsl.syntax.ast import Body, Branch, For, Identifier, Repeat

__all__ = ["branch", "comprehension", "loop"]

FAULTY_ROUNDS = 20
"""A loop with mistakes goes round no more often: they would be the same ones."""


def branch(
    context: ElaborationContext, element: Branch, frame: Frame, current: int | None
) -> tuple[int, ...]:
    """The streams that the body chosen by the condition gives; without one, the stream itself."""
    body = element.then if truth(element.condition, frame.constants) else element.otherwise
    if isinstance(body, Branch):
        return branch(context, body, frame, current)
    return () if body is None and current is None else _body(context, body, frame, current)


def _body(
    context: ElaborationContext, body: Body | None, frame: Frame, current: int | None
) -> tuple[int, ...]:
    inner = frame.inner()
    inner.current = current
    if body is not None:
        context.run(body, inner)
    frame.returned = inner.returned
    return () if inner.current is None else (inner.current,)


def loop(
    context: ElaborationContext,
    element: Repeat | For,
    label: Identifier | None,
    frame: Frame,
    current: int | None,
) -> tuple[int, ...]:
    """The stream that the last round gives; each round starts from the one before."""
    given = [current, *_each_round(context, element, label, frame, current, apart=False)]
    return () if given[-1] is None else (given[-1],)


def comprehension(
    context: ElaborationContext,
    element: For,
    label: Identifier | None,
    frame: Frame,
    current: int | None,
) -> tuple[int, ...]:
    """The streams that all rounds give; each starts from the same one."""
    given = _each_round(context, element, label, frame, current, apart=True)
    return tuple(stream for stream in given if stream is not None)


def _each_round(
    context: ElaborationContext,
    element: Repeat | For,
    label: Identifier | None,
    frame: Frame,
    current: int | None,
    *,
    apart: bool,
) -> Iterator[int | None]:
    """What each round gives; it starts from what the one before gave, or all ``apart`` alike."""
    every_round = rounds(context, element, frame)
    scope = label.name if label else ""
    scoped = opens_scope(element, labelled=label is not None)
    if scoped and not label:
        scope = frame.naming.generate("repeat" if isinstance(element, Repeat) else "for")
    labels = frozenset(labels_in(element.body.statements)) if scoped else frozenset[str]()
    context.loops.append(element.span)
    known = len(context.report)
    try:
        for number, define in enumerate(every_round, start=1):
            context.step(element.span)
            prefix = f"{frame.naming.prefix}{scope}.{number}."
            inner = frame.inner(Naming(prefix, labels, outer=frame.naming) if scoped else None)
            inner.current = current
            define(inner.constants)
            context.run(element.body, inner)
            if scoped and inner.current is not None:
                context.paths[prefix[:-1]] = inner.current
            current = current if apart else inner.current
            yield inner.current
            if inner.returned is not None:
                frame.returned = inner.returned
                break
            if number >= FAULTY_ROUNDS and len(context.report) > known:
                yield context.poison(element.span, frame)
                break
    finally:
        context.loops.pop()
