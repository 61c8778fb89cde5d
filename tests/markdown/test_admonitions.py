"""Blocks in admonitions and tabs of MkDocs are blocks, at their places in the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.diagnostics.source import Source
from cnndsl.markdown.admonitions import quoted_admonitions
from cnndsl.markdown.check import check_page_text
from cnndsl.markdown.fences import fences

WRONG = ("```cnn", "input 3x224x224", "conv 96@11 stride 4", "```")


def indented(columns: int, *lines: str) -> str:
    return "".join(f"{' ' * columns}{line}\n" if line else "\n" for line in lines)


@pytest.mark.parametrize(
    "head", ["!!! note", '!!! warning "Look"', "??? note", '=== "Tab"', "???+ x"]
)
@pytest.mark.parametrize("gap", ["", "\n", "    text\n\n"])
def test_a_block_below_a_head_is_one(head: str, gap: str) -> None:
    page = f"# Title\n\n{head}\n{gap}{indented(4, *WRONG)}\nafter\n"
    [problem] = check_page_text(page).diagnostics
    line = page.count("\n", 0, page.index("conv")) + 1
    assert (problem.span.first.line, problem.span.first.column) == (line, 13)
    assert problem.span.text == "11"


def test_heads_stand_in_each_other_and_in_lists() -> None:
    page = f'=== "A"\n\n    !!! note\n\n{indented(8, *WRONG)}\n    !!! tip\n{indented(8, *WRONG)}'
    page += f"\n- item\n\n    !!! note\n\n{indented(8, *WRONG)}"
    found = [one.span.first for one in check_page_text(page).diagnostics]
    assert [(place.line, place.column) for place in found] == [(7, 17), (13, 17), (22, 17)]


def test_what_only_looks_like_one_is_none() -> None:
    code = "```text\n!!! note\n\n    ```cnn\n    relu\n    ```\n```\n"
    assert [fence.language for fence in fences(Source("a.md", code))] == ["text"]
    heading = f"Title\n===\n\n{indented(4, *WRONG)}"
    assert list(fences(Source("a.md", heading))) == []


LINES = st.lists(
    st.sampled_from(
        [
            *("!!! note", "    !!! note", '=== "A"', "", "    ```cnn", "    relu", "        relu"),
            *("```", "    ```", "> a", "text", "\t", "        ```cnn", "  ??? x"),
        ]
    ),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_lines_stay_lines_and_end_alike(lines: list[str], ending: str) -> None:
    text = ending.join(lines)
    changed = quoted_admonitions(text)
    assert changed.count(ending) == text.count(ending)
    for old, new in zip(text.split(ending), changed.split(ending), strict=True):
        assert new.lstrip("> \t") == old.lstrip("> \t")
    for fence in fences(Source("a.md", text)):
        for offset, letter in enumerate(fence.text):
            if not letter.isspace():
                assert text[fence.place(offset)] == letter
