"""Blocks of a page: what Markdown takes their text for, and where each letter of it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cnndsl.diagnostics.source import Source
from cnndsl.markdown.fences import Fence, fences, is_markdown


def only(text: str) -> Fence:
    [fence] = fences(Source("page.md", text))
    return fence


@pytest.mark.parametrize(
    "info",
    [
        "cnn file=a.cnn fails",
        'cnn file="a.cnn" fails',
        "{.cnn file=a.cnn fails}",
        "{.cnn file='a.cnn' .x fails}",
        "cnn {file=a.cnn fails}",
        "{cnn} file=a.cnn fails",
        "CNN file=a.cnn fails",
        '{cnn, file="a.cnn", fails}',
        "cnn {1,3} file=a.cnn fails",
        'cnn file=a.cnn fails title="two words"',
    ],
)
def test_a_language_and_attributes_are_written_as_tools_write_them(info: str) -> None:
    fence = only(f"~~~ {info}\ninput 1\n~~~\n")
    assert (fence.language, fence.file) == ("cnn", "a.cnn")
    assert "fails" in fence.attributes


@pytest.mark.parametrize("info", ["", "   ", '"', "python", "cnnx", 'cnn "open'])
def test_odd_words_behind_a_fence_are_taken_as_they_are(info: str) -> None:
    assert (only(f"```{info}\n```\n").language == "cnn") == info.startswith("cnn ")


def test_options_of_a_directive_are_attributes_and_no_text() -> None:
    fence = only("```{cnn}\n:file: a.cnn\n:table:\n\ninput 1\n:x: 2\n```\n")
    assert fence.attributes == {"file": "a.cnn", "table": ""}
    assert fence.text == "\n\n\n\ninput 1\n:x: 2\n"


PREFIXES = st.lists(
    st.sampled_from(["> ", ">", "- ", "1. ", "   ", "* ", "\t", "  "]), max_size=3
).map("".join)
ROWS = st.lists(st.text(st.sampled_from("ab >-\t`#é𝄞"), max_size=8), max_size=5)


@given(PREFIXES, ROWS, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), ROWS)
def test_each_letter_of_a_block_stands_where_it_is_said_to(
    prefix: str, rows: list[str], ending: str, closed: bool, above: list[str]
) -> None:
    under = "".join(one if one in ">\t" else " " for one in prefix)
    lines = [*above, "", f"{prefix}```cnn", *(under + row for row in rows)]
    page = ending.join([*lines, *([f"{under}```", "end"] if closed else [])])
    tokens = [one for one in MarkdownIt("commonmark").parse(page) if one.type == "fence"]
    found = list(fences(Source("page.md", page)))
    assert len(found) == len(tokens)
    for fence, token in zip(found, tokens, strict=True):
        for offset, letter in enumerate(fence.text):
            if not letter.isspace():
                assert page[fence.place(offset)] == letter
        own = fence.text[fence.offsets[0] :]
        # What Markdown makes of tabs in margins is spaces, which mean as much.
        assert own.split() == token.content.split()
        assert own.count("\n") in (token.content.count("\n"), token.content.count("\n") - 1)
        assert 0 <= fence.starts[-1] <= len(page)


def test_lines_have_the_numbers_of_the_page() -> None:
    fence = only("# Title\n\ntext\n\n> ```cnn\n> input 1\n> relu\n> ```\n")
    lines = Source("", fence.text)
    assert lines.line(6) == "input 1"
    assert lines.position(fence.text.index("relu")).line == 7


@pytest.mark.parametrize(
    "text",
    [
        "<!--\n```cnn\ninput 1\n```\n-->\n",
        "    ```cnn\n    input 1\n    ```\n",
        "`` ```cnn `` is how a block begins\n",
        "<pre>\n```cnn\n</pre>\n",
    ],
)
def test_what_markdown_takes_for_no_block_is_none(text: str) -> None:
    assert list(fences(Source("page.md", text))) == []


def test_a_page_is_known_by_its_ending() -> None:
    assert [is_markdown(name) for name in ("a.md", "A.MD", "a.markdown", "a.qmd")] == [True] * 4
    assert not any(map(is_markdown, ("md", "a.cnn", "a.md.cnn", "lenet5", "-")))
