"""Layers, parameters and quantities in Markdown, for hover, completion and signature help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from inspect import getdoc
from types import MappingProxyType

from cnndsl import resources
from cnndsl.analysis.cost import macs_of
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import LayerNode
from cnndsl.language_server.view import View
from cnndsl.layers.base import Layer, Schema
from cnndsl.layers.reference import ParameterText, described_parameters

__all__ = [
    "call_text",
    "costs",
    "layer_page",
    "parameter_text",
    "parameters",
    "schema_text",
    "signature",
    "uses",
]

SHOWN = 5
"""Of a layer in a block that is called often, so many are told apart."""


@cache
def parameters(schema: type[Schema]) -> Mapping[str, ParameterText]:
    """The parameters of a schema in words, by name, the positional ones first."""
    return MappingProxyType({one.name: one for one in described_parameters(schema)})


def schema_text(schema: type[Schema], word: str) -> str:
    """What a layer or a kind of setting is, how it is written, and its parameters."""
    told = (getdoc(schema) or "").strip().replace("``", "`")
    parts = [f"```cnn\n{signature(schema, word)}\n```", told]
    if parameters(schema):
        parts.append("\n".join(f"- {parameter_text(one)}" for one in parameters(schema).values()))
    if issubclass(schema, Layer) and (page := layer_page(word)):
        parts.append(page)
    return "\n\n".join(filter(None, parts))


def layer_page(keyword: str) -> str:
    """A link to the page about a layer; empty where there is none, as of a plug-in's."""
    path = resources.docs() / "layers" / f"{keyword}.md"
    return f"[about `{keyword}`]({path.as_uri()})" if path.is_file() else ""


def parameter_text(one: ParameterText) -> str:
    """A parameter in a line."""
    default = {"required": "", "-": ""}.get(one.default, f"; {one.default} by default")
    return f"`{one.name}`: {one.meaning} ({one.takes}{default})"


def signature(schema: type[Schema], word: str) -> str:
    """How a phrase is written: ``conv filters@kernel [stride 1] [padding 0]``."""
    if issubclass(schema, Layer) and schema.joins:
        return f"{word}(stream, stream)"
    fields = schema.model_fields
    between = " " if schema.spaced else "@"
    words = [word, between.join(schema.positional)] if schema.positional else [word]
    for one in parameters(schema).values():
        if one.name not in schema.positional:
            value = one.default.strip("`") if one.default not in ("required", "-") else "…"
            text = f"{one.name} {value}"
            words.append(text if fields[one.name].is_required() else f"[{text}]")
    return " ".join(words)


def uses(view: View, positions: Sequence[int]) -> str:
    """What the layers that were written at one place do: shapes and costs of each."""
    rows = list(dict.fromkeys(_use(view, position) for position in positions))
    if len(rows) == 1:
        return rows[0][1]
    lines = [f"- `{name}`: {text}" for name, text in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"- … and {len(rows) - SHOWN} more")
    return "\n".join((f"{count(len(rows), 'layer')} of this line:", *lines))


def _use(view: View, position: int) -> tuple[str, str]:
    """A layer's name, and what it does."""
    node = view.analysis.draft.nodes[position]
    assert isinstance(node, LayerNode)
    before = ", ".join(view.shape(at) for at in node.inputs)
    return node.name, f"`{before} -> {view.shape(position)}`" + _joined(costs(view, position))


def _joined(parts: Iterator[str]) -> str:
    return "".join(f" · {part}" for part in parts)


def call_text(view: View, call: Span, results: Sequence[str]) -> str:
    """What a call of a block gives, and what its layers cost together."""
    inside = [
        position
        for position, node in enumerate(view.analysis.draft.nodes)
        if isinstance(node, LayerNode) and call in node.trace
    ]
    counts = [view.params(position) for position in inside]
    parts = [f"this call gives {', '.join(results)}"] if results else []
    if inside and None not in counts:
        parts.append(count(len(inside), "layer"))
        parts.append(count(sum(one or 0 for one in counts), "parameter", commas=True))
    if inside and view.typed is not None:
        typed = view.typed
        parts.append(count(sum(macs_of(typed, at) for at in inside), "MAC", commas=True))
    return " · ".join(parts)


def costs(view: View, position: int) -> Iterator[str]:
    """What a layer costs, as far as it is known."""
    params, typed = view.params(position), view.typed
    if params:
        yield count(params, "parameter", commas=True)
    if typed is not None:
        macs = macs_of(typed, position)
        if macs:
            yield count(macs, "MAC", commas=True)
        field = "x".join(map(str, view.fields[position]))
        if field:
            yield f"receptive field {field}"
