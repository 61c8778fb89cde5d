"""Finds the fenced blocks of the documentation: Markdown in, texts with their places out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Fence", "documents", "fences", "name_of"]

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the checkout."""

_FENCE = re.compile(r"^```(\S+)?([^\n]*)\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fence:
    """One fenced block: ```` ```cnn file=blocks.cnn ````.

    ``file`` is the name that a block has for the other blocks of its page, empty for most;
    ``words`` is all that stands behind the language.
    """

    page: Path
    line: int
    language: str
    file: str
    words: tuple[str, ...]
    text: str


def documents() -> list[Path]:
    """All pages: what is in docs/ and the Markdown files at the root."""
    return sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])


def name_of(page: Path) -> str:
    """A page's path as the checkout has it."""
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, language: str = "") -> Iterator[Fence]:
    """The blocks of a page, in order; those of one language where one is given."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        words = tuple(found[2].split())
        file = next((word.partition("=")[2] for word in words if word.startswith("file=")), "")
        line = text.count("\n", 0, found.start()) + 1
        fence = Fence(page, line, found[1] or "", file, words, found[3])
        if language in ("", fence.language):
            yield fence
