"""Formatting in an editor lays a text out as `cnndsl fmt` does."""

from __future__ import annotations

from pathlib import Path

import pytest
from language_client import Editor, editing
from lsprotocol import types

import cnndsl

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOSE = (
    'input 1x8x8 # "\U0001f600"\nC1:conv 4 @ 3->relu =>4x6x6 # six by six\n'
    "repeat 2 {\nconv 4@1\n}\nflatten\n"
)


async def formatted(editor: Editor, uri: str) -> str:
    options = types.FormattingOptions(tab_size=2, insert_spaces=True)
    params = types.DocumentFormattingParams(editor.named(uri), options)
    found = await editor.client.text_document_formatting_async(params)
    return editor.applied(uri, found or ())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_text_is_laid_out_as_by_the_command(tmp_path: Path, end: str) -> None:
    text = LOOSE.replace("\n", end)
    async with editing(tmp_path) as editor:
        uri = editor.open(text)
        laid = await formatted(editor, uri)
        assert laid == cnndsl.format(text) != text
        editor.replace(uri, laid)
        assert await formatted(editor, uri) == laid


async def test_a_text_that_cannot_be_read_stays(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nconv  4@3 -> -> relu\n")
        assert await formatted(editor, uri) == editor.texts[uri]
