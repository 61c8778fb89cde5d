"""What the documentation shows of the language is in the canonical layout; so are shipped specs."""

import pytest
from documents import ROOT, Fence, documents, fences, name_of

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.source import Source
from cnndsl.syntax.formatter import format_source

PAGES = [*documents(), *sorted((ROOT / "examples").glob("*/README.md"))]
LOOSE = ("formatting.md", "net.cnn")
"""What shows what a layout does."""
EXAMPLES = [
    (name_of(page), fence)
    for page in PAGES
    for fence in fences(page, "cnn")
    if (page.name, fence.file) != LOOSE
]


@pytest.mark.parametrize(("page", "fence"), EXAMPLES, ids=[page for page, _ in EXAMPLES])
def test_examples_are_in_the_canonical_layout(page: str, fence: Fence) -> None:
    try:
        laid = format_source(Source(page, fence.text))
    except CompileError:
        assert "# error:" in fence.text or "errors" in page
    else:
        assert laid == fence.text
