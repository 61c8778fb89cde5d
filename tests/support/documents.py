"""Finds the fenced blocks of the documentation: Markdown in, texts with their places out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

__all__ = ["ROOT", "Fence", "documents", "fences", "name_of"]

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the checkout."""


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
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type != "fence" or token.level:
            continue
        name, *words = token.info.split() or [""]
        file = next((word.partition("=")[2] for word in words if word.startswith("file=")), "")
        assert token.map is not None
        fence = Fence(page, token.map[0] + 1, name, file, tuple(words), token.content)
        if language in ("", fence.language):
            yield fence
