"""Turns diagrams into Mermaid, which Markdown pages draw: a subgraph for each frame."""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.diagnostics.render.characters import visible
from cnndsl.plots.diagram.graph import Box, Diagram, Graph, Place, border_names, links_of, name_of
from cnndsl.plots.diagram.labels import frame_title, remark_of, title_of
from cnndsl.plots.diagram.theme import Theme

__all__ = ["mermaid"]

_SHAPES = {
    "layer": ("[", "]"),
    "block": ("[[", "]]"),
    "join": ("([", "])"),
    "input": ("([", "])"),
    "output": ("([", "])"),
    "loss": ("([", "])"),
}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 @·×,._-+=():→…–")
"""What stands in a label as it is; all else is written by its number."""


def mermaid(diagram: Diagram, theme: Theme) -> str:
    """The text of a diagram for Mermaid."""
    lines = ["---", f"title: {_title(diagram.name)}", "---", "flowchart TB"]
    lines += _nodes(diagram.graph, "n", (), "  ")
    lines += _edges(diagram.graph, "n", "  ")
    for number, detail in enumerate(diagram.details, start=1):
        prefix = f"d{number}"
        lines += [
            f'  subgraph {prefix}["{_escaped(detail.title)}"]',
            *_nodes(detail.graph, prefix, (), "    "),
            *_edges(detail.graph, prefix, "    "),
            "  end",
        ]
    graphs = [diagram.graph, *(detail.graph for detail in diagram.details)]
    families = dict.fromkeys(box.family for graph in graphs for box in graph.boxes())
    for family in families:
        fill, border = theme.families[family]
        lines.append(f"  classDef {family} fill:{fill},stroke:{border},color:{theme.ink}")
    return "\n".join((*lines, ""))


def _nodes(graph: Graph, prefix: str, at: Place, indent: str) -> Iterator[str]:
    for position, node in enumerate(graph.nodes):
        place = (*at, position)
        if isinstance(node, Box):
            begin, end = _SHAPES[node.kind]
            label = "<br>".join(map(_escaped, (title_of(node), *remark_of(node))))
            yield f'{indent}{name_of(prefix, place)}{begin}"{label}"{end}:::{node.family}'
            continue
        title = _escaped("  ".join(frame_title(node)))
        yield f'{indent}subgraph {name_of(prefix, place)}["{title or " "}"]'
        yield from _nodes(node.graph, prefix, place, f"{indent}  ")
        yield f"{indent}end"


def _edges(graph: Graph, prefix: str, indent: str) -> Iterator[str]:
    """An arrow for each value; what comes from outside, or leaves, has a dot of its own."""
    links = links_of(graph)
    for name in border_names(prefix, links):
        yield f'{indent}{name}((" "))'
    for link in links:
        source, target = link.ends(prefix)
        shape = f'|"{_escaped(link.shape)}"|' if link.shape else ""
        yield f"{indent}{source} -->{shape} {target}"


def _escaped(text: str) -> str:
    """A text in a label: letters that mean something to Mermaid or HTML by their numbers."""
    return "".join(
        letter if letter in _PLAIN or letter.isalnum() else f"#{ord(letter)};"
        for letter in visible(text)
    )


def _title(text: str) -> str:
    """A text as a value of YAML."""
    import json

    return json.dumps(visible(text), ensure_ascii=False)
