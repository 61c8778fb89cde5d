"""What is wrong with a text shows in the editor as one types, at its place, with its page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from language_client import editing
from lsprotocol import types

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALEXNET = "network alexnet\ninput 3x224x224\nconv1: conv 96@11x11 stride 4 -> relu\n"


async def test_a_fault_of_the_size_rule_is_shown_at_its_place(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(ALEXNET)
        [found] = await editor.diagnostics(uri)
    assert found.code == "CNN301"
    assert found.source == "cnndsl"
    assert found.severity == types.DiagnosticSeverity.Error
    assert editor.under(uri, found.range) == "11x11"
    assert found.message == (
        "the kernel does not tile the input: (224 - 11)/4 + 1 = 54.25 (its input is 3x224x224)"
    )
    assert found.code_description is not None
    assert found.code_description.href.endswith("docs/errors/CNN301.md")
    [related] = found.related_information or []
    assert related.message == "`input` gives 3x224x224"
    assert editor.under(uri, related.location.range) == "input 3x224x224"


async def test_a_text_that_is_mended_has_no_problems_any_more(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(ALEXNET)
        assert await editor.diagnostics(uri)
        editor.replace(uri, ALEXNET.replace("224x224", "227x227"))
        assert await editor.diagnostics(uri) == []


async def test_of_several_changes_the_last_one_counts(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(ALEXNET)
        for side in range(215, 228):
            editor.replace(uri, ALEXNET.replace("224x224", f"{side}x{side}"))
        assert await editor.diagnostics(uri) == []
        await asyncio.sleep(0.3)
        assert editor.published[uri].version == editor.versions[uri]
        assert list(editor.published[uri].diagnostics) == []


async def test_columns_count_units_of_utf16(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open('input 1x8x8\nclasses "\U0001f600e\u0301" "b"\nconv 4@3\n')
        [found] = await editor.diagnostics(uri)
        assert editor.under(uri, found.range) == '"b"'
        assert found.range.start.character == 15


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_the_editor_chooses_how_columns_count(tmp_path: Path, encoding: str) -> None:
    before = 'classes "\U0001f600e\u0301", '
    async with editing(tmp_path, encoding) as editor:
        uri = editor.open(f"input 1x8x8\n{before}?\nconv 4@3\n")
        [found] = [one for one in await editor.diagnostics(uri) if one.range.start.line == 1]
    codec = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding]
    width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    assert found.range.start.character == len(before.encode(codec)) // width


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_lines_may_end_in_either_way(tmp_path: Path, end: str) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(ALEXNET.replace("\n", end))
        [found] = await editor.diagnostics(uri)
        assert found.range.start == types.Position(2, 15)


async def test_help_names_what_an_editor_has(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x32x32\nconv 6@? => 6x28x28\n")
        [said] = await editor.diagnostics(uri)
        assert said.message.endswith("help: write 5; the quick fix does")
        [fix] = [one for one in await editor.actions(uri, "6@|?") if one.title == "Write 5"]
        assert fix.edit is not None
