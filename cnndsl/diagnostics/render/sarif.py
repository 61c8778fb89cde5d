"""From diagnostics to SARIF 2.1.0, the log format that code-scanning services read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote

from cnndsl import resources
from cnndsl.diagnostics.codes import CODES, Code
from cnndsl.diagnostics.model import Diagnostic, Fix
from cnndsl.diagnostics.render.user_error import has_place
from cnndsl.diagnostics.source import Source, Span
from cnndsl.version import HOMEPAGE, __version__

__all__ = ["render_sarif"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """One SARIF log with one run; its rules are the codes that occur."""
    found = tuple(diagnostics)
    codes = sorted({diagnostic.code for diagnostic in found})
    rules = [_rule(code, CODES.get(code, Code(code))) for code in codes]
    driver = {
        "name": "cnndsl",
        "version": __version__,
        "semanticVersion": __version__,
        "informationUri": HOMEPAGE,
        "rules": rules,
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(item, codes.index(item.code)) for item in found],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(name: str, code: Code) -> dict[str, object]:
    explain = f"`cnndsl explain {name}` shows the rule with a wrong and a right example."
    help = {"text": f"{name}: {code.title}. {explain}"}
    page = resources.error_page(name)
    if page.is_file():
        help["markdown"] = page.read_text(encoding="utf-8")
    return {
        "id": name,
        "shortDescription": {"text": code.title},
        "helpUri": f"{HOMEPAGE}#{name}",
        "help": help,
        "defaultConfiguration": {"level": str(code.severity)},
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, object]:
    parts = [diagnostic.message, *diagnostic.notes]
    if diagnostic.help:
        parts.append(f"help: {diagnostic.help}")
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": str(diagnostic.severity),
        "message": {"text": "\n".join(parts)},
    }
    if has_place(diagnostic):
        result["locations"] = [{"physicalLocation": _location(diagnostic.span)}]
    if diagnostic.labels:
        result["relatedLocations"] = [
            {
                "id": number,
                "physicalLocation": _location(label.span),
                "message": {"text": label.message},
            }
            for number, label in enumerate(diagnostic.labels)
        ]
    if diagnostic.fixes:
        result["fixes"] = [_fix(fix) for fix in diagnostic.fixes if fix.edits]
    return result


def _fix(fix: Fix) -> dict[str, object]:
    changes: dict[Source, list[dict[str, object]]] = {}
    for edit in fix.edits:
        replacement = {
            "deletedRegion": _region(edit.span),
            "insertedContent": {"text": edit.text},
        }
        changes.setdefault(edit.span.source, []).append(replacement)
    return {
        "description": {"text": fix.title},
        "artifactChanges": [
            {"artifactLocation": _artifact(source), "replacements": replacements}
            for source, replacements in changes.items()
        ],
    }


def _location(span: Span) -> dict[str, object]:
    return {"artifactLocation": _artifact(span.source), "region": _region(span)}


def _artifact(source: Source) -> dict[str, str]:
    """The file as a URI: relative as the user typed it, or ``file:///…``."""
    path = quote(source.name.replace("\\", "/"), errors="surrogatepass")
    if path.startswith("/"):
        return {"uri": f"file://{path}"}
    if path[1:5] == "%3A/":
        return {"uri": f"file:///{path[0]}:{path[4:]}"}
    return {"uri": path}


def _region(span: Span) -> dict[str, int]:
    first, last = span.first, span.last
    return {
        "startLine": first.line,
        "startColumn": first.column,
        "endLine": last.line,
        "endColumn": last.column,
        "charOffset": span.start,
        "charLength": span.end - span.start,
    }
