"""Holds budgets, ``expect macs <= 1e9``, against the network, and says which layers cost most.

Unlike the numbers that a spec states, budgets hold for all values of its parameters: they say what
a network may be, and not what this one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from cnndsl.analysis.cost import quantity
from cnndsl.analysis.layer_costs import layer_costs
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, HoleState, Label, Report
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.arithmetic import COMPARISONS
from cnndsl.elaborate.draft import Draft, PendingExpectation
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.quantities import Quantity
from cnndsl.elaborate.values import OpenHole, Value
from cnndsl.frozen import frozen
from cnndsl.syntax.ast import Expect

__all__ = ["Overrun", "check_budgets", "shown", "written"]

SHOWN = 3
"""So many places of layers are shown that cost most."""

Sizes: TypeAlias = tuple[int, ...]

_NEAREST = {"<": 1, ">": -1}
"""How far from the true number the nearest bound lies that it keeps."""


@frozen
class Overrun:
    """A budget that a network does not keep, and what is said of it."""

    network: TypedNetwork
    statement: Expect
    diagnostic: Diagnostic
    bound: int | float | None
    """The most that the quantity may be; None where it is no number that is too large."""

    @property
    def quantity(self) -> Quantity:
        """The quantity that it is about."""
        return Quantity(self.statement.quantity.name)


def written(values: tuple[int, ...]) -> str:
    """A quantity as a spec writes it.

    >>> written((61706,)), written((32, 32))
    ('61706', '32x32')
    """
    return "x".join(map(str, values))


def check_budgets(network: TypedNetwork, draft: Draft, report: Report) -> tuple[Overrun, ...]:
    """Report every budget that is not kept, and give those whose numbers are passed."""
    overruns: list[Overrun] = []
    for expected in draft.expectations:
        found = _checked(network, expected) if expected.is_budget else None
        if isinstance(found, Overrun):
            overruns.append(found)
            report.add(found.diagnostic)
        elif found is not None:
            report.add(found)
    return tuple(overruns)


def _checked(network: TypedNetwork, expected: PendingExpectation) -> Overrun | Diagnostic | None:
    """What is wrong with a budget: its number, or how it is written."""
    name, sign = expected.statement.quantity.name, expected.statement.comparison
    true = quantity(network, name)
    assert sign is not None
    if any(isinstance(value, OpenHole) for value in expected.value):
        return _hole(expected, true)
    bound = expected.value * len(true) if len(expected.value) == 1 else expected.value
    if len(bound) != len(true):
        return _miscounted(expected, true)
    kept = [COMPARISONS[sign](one, _number(most)) for one, most in zip(true, bound, strict=True)]
    if (any if sign == "!=" else all)(kept):
        return None
    diagnostic = _overrun(network, expected, true, bound)
    most = _number(bound[0]) if len(true) == 1 and sign in ("<", "<=") else None
    return Overrun(network, expected.statement, diagnostic, most)


def _number(value: Value) -> int | float:
    assert isinstance(value, int | float)
    return value


def _places(expected: PendingExpectation) -> Span:
    """Where the bound stands."""
    values = expected.statement.values
    return values[0].span.to(values[-1].span)


# --- what is said -------------------------------------------------------------------------------


def _hole(expected: PendingExpectation, true: Sizes) -> Diagnostic:
    """A bound left open: the nearest that is kept."""
    name, sign = expected.statement.quantity.name, expected.statement.comparison
    assert sign is not None
    nearest = written(tuple(one + _NEAREST.get(sign, 0) for one in true))
    span = _places(expected)
    return Diagnostic(
        "CNN403",
        f"`?` is {nearest} here, where `{name}` is {written(true)}",
        span,
        help=f"write `expect {name} {sign} {nearest}`",
        fixes=(Fix(f"write `{nearest}`", (Edit(span, nearest),), safe=True),),
        hole=HoleState.SOLVED,
    )


def _miscounted(expected: PendingExpectation, true: Sizes) -> Diagnostic:
    name = expected.statement.quantity.name
    sizes = count(len(true), "size")
    help = f"write one number for all, or {sizes}" if len(true) > 1 else "write one number"
    if not true:
        help = "leave it out: the network's input is a vector"
    return Diagnostic(
        "CNN409",
        f"`{name}` is {written(true) or 'nothing here'}, of {sizes}; the budget has"
        f" {len(expected.value)}",
        _places(expected),
        help=help,
    )


def _overrun(
    network: TypedNetwork, expected: PendingExpectation, true: Sizes, bound: tuple[Value, ...]
) -> Diagnostic:
    statement, span = expected.statement, _places(expected)
    name, sign = statement.quantity.name, statement.comparison or "=="
    costs = layer_costs(network, name) if sign in ("<", "<=", "==") else []
    nearest = written(tuple(one + _NEAREST.get(sign, 0) for one in true))
    edit = Fix(f"write `expect {name} {sign} {nearest}`", (Edit(span, nearest),), safe=False)
    words, help = _passed(sign, true, [_number(one) for one in bound]), ""
    if sign != "!=":
        help = f"write `expect {name} {sign} {nearest}` if the network may be so"
    return Diagnostic(
        "CNN407",
        f"`{name}` is {shown(true)}, {words}",
        span,
        labels=_dearest(network, costs),
        help=help or "change the network, or leave the budget out",
        fixes=(edit,) if sign != "!=" else (),
    )


def _passed(sign: str, true: Sizes, bound: Sequence[int | float]) -> str:
    """How a budget is passed: by how much, and what part of it."""
    limit = shown(bound)
    if sign in ("==", "!="):
        return f"not {limit}" if sign == "==" else "which the budget excludes"
    where = "above" if sign.startswith("<") else "below"
    if len(true) > 1:
        return f"{where} the budget of {limit}"
    way = abs(true[0] - bound[0])
    if not way:
        return f"and must be {'below' if sign == '<' else 'above'} that"
    part = f" ({100 * way / abs(bound[0]):,.1f}%)" if bound[0] else ""
    return f"{where} the budget of {limit} by {shown([way])}{part}"


def shown(numbers: Sequence[int | float]) -> str:
    """Numbers for people: ``25,557,032``, ``32x32``."""
    if len(numbers) > 1:
        return "x".join(f"{one:g}" if isinstance(one, float) else str(one) for one in numbers)
    (number,) = numbers or (0,)
    return f"{number:,.2f}" if isinstance(number, float) and number % 1 else f"{number:,.0f}"


def _dearest(network: TypedNetwork, costs: Sequence[int]) -> tuple[Label, ...]:
    """The places in the spec whose layers cost most, and what part of the whole each is."""
    places: dict[Span, list[int]] = {}
    for position, cost in enumerate(costs):
        if cost:
            places.setdefault(network.network.nodes[position].span, []).append(position)
    total = sum(costs)
    dear = sorted(places, key=lambda span: -sum(costs[at] for at in places[span]))
    labels = []
    for span in dear[:SHOWN]:
        names = [network.network.nodes[at].name for at in places[span]]
        who = f"`{names[0]}`" if len(names) == 1 else f"{len(names)} layers"
        cost = sum(costs[at] for at in places[span])
        if 100 * cost < total:
            break
        labels.append(Label(span, f"{who}: {cost:,} ({100 * cost / total:.1f}%)"))
    return tuple(labels)
