"""The reference in docs/training.md is what the schemas say; `REWRITE=1` writes it anew."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from cnndsl.layers.base import MAX_SIZE, Schema
from cnndsl.recipe.recipe import LABELLED, SCALARS, VARIANTS
from cnndsl.recipe.schedules.base import Schedule
from cnndsl.resources import docs

BEGIN = "<!-- reference: generated from cnndsl/recipe -->"
END = "<!-- end of the reference -->"


def reference() -> str:
    """All settings, family by family."""
    return "\n".join([*variants(), *scalars()]).strip()


def variants() -> Iterator[str]:
    for name, family in VARIANTS.items():
        base = next(iter(family.values())).__mro__[1]
        yield f"### `{name}`\n\n{text_of(base)}\n"
        yield from (f"- `{name} {word}`: {text_of(schema)}" for word, schema in family.items())
        rows = list(attribute_rows(family))
        if rows:
            yield from ("", "| of | attribute | takes | default | is |", "|---|---|---|---|---|")
            yield from rows
        yield ""


def attribute_rows(family: Mapping[str, type[Schema]]) -> Iterator[str]:
    for word, schema in family.items():
        for attribute in schema.model_fields:
            if attribute not in Schedule.model_fields:
                yield f"| `{word}` | {row(schema, attribute)}"
    if "cosine" in family:
        yield from (f"| all | {row(Schedule, name)}" for name in Schedule.model_fields)


def scalars() -> Iterator[str]:
    yield "### Settings of one value\n"
    yield "| setting | attribute | takes | default | is |"
    yield "|---|---|---|---|---|"
    for name, schema in {**SCALARS, **LABELLED}.items():
        for attribute in schema.model_fields:
            yield f"| `{name}` | {row(schema, attribute)}"
    yield ""
    yield from (f"- `{name}`: {text_of(schema)}" for name, schema in SCALARS.items())
    yield from (f"- `{name} LABEL`: {text_of(schema)}" for name, schema in LABELLED.items())
    yield "- `freeze LABEL …`: these layers, and all in the scopes of these labels, do not learn."


def row(schema: type[Schema], attribute: str) -> str:
    field = schema.model_fields[attribute]
    nameless = attribute in schema.positional or attribute == "label"
    shown = "(nameless)" if nameless else f"`{attribute}`"
    default = "required" if field.is_required() else f"`{written(field.default)}`"
    if field.default is None:
        default = "-"
    return f"{shown} | {kind(schema, attribute)} | {default} | {field.description} |"


def kind(schema: type[Schema], attribute: str) -> str:
    """What an attribute takes, from its JSON schema."""
    if attribute == "value" and schema is SCALARS["init"]:
        return "an initialiser"
    properties: dict[str, Any] = schema.model_json_schema()["properties"][attribute]
    # What may be left out is a number or nothing.
    properties = properties.get("anyOf", [properties])[0]
    match properties:
        case {"enum": [*words]}:
            return ", ".join(f"`{word}`" for word in words)
        case {"type": "boolean"}:
            return "`yes`, `no`"
        case {"type": "string"}:
            return "a label"
        case {"type": "array"}:
            return "a list of whole numbers"
    noun = "whole number" if properties["type"] == "integer" else "number"
    limits = [
        f"{sign} {written(properties[key])}"
        for key, sign in {
            "minimum": ">=",
            "exclusiveMinimum": ">",
            "maximum": "<=",
            "exclusiveMaximum": "<",
        }.items()
        if key in properties and properties[key] != MAX_SIZE
    ]
    return ", ".join([noun, *limits])


def written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def text_of(schema: type[Schema]) -> str:
    return " ".join((schema.__doc__ or "").split())


def test_the_reference_is_fresh() -> None:
    page = docs() / "training.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    fresh = f"\n\n{reference()}\n\n"
    if os.environ.get("REWRITE"):
        page.write_text(f"{before}{BEGIN}{fresh}{END}{after}", encoding="utf-8")
    else:
        assert old == fresh, "run it once with REWRITE=1"
