"""Formatting a page changes its blocks alone, and these as formatting a spec does."""

from __future__ import annotations

from random import Random

import pytest
from documents import ROOT, documents, name_of

from cnndsl.diagnostics.source import Source
from cnndsl.markdown.fences import fences
from cnndsl.markdown.formatting import format_page
from cnndsl.syntax.formatter import format_source

LINES = ["input 1x8x8 # a", "", "conv 4 @ 3->relu", "  # b", "add(relu,", "  tanh)", "", "let k=1"]
MARGINS = ["", "> ", ">", "  ", "> > ", "- ", "1. ", "   ", "\t"]


def drawn(random: Random) -> str:
    """A page of blocks in quotations and lists, with text between them."""
    parts = []
    for number in range(4):
        margin = random.choice(MARGINS)
        rest = margin if ">" in margin else " " * len(margin.expandtabs(4))
        tail = random.choice(["", "", " file=a.cnn"])
        rows = random.choice([LINES, LINES[:3], LINES[3:4], [], [""]])
        fence = random.choice(["```", "~~~~"])
        parts += [f"text {number}", "", f"{margin}{fence}cnn{tail}"]
        parts += [
            f"{rest}{row}".rstrip() if random.random() < 0.5 else f"{rest}{row}" for row in rows
        ]
        parts += [f"{rest}{fence}", ""]
    return "\n".join(parts)


@pytest.mark.parametrize("seed", range(200))
def test_a_page_keeps_all_but_its_blocks(seed: int) -> None:
    text = drawn(Random(seed))
    if seed % 3 == 0:
        text = text.replace("\n", "\r\n")
    before = Source("a.md", text)
    laid = Source("a.md", format_page(before))
    assert format_page(laid) == laid.text
    old, new = list(fences(before)), list(fences(laid))
    assert len(old) == len(new)
    for one, other in zip(old, new, strict=True):
        assert (one.language, one.attributes, one.margin) == (
            other.language,
            other.attributes,
            other.margin,
        )
        if one.language == "cnn" and one.closed:
            body = one.text.lstrip("\n")
            expected = format_source(Source("a.md", body)) if body else ""
            assert other.text.lstrip("\n") == expected
    outside = [line for line in text.splitlines() if line.startswith("text ")]
    assert [line for line in laid.text.splitlines() if line.startswith("text ")] == outside


@pytest.mark.parametrize("page", documents(), ids=name_of)
def test_the_pages_of_the_documentation_stay(page: object) -> None:
    path = ROOT / str(page)
    if path.name != "formatting.md":
        text = path.read_text(encoding="utf-8")
        assert format_page(Source(str(path), text)) == text
