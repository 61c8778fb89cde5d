"""Finds the files that travel with the package: the grammar, the specs and the docs.

In a wheel they lie inside the package; in a checkout, at the repository's root.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["docs", "error_page", "grammar", "parser_data", "specs"]


@cache
def _root() -> Path:
    package = Path(__file__).resolve().parent
    inside = package / "_data"
    return inside if inside.is_dir() else package.parent


def grammar() -> Path:
    """The grammar file."""
    return _root() / "grammar" / "cnn.lark"


def parser_data() -> Path:
    """The file with the data of the grammar's parser."""
    return grammar().with_suffix(".json")


def specs() -> Path:
    """The folder of shipped networks; its ``std/`` holds the importable blocks."""
    return _root() / "specs"


def docs() -> Path:
    """The folder of the documentation."""
    return _root() / "docs"


def error_page(code: str) -> Path:
    """The page about an error's code."""
    return docs() / "errors" / f"{code}.md"
