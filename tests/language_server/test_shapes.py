"""Shapes show at the ends of lines, and what a network costs above it."""

from __future__ import annotations

from pathlib import Path

import pytest
from language_client import Editor, editing
from lsprotocol import types

pytestmark = pytest.mark.asyncio(loop_scope="session")

NET = """network tiny
input 1x28x28
block unit(width) {
  conv width@3 padding 1
  relu                    # a comment
}
C1: conv 6@5 -> tanh      # another
P1: maxpool 2             => 6x12x12
add(
  conv 4@3 padding 1 -> relu,
  conv 4@1
) -> tanh
unit(8)
unit(16)
repeat 2 { conv 4@1 }
a, b = split 2
b -> flatten -> dense 10 => 10 -> softmax
"""


async def hints(editor: Editor, uri: str) -> dict[int, types.InlayHint]:
    everything = types.Range(types.Position(0, 0), types.Position(1000, 0))
    params = types.InlayHintParams(editor.named(uri), everything)
    found = await editor.client.text_document_inlay_hint_async(params)
    return {one.position.line: one for one in found or ()}


async def test_shapes_stand_behind_lines_without_a_claim(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        found = await hints(editor, editor.open(NET))
    lines = NET.splitlines()
    assert {lines[at].strip(): one.label for at, one in found.items()} == {
        "conv width@3 padding 1": "=> 8x12x12, 16x12x12",
        "relu                    # a comment": "=> 8x12x12, 16x12x12",
        "C1: conv 6@5 -> tanh      # another": "=> 6x24x24",
        "conv 4@3 padding 1 -> relu,": "=> 4x12x12",
        "conv 4@1": "=> 4x12x12",
        ") -> tanh": "=> 4x12x12",
        "unit(8)": "=> 8x12x12",
        "unit(16)": "=> 16x12x12",
        "repeat 2 { conv 4@1 }": "=> 4x12x12",
        "a, b = split 2": "=> 2x12x12, 2x12x12",
        "b -> flatten -> dense 10 => 10 -> softmax": "=> 10",
    }


async def test_a_hint_becomes_a_claim_that_holds(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(NET)
        found = await hints(editor, uri)
        edits = [edit for one in found.values() for edit in one.text_edits or ()]
        assert len(edits) == 7
        editor.replace(uri, editor.applied(uri, edits))
        assert not [one for one in await editor.diagnostics(uri) if one.code != "CNN120"]


async def test_hints_are_of_the_lines_that_are_asked_for(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(NET)
        some = types.Range(types.Position(6, 0), types.Position(9, 0))
        params = types.InlayHintParams(editor.named(uri), some)
        found = await editor.client.text_document_inlay_hint_async(params)
        assert [one.position.line for one in found or ()] == [6, 9]


async def test_the_totals_stand_above_the_network(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("\nnetwork tiny\ninput 1x8x8\nconv 4@3\nflatten -> dense 10\n")
        params = types.CodeLensParams(editor.named(uri))
        [found] = await editor.client.text_document_code_lens_async(params) or ()
        assert found.range.start.line == 1
        assert found.command is not None
        assert found.command.title == "1x8x8 -> 10 · 3 layers · 1,490 parameters · 2,736 MACs"


async def test_there_are_no_totals_while_shapes_are_not_known(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nconf 4@3\n")
        params = types.CodeLensParams(editor.named(uri))
        assert not await editor.client.text_document_code_lens_async(params)
