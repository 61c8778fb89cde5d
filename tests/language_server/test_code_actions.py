"""What mends a text is offered where its problem is, and only then worked out."""

from __future__ import annotations

from pathlib import Path

import pytest
from language_client import editing

import cnndsl

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALEXNET = "network alexnet\ninput 3x224x224\nconv1: conv 96@11x11 stride 4 -> relu\n"


async def test_the_repairs_of_check_are_offered_and_mend_the_text(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(ALEXNET)
        [problem] = await editor.diagnostics(uri)
        found = await editor.actions(uri, "96@11|x11")
        titles = [one.title for one in found]
        assert "Change the input to 3x227x227: (227 - 11)/4 + 1 = 55" in titles
        assert (
            "Write `rounding ceil`: adds a window that reaches 3 rows and columns beyond the edge"
            in titles
        )
        for one in found:
            assert one.diagnostics is not None
            assert one.diagnostics[0].code == problem.code
            [text] = editor.changed(one.edit).values()
            assert cnndsl.check(text) == []


async def test_nothing_is_offered_where_nothing_is_wrong(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(ALEXNET)
        await editor.diagnostics(uri)
        assert await editor.actions(uri, "network ale|xnet") == []


async def test_a_safe_fix_is_preferred(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nconv 4@3 -> relu maxpool 2\n")
        await editor.diagnostics(uri)
        [one] = await editor.actions(uri, "max|pool")
        assert one.is_preferred
        assert list(editor.changed(one.edit).values()) == [
            "input 1x8x8\nconv 4@3 -> relu -> maxpool 2\n"
        ]


async def test_all_safe_fixes_are_made_at_once(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nconv 4@3 -> relu maxpool 2\nConv2d 4@1\n")
        await editor.diagnostics(uri)
        [one] = await editor.actions(uri, "|input", only=["source.fixAll"])
        [text] = editor.changed(one.edit).values()
        assert text == "input 1x8x8\nconv 4@3 -> relu -> maxpool 2\nconv 4@1\n"


async def test_claims_are_written_when_asked_for(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nconv 4@3\nflatten => 7\n")
        await editor.diagnostics(uri)
        [one] = await editor.actions(uri, "|input", only=["source.annotate.cnndsl"])
        [text] = editor.changed(one.edit).values()
        assert "conv 4@3 => 4x6x6" in " ".join(text.split())
        assert "flatten => 144" in " ".join(text.split())


async def test_a_fix_knows_the_version_that_it_is_for(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nconv 4@3\n")
        editor.replace(uri, ALEXNET)
        await editor.diagnostics(uri)
        [one, *_] = await editor.actions(uri, "96@11|x11")
        assert one.edit is not None
        [change] = one.edit.document_changes or ()
        assert change.text_document.version == 2  # type: ignore[union-attr]
