"""Holds ``expect`` statements and class names against the finished network."""

from __future__ import annotations

from cnndsl.analysis.cost import quantity
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, HoleState, Report
from cnndsl.elaborate.draft import Draft
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.values import holes_in
from cnndsl.syntax.ast import Classes, ClassesFile
from cnndsl.typecheck.budgets import Overrun, check_budgets, written

__all__ = ["check_expectations", "check_outputs"]


def check_expectations(network: TypedNetwork, draft: Draft, report: Report) -> tuple[Overrun, ...]:
    """Report every ``expect`` that does not hold, and give the budgets whose numbers are passed.

    Numbers speak of the spec as it stands: where a caller changed a parameter they are not checked,
    as budgets are.
    """
    if not draft.overridden:
        _check_numbers(network, draft, report)
    return check_budgets(network, draft, report)


def _check_numbers(network: TypedNetwork, draft: Draft, report: Report) -> None:
    for expected in draft.expectations:
        if expected.is_budget:
            continue
        statement = expected.statement
        name = statement.quantity.name
        true = quantity(network, name)
        span = statement.values[0].span.to(statement.values[-1].span)
        edit = Fix(f"write `{written(true)}`", (Edit(span, written(true)),), safe=False)
        if any(True for value in expected.value for _ in holes_in(value)):
            report.add(
                Diagnostic(
                    "CNN403",
                    f"`?` is {written(true)} here",
                    span,
                    help=f"write `expect {name} {written(true)}`",
                    fixes=(Fix(edit.title, edit.edits, safe=True),),
                    hole=HoleState.SOLVED,
                )
            )
        elif expected.value != true:
            said = "x".join(map(str, expected.value))
            report.add(
                Diagnostic(
                    "CNN402",
                    f"`{name}` is {written(true)}, not {said}",
                    span,
                    help=f"write `expect {name} {written(true)}` if the network is right",
                    fixes=(edit,),
                )
            )


def check_outputs(network: TypedNetwork, report: Report) -> None:
    """Whether there are as many class names as the main output has units."""
    names = network.network.classes
    output = network.main_type
    if not names or len(names) == output.channels:
        return
    statement = next(
        s for s in network.network.module.statements if isinstance(s, Classes | ClassesFile)
    )
    report.add(
        Diagnostic(
            "CNN502",
            f"{len(names)} classes are named, but the output is {output}",
            statement.span,
            help=f"name {output.channels} classes, or let the last layer give {len(names)}",
        )
    )
