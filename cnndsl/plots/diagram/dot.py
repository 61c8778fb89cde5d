"""Turns diagrams into the language of Graphviz: a cluster for each frame."""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.diagnostics.render.characters import visible
from cnndsl.plots.diagram.graph import Box, Diagram, Graph, Place, border_names, links_of, name_of
from cnndsl.plots.diagram.labels import frame_title, remark_of, title_of
from cnndsl.plots.diagram.theme import Theme

__all__ = ["dot"]

_SHAPES = {"block": "box3d", "join": "ellipse", "input": "ellipse", "output": "ellipse"}


def dot(diagram: Diagram, theme: Theme) -> str:
    """The text of a diagram for Graphviz."""
    font = 'fontname="Helvetica"'
    lines = [
        f"digraph {_quoted(diagram.name)} {{",
        f"  graph [rankdir=TB, bgcolor={_quoted(theme.paper)}, {font},"
        f" fontcolor={_quoted(theme.ink)}, color={_quoted(theme.frame)}]",
        f'  node [shape=box, style="filled,rounded", {font}, fontsize=11,'
        f" fontcolor={_quoted(theme.ink)}]",
        f"  edge [{font}, fontsize=9, color={_quoted(theme.line)},"
        f" fontcolor={_quoted(theme.gray)}]",
        *_nodes(diagram.graph, theme, "n", (), "  "),
        *_edges(diagram.graph, "n"),
    ]
    for number, detail in enumerate(diagram.details, start=1):
        prefix = f"d{number}"
        lines += [
            f"  subgraph cluster_{prefix} {{",
            f"    label={_quoted(detail.title)}",
            *_nodes(detail.graph, theme, prefix, (), "    "),
            *(f"  {line}" for line in _edges(detail.graph, prefix)),
            "  }",
        ]
    return "\n".join((*lines, "}", ""))


def _nodes(graph: Graph, theme: Theme, prefix: str, at: Place, indent: str) -> Iterator[str]:
    for position, node in enumerate(graph.nodes):
        place = (*at, position)
        if isinstance(node, Box):
            yield f"{indent}{name_of(prefix, place)} [{_look(node, theme)}]"
            continue
        yield f"{indent}subgraph cluster_{name_of(prefix, place)} {{"
        yield f'{indent}  label={_quoted("  ".join(frame_title(node)))}; style="dashed,rounded"'
        yield from _nodes(node.graph, theme, prefix, place, f"{indent}  ")
        yield f"{indent}}}"


def _look(box: Box, theme: Theme) -> str:
    fill, border = theme.families[box.family]
    label = "\\n".join(map(_escaped, (title_of(box), *remark_of(box))))
    shape = f", shape={_SHAPES[box.kind]}" if box.kind in _SHAPES else ""
    dashed = ', style="dashed,rounded"' if box.kind == "loss" else ""
    return f'label="{label}", fillcolor={_quoted(fill)}, color={_quoted(border)}{shape}{dashed}'


def _edges(graph: Graph, prefix: str) -> Iterator[str]:
    """An arrow for each value; what comes from outside, or leaves, has a point of its own."""
    links = links_of(graph)
    for link in links:
        source, target = link.ends(prefix)
        yield f"  {source} -> {target} [label={_quoted(link.shape)}]"
    for name in border_names(prefix, links):
        yield f'  {name} [shape=point, label=""]'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """A text between quotes; control characters become visible ones."""
    return visible(text).replace("\\", "\\\\").replace('"', '\\"')
