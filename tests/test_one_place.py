"""What is done in one place only: assembling models, starting sessions, some errors."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import cnndsl

PACKAGE = Path(cnndsl.__file__).parent


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    """The syntax of the whole package, each node with its file."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        found += [(name, node) for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    return found


def callers(function: str) -> set[str]:
    """The files in which a function is called by its name."""
    found = set()
    for path, node in nodes():
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name == function:
                found.add(path)
    return found


@pytest.mark.parametrize(
    ("function", "places"),
    [
        ("make_manifest", {"pipeline.py"}),
        ("export", {"pipeline.py"}),
        ("export_training", {"pipeline.py"}),
        ("starting_weights", {"graph/starting_weights.py"}),
        ("beginning", {"pipeline.py", "inspection.py"}),
        ("canonical_text", {"pipeline.py", "api.py", "importers/weights/bringing.py"}),
        ("InferenceSession", {"runtime/start.py"}),
        ("SessionOptions", {"runtime/start.py"}),
    ],
)
def test_a_stage_is_called_by_the_road_alone(function: str, places: set[str]) -> None:
    assert callers(function) == places


@pytest.mark.parametrize("code", ["CNN605", "CNN606", "CNN630"])
def test_an_error_is_raised_in_one_place(code: str) -> None:
    raised = [
        path
        for path, node in nodes()
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "UserError"
        and any(isinstance(one, ast.Constant) and one.value == code for one in node.args)
    ]
    assert len(raised) == 1
