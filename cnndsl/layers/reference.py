"""Turns a layer's schema into the table of parameters on its page, ``docs/layers/KEYWORD.md``.

``python -m cnndsl.layers.reference`` rewrites the tables between the markers of all pages.
"""

import re
from collections.abc import Mapping
from typing import Any

from cnndsl import resources
from cnndsl.diagnostics.words import quoted
from cnndsl.frozen import frozen
from cnndsl.layers import find, keywords
from cnndsl.layers.base import LARGEST, MAX_SIZE, Schema

__all__ = [
    "BEGIN",
    "END",
    "ParameterText",
    "described_parameters",
    "main",
    "parameter_table",
    "refreshed",
]

BEGIN = "<!-- parameters: python -m cnndsl.layers.reference -->"
END = "<!-- end of parameters -->"


def parameter_table(schema: type[Schema]) -> str:
    """The parameters as a Markdown table, the positional ones first."""
    parameters = described_parameters(schema)
    if not parameters:
        return "It has no parameters."
    rows = ["| parameter | takes | default | meaning |", "| --- | --- | --- | --- |"]
    rows += [
        f"| `{one.name}` | {one.takes} | {one.default} | {one.meaning} |" for one in parameters
    ]
    return "\n".join(rows)


@frozen
class ParameterText:
    """A parameter in words: what it takes, its default (or ``required``), and what it means.

    ``words`` are the values that can be written as they stand: ``same``, ``yes``.
    """

    name: str
    takes: str
    default: str
    meaning: str
    words: tuple[str, ...] = ()


def described_parameters(schema: type[Schema]) -> tuple[ParameterText, ...]:
    """The parameters of a schema in words, the positional ones first."""
    fields = schema.model_fields
    whole = schema.model_json_schema()
    found: list[ParameterText] = []
    for name in schema.parameter_names():
        described = whole["properties"][name]
        takes = _takes(described, whole.get("$defs", {}))
        default = "required" if fields[name].is_required() else _default(described.get("default"))
        words = tuple(re.findall(r"`([^`]+)`", takes))
        found.append(ParameterText(name, takes, default, fields[name].description or "", words))
    return tuple(found)


def refreshed(page: str, schema: type[Schema]) -> str:
    """The page with its table as the schema has it now.

    Raises:
        ValueError: where the page lacks the markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks `{BEGIN}` or `{END}`")
    return f"{before}{BEGIN}\n{parameter_table(schema)}\n{END}{after}"


def _default(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "`yes`" if value else "`no`"
        case list():
            return f"`{'x'.join(map(str, value))}`"
        case {"name": name, "value": number}:  # an initialiser, as it is called
            return f"`{name}`" if number is None else f"`{name}({number:g})`"
        case _:
            return f"`{value}`"


def _takes(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A JSON schema in a few words: ``a whole number, at least 1``."""
    if "$ref" in described:
        return _takes(definitions[described["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in described:
        kinds = [kind for kind in described["anyOf"] if kind.get("type") != "null"]
        return ", ".join(_takes(kind, definitions) for kind in kinds)
    if "enum" in described:
        return quoted(described["enum"])
    if described.get("format") == "label":
        return "a label"
    match described.get("type"):
        case "boolean":
            return "`yes`, `no`"
        case "integer":
            return f"a whole number{_range(described)}"
        case "number":
            return f"a number{_range(described)}"
        case "array":
            return _list(described)
        case _:
            return quoted(described["examples"]) if "examples" in described else "a label"


def _list(described: Mapping[str, Any]) -> str:
    """A list, or lists in lists, in a few words."""
    if "prefixItems" in described:
        return f"{len(described['prefixItems'])} numbers"
    depth, item = 0, described
    while item.get("type") == "array":
        depth, item = depth + 1, item["items"]
    whole = item["type"] == "integer"
    match depth:
        case 1:
            return f"sizes{_range(item)}" if whole else f"a list of numbers{_range(item)}"
        case 2:
            return "lists of whole numbers" if whole else "a matrix"
        case 3:
            return "a list of matrices"
    return "lists of matrices"


def _range(described: Mapping[str, Any]) -> str:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    bounds = [
        f"{word} {described[key]:g}"
        for key, word in words.items()
        if key in described and described[key] not in (MAX_SIZE, LARGEST, -LARGEST)
    ]
    return f", {' and '.join(bounds)}" if bounds else ""


def main() -> None:
    """Rewrite the tables of all pages."""
    for keyword in keywords():
        schema, path = find(keyword), resources.docs() / "layers" / f"{keyword}.md"
        if schema is not None and path.is_file():
            path.write_text(refreshed(path.read_text("utf-8"), schema), "utf-8")


if __name__ == "__main__":
    main()
