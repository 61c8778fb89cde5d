"""``cnndsl specs``: the shipped networks, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cnndsl.cli.columns import Column, short, table
from cnndsl.cli.options import color_option

if TYPE_CHECKING:
    from cnndsl.elaborate.catalogue import Entry

__all__ = ["specs"]


@click.command(epilog="\b\nExample:\n  cnndsl specs")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How to print them.",
)
@color_option
def specs(style: str) -> None:
    """List the shipped networks: input, parameters, MACs, year and paper.

    Their names go where a spec's path goes: `cnndsl check alexnet`.
    """
    from cnndsl.elaborate.catalogue import catalogue

    entries = catalogue()
    match style:
        case "json":
            click.echo(json.dumps([one.to_json() for one in entries], indent=2))
        case "markdown":
            click.echo("\n".join(_markdown(entries)))
        case _:
            click.echo("\n".join(_text(entries)))


def _text(entries: Sequence[Entry]) -> Iterator[str]:
    """No wider than a terminal: numbers and papers are shortened."""
    return table(
        [
            Column("name", [one.name for one in entries], left=True, least=18),
            Column("input", [_input(one) for one in entries], left=True, least=12),
            Column("params", [_number(one, "params") for one in entries]),
            Column("MACs", [_number(one, "macs") for one in entries]),
            Column("paper", [one.citation for one in entries], left=True),
        ]
    )


def _input(one: Entry) -> str:
    """The first input's sizes, and how many others there are."""
    first, *more = one.inputs
    return f"{first} +{len(more)}" if more else first


def _number(one: Entry, name: str) -> str:
    return short(one.counts[name])


def _markdown(entries: Sequence[Entry]) -> Iterator[str]:
    yield "| name | network | input | parameters | MACs | year | paper |"
    yield "| --- | --- | --- | --: | --: | --: | --- |"
    for one in entries:
        params, macs = (f"{one.counts[name]:,}" for name in ("params", "macs"))
        cells = (
            f"`{one.name}`",
            one.title,
            ", ".join(one.inputs),
            params,
            macs,
            str(one.year),
            one.paper,
        )
        yield f"| {' | '.join(cells)} |"
