"""``cnndsl explain``: a code in, its page out; or a layer of a spec in, its arithmetic out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cnndsl import resources
from cnndsl.cli.completion import complete_explained
from cnndsl.cli.options import parameters_option
from cnndsl.diagnostics.codes import CODES

if TYPE_CHECKING:
    from cnndsl.typecheck.explained import LayerArithmetic

__all__ = ["explain"]


@click.command(epilog="\b\nExample:\n  cnndsl explain lenet5:C3")
@click.argument(
    "words",
    nargs=-1,
    required=False,
    metavar="[CODE|SPEC:LAYER]",
    shell_complete=complete_explained,
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "latex", "markdown", "json"]),
    help="How to print the arithmetic.  [default: text]",
)
@click.option("--latex", "style", flag_value="latex", help="The same as --format latex.")
@click.option("--markdown", "style", flag_value="markdown", help="The same as --format markdown.")
@parameters_option
def explain(
    words: tuple[str, ...], form: str | None, style: str | None, parameters: dict[str, object]
) -> None:
    """Print the page about an error CODE, or the arithmetic of a LAYER.

    A LAYER is a label or a layer's name (`stage1.unit2.conv1`), or a line of the file; SPEC is a
    path, the name of a shipped spec, a compiled model, or a page in Markdown whose `cnn` blocks
    are specs. What is printed is how its output, parameters, MACs, receptive field and memory are
    reckoned. Without an argument, list all codes.
    """
    what = _one(words)
    if form and style and form != style:
        raise click.UsageError(f"--{style} and --format {form} do not go together")
    style = form or style
    if what is None:
        click.echo("\n".join(f"{name}  {entry.title}" for name, entry in CODES.items()))
        return
    spec, _, layer = what.rpartition(":")
    if spec:
        click.echo(_arithmetic(spec, layer, style or "text", parameters))
        return
    if style or parameters:
        raise click.UsageError(
            f"a page about a code has no such options; for a layer write '{what}:LAYER'"
        )
    name = _known(what)
    click.echo(resources.error_page(name).read_text(encoding="utf-8").rstrip())


def _one(words: tuple[str, ...]) -> str | None:
    """The one argument, or none; two are often a spec and its layer."""
    if len(words) <= 1:
        return words[0] if words else None
    hint = ""
    if len(words) == 2 and ":" not in "".join(words) and words[0].upper() not in CODES:
        hint = f"; a layer is named '{words[0]}:{words[1]}'"
    raise click.UsageError(f"one argument is explained at a time, not {len(words)}{hint}")


def _arithmetic(spec: str, layer: str, style: str, parameters: dict[str, object]) -> str:
    """The arithmetic of the layers that a word means, one below the other."""
    if not layer:
        raise click.UsageError(f"name a layer or a line behind the colon, as in '{spec}:1'")
    found = _explained(spec, layer, parameters)
    if style == "json":
        return json.dumps([one.to_json() for one in found], indent=2)
    from cnndsl.typecheck.alike_layers import alike_together

    between = {"text": "\n\n\n", "latex": "\n\n", "markdown": "\n\n"}[style]
    return between.join(getattr(one, style)() for one in alike_together(found))


def _explained(spec: str, layer: str, parameters: dict[str, object]) -> tuple[LayerArithmetic, ...]:
    """The layers that are meant, of a spec, a page or a model."""
    from cnndsl.markdown.fences import is_markdown
    from cnndsl.typecheck.explained import explained

    if is_markdown(spec):
        from cnndsl.markdown.check import check_page
        from cnndsl.markdown.explained import explained_in_page

        return explained_in_page(check_page(spec, parameters), layer)
    from cnndsl.api import checked

    return explained(checked(spec, parameters), layer)


def _known(code: str) -> str:
    """The code as the table has it: ``cnn301`` and ``301`` mean ``CNN301``."""
    name = f"CNN{code.strip('[]').upper().removeprefix('CNN')}"
    if name in CODES:
        return name
    from cnndsl.diagnostics.words import closest
    from cnndsl.elaborate.modules import shipped_specs
    from cnndsl.markdown.fences import ENDINGS

    near = " or ".join(closest(name, CODES))
    hint = f"did you mean {near}?" if near else "`cnndsl explain` lists them all"
    if not near and (code in shipped_specs() or code.endswith((".cnn", ".onnx", *ENDINGS))):
        hint = f"to explain a layer, name it: 'cnndsl explain {code}:LAYER'"
    raise click.UsageError(f"there is no code '{code}'; {hint}")
