"""``cnndsl draw``: a spec in, its picture out, and one line that says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cnndsl.cli.completion import complete_specs
from cnndsl.cli.options import color_option, parameters_option
from cnndsl.cli.piped import checked_spec, file_stem
from cnndsl.cli.writing_verb import WritingVerb
from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.plots.diagram.draw import Format, Style, ThemeName

__all__ = ["draw"]


@click.command(
    cls=WritingVerb,
    epilog=(
        "\b\nExample:\n  cnndsl draw lenet5 -o lenet5.svg\n  cnndsl draw lenet5 -o - --format dot"
    ),
)
@click.argument("spec", shell_complete=complete_specs)
@click.option(
    "-o",
    "output",
    metavar="FILE",
    help="The file to write, by default SPEC.svg: .svg, .png, .pdf, .dot (Graphviz) or .mmd"
    " (Mermaid). `-` is standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "png", "pdf", "dot", "mermaid"]),
    help="What to write.  [default: what the file's ending says; svg to standard output]",
)
@click.option(
    "--style",
    type=click.Choice(["blocks", "volumes"]),
    default="blocks",
    show_default=True,
    help="Draw the graph of the layers, or the feature maps as boxes with their sizes.",
)
@click.option(
    "--expand",
    is_flag=True,
    help="Draw every round of a loop, and every call of a block with its inside.",
)
@click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="Dark on light, or light on dark.",
)
@parameters_option
@color_option
def draw(
    spec: str,
    output: str | None,
    form: Format | None,
    style: Style,
    expand: bool,
    theme: ThemeName,
    parameters: dict[str, object],
) -> None:
    """Draw a network: its layers as a graph, or its feature maps as boxes.

    SPEC is a path, the name of a shipped spec, a compiled model, or - for standard input.
    """
    from cnndsl import api
    from cnndsl.plots.diagram.draw import ENDINGS

    network = api.Network(checked_spec(spec, parameters, models=True))
    if output == "-":
        content = network.drawing(form or "svg", style=style, expand=expand, theme=theme)
        click.echo(content, nl=False)
        return
    target = output or f"{file_stem(spec, network.name)}.{ENDINGS[form or 'svg']}"
    network.draw(target, form, style=style, expand=expand, theme=theme)
    click.echo(f"{visible(target)}: {visible(network.name)} as {style}")
