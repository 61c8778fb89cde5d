"""``cnndsl run --explain``: draws which pixels made the answers, and says what was drawn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
from typing_extensions import TypedDict

from cnndsl.cli.drawings import named_files
from cnndsl.cli.gains import finite
from cnndsl.diagnostics.render.characters import visible

Command = TypeVar("Command", bound=Callable[..., Any])

if TYPE_CHECKING:
    from cnndsl.runtime.explainer import Explanation, Method

__all__ = ["ExplanationJson", "ExplanationsJson", "Why", "explain_options", "print_explanations"]


ExplanationJson = TypedDict(
    "ExplanationJson",
    {
        "input": str,
        "file": str,
        "method": str,
        "index": int,
        "class": str,
        "kind": str,
        "score": float | None,
        "max": float | None,
    },
)
"""Which answer of which input was explained, how, and the file that it was drawn into."""

ExplanationsJson = list[ExplanationJson]
"""What ``cnndsl run --explain METHOD -o FILE --format json`` prints."""


@dataclass(frozen=True)
class Why:
    """What was asked for by ``--explain``, ``--class`` and ``--layer``."""

    method: Method | None
    target: str | None
    layer: str | None
    output: str | None

    def check(self) -> None:
        """Refuse options that do not belong together, and a file that is no figure.

        Raises:
            click.UsageError: for options that change nothing, and where there is no file.
            UserError: CNN609 for a file with another ending.
        """
        if self.method is None:
            for flag, value in (("--class", self.target), ("--layer", self.layer)):
                if value is not None:
                    raise click.UsageError(f"{flag} is for --explain: leave it out, or add that")
            return
        if self.layer is not None and self.method != "gradcam":
            raise click.UsageError("--layer is for --explain gradcam: the others take no layer")
        if self.output is None:
            raise click.UsageError("--explain draws: name the file, as in -o heat.png")
        from cnndsl.plots.figure import format_of

        format_of(self.output)  # now: reading and running may take long


def explain_options(command: Command) -> Command:
    """``--explain``, ``--class`` and ``--layer``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--explain",
        "method",
        type=click.Choice(["gradient", "smoothgrad", "gradcam", "occlusion"]),
        help="Draw which pixels made each answer, into the file of -o.",
    ),
    click.option(
        "--class",
        "target",
        metavar="NAME|INDEX",
        help="The class to explain instead of the answer.",
    ),
    click.option(
        "--layer",
        metavar="NAME",
        help="Whose feature maps gradcam takes; by default the last convolution's.",
    ),
)


def print_explanations(found: Iterator[Explanation], output: str, style: str) -> None:
    """Draw each explanation, and say in a line, or an object, what was drawn where."""
    lines = (_drawn(file, one, style) for file, one in named_files(output, found))
    if style == "text":
        for line in lines:
            click.echo(line)
        return
    separator = "[\n"
    try:
        for line in lines:
            click.echo(separator + line, nl=False)
            separator = ",\n"
    finally:
        click.echo("[]" if separator == "[\n" else "\n]")


def _drawn(file: str, one: Explanation, style: str) -> str:
    one.draw(file)
    if style == "text":
        kind = one.meaning.kind
        answer = f"{kind} {one.answer:.4g} of {visible(one.class_name)}"
        dark = "" if one.largest > 0 else "; nothing of it is above 0"
        dark = "; it holds NaN" if one.largest != one.largest else dark
        return f"{visible(file)}: {one.method}, {answer} for {visible(one.name)}{dark}"
    said: ExplanationJson = {
        "input": one.name,
        "file": file,
        "method": one.method,
        "index": one.index,
        "class": one.class_name,
        "kind": one.meaning.kind,
        "score": finite(one.answer),
        "max": finite(one.largest),
    }
    return json.dumps(said, ensure_ascii=False)
