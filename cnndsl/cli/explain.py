"""``cnndsl explain``: a code in, its page out; or a layer of a spec in, its arithmetic out."""

from __future__ import annotations

import click

from cnndsl import resources
from cnndsl.cli.completion import complete_explained
from cnndsl.cli.options import parameters_option
from cnndsl.diagnostics.codes import CODES

__all__ = ["explain"]


@click.command(epilog="\b\nExample:\n  cnndsl explain lenet5:C3")
@click.argument(
    "what", required=False, metavar="[CODE|SPEC:LAYER]", shell_complete=complete_explained
)
@click.option("--latex", "style", flag_value="latex", help="Print the arithmetic as LaTeX.")
@click.option("--markdown", "style", flag_value="markdown", help="Print it as Markdown.")
@parameters_option
def explain(what: str | None, style: str | None, parameters: dict[str, object]) -> None:
    """Print the page about an error CODE, or the arithmetic of a LAYER.

    A LAYER is a label or a layer's name (`stage1.unit2.conv1`), or a line of the file; SPEC is a
    path, the name of a shipped spec, or a compiled model. What is printed is how its output,
    parameters, MACs, receptive field and memory are reckoned. Without an argument, list all codes.
    """
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


def _arithmetic(spec: str, layer: str, style: str, parameters: dict[str, object]) -> str:
    """The arithmetic of the layers that a word means, one below the other."""
    from cnndsl.api import checked
    from cnndsl.typecheck.explained import explained

    if not layer:
        raise click.UsageError(f"name a layer or a line behind the colon, as in '{spec}:1'")
    found = explained(checked(spec, parameters), layer)
    between = {"text": "\n\n\n", "latex": "\n\n", "markdown": "\n\n"}[style]
    return between.join(getattr(one, style)() for one in found)


def _known(code: str) -> str:
    """The code as the table has it: ``cnn301`` and ``301`` mean ``CNN301``."""
    name = f"CNN{code.strip('[]').upper().removeprefix('CNN')}"
    if name in CODES:
        return name
    from cnndsl.diagnostics.words import closest
    from cnndsl.elaborate.modules import shipped_specs

    near = " or ".join(closest(name, CODES))
    hint = f"did you mean {near}?" if near else "`cnndsl explain` lists them all"
    if not near and (code in shipped_specs() or code.endswith((".cnn", ".onnx"))):
        hint = f"to explain a layer, name it: 'cnndsl explain {code}:LAYER'"
    raise click.UsageError(f"there is no code '{code}'; {hint}")
