"""JSON schemas of what the verbs print with ``--format json``: one table, from name to type.

The type, a ``TypedDict`` or an alias made of some, stands beside the function that makes the data.
All keys are exact: an object may have no others than those that its schema names.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import closest

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema

__all__ = ["SCHEMAS", "schema"]

SCHEMAS = MappingProxyType(
    {
        "check": "cnndsl.diagnostics.render.json:DiagnosticsJson",
        "diff": "cnndsl.analysis.change_records:DiffJson",
        "doctor": "cnndsl.runtime.doctor:CheckupJson",
        "expand": "cnndsl.elaborate.content:ExpandedJson",
        "explain": "cnndsl.analysis.arithmetic_json:ExplainedJson",
        "eval": "cnndsl.cli.scores_json:EvalJson",
        "profile": "cnndsl.runtime.profile:ProfileJson",
        "run": "cnndsl.cli.answers:PredictionsJson",
        "run-draw": "cnndsl.cli.maps:DrawnMapsJson",
        "run-explain": "cnndsl.cli.explanations:ExplanationsJson",
        "run-output": "cnndsl.cli.answers:ResultsJson",
        "scale": "cnndsl.training.scaling:ScalingJson",
        "specs": "cnndsl.elaborate.catalogue:CatalogueJson",
        "sweep": "cnndsl.sweeps.records:SweepJson",
        "summary": "cnndsl.analysis.summary:SummaryJson",
        "weights-export": "cnndsl.importers.weights.exporting:ExportedJson",
        "weights": "cnndsl.importers.weights.pairing:PairingJson",
    }
)
"""Where the type of each is: a verb's name, with an option where that changes what is printed."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(name: str) -> dict[str, Any]:
    """The JSON schema, draft 2020-12, of what a verb prints with ``--format json``.

    >>> schema("specs")["items"]
    {'$ref': '#/$defs/EntryJson'}

    Raises:
        UserError: CNN011 for a name that has none.
    """
    from pydantic import TypeAdapter

    if name not in SCHEMAS:
        near = closest(name, SCHEMAS)
        help = f"did you mean `{near[0]}`?" if near else "`cnndsl schema` lists them all"
        raise UserError("CNN011", f"there is no JSON schema `{name}`", help=help)
    module, _, attribute = SCHEMAS[name].partition(":")
    adapter: TypeAdapter[Any] = TypeAdapter(getattr(import_module(module), attribute))
    made = adapter.json_schema(schema_generator=_exact_objects(), mode="serialization")
    return {"$schema": _DIALECT, "title": f"cnndsl {name}", **made}


def _exact_objects() -> type[GenerateJsonSchema]:
    """Pydantic's generator, but for objects that may have no keys beside their own."""
    from pydantic.json_schema import GenerateJsonSchema

    class ExactObjects(GenerateJsonSchema):
        @override
        def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
            return {**super().typed_dict_schema(schema), "additionalProperties": False}

    return ExactObjects
