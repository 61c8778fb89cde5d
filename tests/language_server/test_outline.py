"""A text has an outline, parts that fold, and words that are coloured by what they mean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from language_client import Editor, editing
from lsprotocol import types

from cnndsl import resources
from cnndsl.language_server.semantic_tokens import LEGEND

pytestmark = pytest.mark.asyncio(loop_scope="session")

NET = """# A network
# of no use.
network tiny
import "std/fire"
import "std/vgg"
param classes = 10
input 1x28x28 {
  scale 1/255
}
block unit(width, stream x) {
  x -> c: conv width@3 padding same   # same size
}
stem: unit(4, identity) -> a, b = split 2
fc: dense classes
train {
  optimizer sgd lr 0.1
}
"""


async def test_the_outline_has_what_is_defined(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(NET.replace("stem: unit(4, identity) -> a, b", "a, b"))
        params = types.DocumentSymbolParams(editor.named(uri))
        found = await editor.client.text_document_document_symbol_async(params)
    symbols = [one for one in found or () if isinstance(one, types.DocumentSymbol)]
    assert [one.name for one in symbols] == [
        *["tiny", "classes", "input", "unit", "a", "b", "fc", "train"]
    ]
    unit = symbols[3]
    assert unit.detail == "(width, stream x)"
    assert [one.name for one in unit.children or ()] == ["c"]
    assert editor.under(uri, unit.selection_range) == "unit"


async def test_bodies_comments_and_imports_fold(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(NET)
        params = types.FoldingRangeParams(editor.named(uri))
        found = await editor.client.text_document_folding_range_async(params)
    assert [(one.start_line, one.end_line, one.kind) for one in found or ()] == [
        (0, 1, "comment"),
        (3, 4, "imports"),
        (6, 7, None),
        (9, 10, None),
        (14, 15, None),
    ]


async def coloured(editor: Editor, uri: str) -> list[tuple[str, str]]:
    """The tokens of a text, each with its type."""
    params = types.SemanticTokensParams(editor.named(uri))
    found = await editor.client.text_document_semantic_tokens_full_async(params)
    assert found is not None
    line = column = 0
    tokens = []
    data = found.data
    for down, along, length, kind in zip(*(data[at::5] for at in range(4)), strict=True):
        line, column = line + down, along + (0 if down else column)
        start, end = types.Position(line, column), types.Position(line, column + length)
        tokens.append((editor.under(uri, types.Range(start, end)), LEGEND.token_types[kind]))
    return tokens


async def test_words_are_coloured_by_what_they_mean(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        found = await coloured(editor, editor.open(NET))
    assert found[0] == ("# A network", "comment")
    for word, kind in (
        ("network", "keyword"),
        ("classes", "variable"),
        ('"std/fire"', "string"),
        ("unit", "function"),
        ("width", "parameter"),
        ("conv", "class"),
        ("padding", "property"),
        ("same", "enumMember"),
        ("1x28x28", "number"),
        ("scale", "property"),
        ("sgd", "class"),
        ("lr", "property"),
        ("optimizer", "property"),
        ("->", "operator"),
        ("c", "variable"),
    ):
        assert (word, kind) in found, word
    assert {kind for word, kind in found if word == "conv"} == {"class"}


async def test_emoji_do_not_move_colours(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open('input 1x8x8\nclasses "\U0001f600", "e\u0301" # \U0001f600\nconv 2@3\n')
        assert await coloured(editor, uri) == [
            *[("input", "keyword"), ("1x8x8", "number"), ("classes", "keyword")],
            *[('"\U0001f600"', "string"), ('"e\u0301"', "string"), ("# \U0001f600", "comment")],
            *[("conv", "class"), ("2", "number"), ("@", "operator"), ("3", "number")],
        ]


async def test_all_shipped_specs_are_coloured_and_nothing_in_them_is_wrong(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        for path in sorted(resources.specs().rglob("*.cnn"))[::6]:
            text = path.read_text("utf-8")
            uri = editor.open(text, path.as_uri())
            assert await editor.diagnostics(uri) == []
            found = await coloured(editor, uri)
            words = re.findall(r"[\w.]+", " ".join(text.partition("#")[2:]))
            assert words
            covered = " ".join(word for word, _ in found)
            assert [word for word in words if word not in covered] == []
            editor.close(uri)
