"""What the documentation shows of the language is in the canonical layout; so are shipped specs."""

import pytest
from documents import ROOT, Fence, fences

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.source import Source
from cnndsl.syntax.formatter import format_source

PAGES = [
    ROOT / "docs" / "language.md",
    ROOT / "docs" / "lectures.md",
    *sorted((ROOT / "docs" / "layers").glob("*.md")),
]
EXAMPLES = [(page.stem, fence) for page in PAGES for fence in fences(page, "cnn")]


@pytest.mark.parametrize(("page", "fence"), EXAMPLES, ids=[page for page, _ in EXAMPLES])
def test_examples_are_in_the_canonical_layout(page: str, fence: Fence) -> None:
    try:
        laid = format_source(Source(f"{page}.md", fence.text))
    except CompileError:
        assert "# error:" in fence.text
    else:
        assert laid == fence.text
