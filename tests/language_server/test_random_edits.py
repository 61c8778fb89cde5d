"""Whatever is typed, the server has the editor's text, and answers everything about it.

The oracle is a text of the same content that was opened whole: of both the same is said. Positions
are counted here by encoding, not as the server does it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from language_client import WAIT, Editor, editing
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from cnndsl import resources

SPECS = sorted(resources.specs().rglob("*.cnn"))
PIECES = (
    *("\U0001f600", "e\u0301", "\u20ac", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0e01"),
    *("\ufeff", "\u2028", "\x0b", "\x00", "\u00d7", "\t", " ", "\n", "\r\n", "\r"),
    *("->", "=>", "(", ")", "{", "}", "[", "]", '"', "#", "@", ":", ",", ".", "=", "?", "-1"),
    *(
        "conv 8@3",
        "relu\n",
        "repeat 2 { ",
        "block b(n) {\n",
        "train {\n",
        "if yes { ",
        "u: ",
        "x = ",
    ),
    *("share C1", "expect params ?", "input 1x8x8\n", 'import "std/residual"\n', "# \U0001f600\n"),
)
REFUSED = types.LSPErrorCodes.RequestFailed.value


def ends(text: str) -> list[tuple[int, int]]:
    """Where each line begins, and where what can be pointed at of it ends."""
    found, start, at = [], 0, 0
    while at < len(text):
        if text[at] in "\r\n":
            found.append((start, at))
            at += 2 if text[at : at + 2] == "\r\n" else 1
            start = at
        else:
            at += 1
    return [*found, (start, len(text))]


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def place(text: str, lines: list[tuple[int, int]], draw: random.Random) -> tuple[int, Any]:
    """An offset, and how the editor says it."""
    line = draw.randrange(len(lines))
    start, end = lines[line]
    offset = draw.randint(start, end)
    return offset, types.Position(line, units(text[start:offset]))


def typed(editor: Editor, uri: str, draw: random.Random) -> None:
    """Make some changes at once."""
    text, changes = editor.texts[uri], []
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        lines = ends(text)
        (first, begin), (last, end) = sorted(
            (place(text, lines, draw), place(text, lines, draw)), key=lambda one: one[0]
        )
        if draw.random() < 0.7 or last - first > 60:
            last, end = first, begin
        new = "".join(draw.choice(PIECES) for _ in range(draw.choice((0, 1, 1, 1, 3))))
        changes.append(types.TextDocumentContentChangePartial(types.Range(begin, end), new))
        text = text[:first] + new + text[last:]
    editor.change(uri, *changes, text=text)


def requests(
    editor: Editor, uri: str, where: types.Position, until: types.Position
) -> dict[str, Awaitable[Any]]:
    """All that an editor can ask of a text and a place in it."""
    ask, text, part = editor.client, editor.named(uri), types.Range(where, until)
    context = types.CodeActionContext([])
    options = types.FormattingOptions(2, insert_spaces=True)
    at: dict[str, Any] = {"text_document": text, "position": where}
    return {
        "hover": ask.text_document_hover_async(types.HoverParams(**at)),
        "completion": ask.text_document_completion_async(types.CompletionParams(**at)),
        "signature": ask.text_document_signature_help_async(types.SignatureHelpParams(**at)),
        "definition": ask.text_document_definition_async(types.DefinitionParams(**at)),
        "references": ask.text_document_references_async(
            types.ReferenceParams(context=types.ReferenceContext(include_declaration=True), **at)
        ),
        "highlight": ask.text_document_document_highlight_async(
            types.DocumentHighlightParams(**at)
        ),
        "symbols": ask.text_document_document_symbol_async(types.DocumentSymbolParams(text)),
        "folding": ask.text_document_folding_range_async(types.FoldingRangeParams(text)),
        "tokens": ask.text_document_semantic_tokens_full_async(types.SemanticTokensParams(text)),
        "hints": ask.text_document_inlay_hint_async(types.InlayHintParams(text, part)),
        "lens": ask.text_document_code_lens_async(types.CodeLensParams(text)),
        "links": ask.text_document_document_link_async(types.DocumentLinkParams(text)),
        "actions": ask.text_document_code_action_async(types.CodeActionParams(text, part, context)),
        "formatting": ask.text_document_formatting_async(
            types.DocumentFormattingParams(text, options)
        ),
        "prepare": ask.text_document_prepare_rename_async(types.PrepareRenameParams(**at)),
        "rename": ask.text_document_rename_async(types.RenameParams(new_name="fresh_name", **at)),
    }


async def answers(wanted: dict[str, Awaitable[Any]]) -> dict[str, Any]:
    """All answers; a refusal to rename is one too."""
    async with asyncio.timeout(2 * WAIT):
        found = await asyncio.gather(*wanted.values(), return_exceptions=True)
    for name, one in zip(wanted, found, strict=True):
        if isinstance(one, BaseException):
            assert name in ("prepare", "rename"), (name, one)
            assert isinstance(one, JsonRpcException), (name, one)
            assert one.code == REFUSED, (name, one)
    return {
        name: str(one) if isinstance(one, BaseException) else one
        for name, one in zip(wanted, found, strict=True)
    }


def ranges(answer: object) -> Iterator[types.Range]:
    """All places of an answer."""
    if isinstance(answer, types.Range):
        yield answer
    elif isinstance(answer, types.Location | types.LocationLink | types.TextDocumentEdit):
        return  # perhaps of another file
    elif isinstance(answer, list | tuple):
        for one in answer:
            yield from ranges(one)
    elif hasattr(answer, "__attrs_attrs__"):
        for one in answer.__attrs_attrs__:
            yield from ranges(getattr(answer, one.name))


def assert_inside(text: str, answer: object) -> None:
    """Places are in the text, forwards, and never in the middle of a character."""
    lines = ends(text)
    for one in ranges(answer):
        places = []
        for at in (one.start, one.end):
            start, end = lines[at.line]
            encoded = text[start:end].encode("utf-16-le", "surrogatepass")
            assert 2 * at.character <= len(encoded), (at, text[start:end])
            encoded[: 2 * at.character].decode("utf-16-le")
            places.append((at.line, at.character))
        assert places[0] <= places[1]


def comparable(name: str, answer: object, uri: str) -> str:
    """An answer without what differs between two texts: their names and versions."""
    stem = Path(uri).stem
    return re.sub(r"version=\d+", "version=N", f"{name}: {answer!r}".replace(stem, "TEXT"))


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("seed", range(12))
async def test_what_is_typed_is_what_is_answered_about(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    text = draw.choice(SPECS).read_text("utf-8")[:3000]
    text = draw.choice(("", "\ufeff")) + text.replace("\n", draw.choice(("\n", "\r\n", "\r")))
    async with editing(tmp_path) as editor:
        uri = editor.open(text, "aaaa.cnn")
        for round in range(8):
            for _ in range(draw.choice((1, 3, 8))):
                typed(editor, uri, draw)
                if draw.random() < 0.2:  # while the text goes on changing
                    place_now = place(editor.texts[uri], ends(editor.texts[uri]), draw)[1]
                    await answers(requests(editor, uri, place_now, place_now))
            text = editor.texts[uri]
            where, until = (place(text, ends(text), draw)[1] for _ in range(2))
            if (where.line, where.character) > (until.line, until.character):
                where, until = until, where
            same = editor.open(text, f"bbb{round}.cnn")
            said = await editor.diagnostics(uri), await editor.diagnostics(same)
            found = await answers(requests(editor, uri, where, until))
            other = await answers(requests(editor, same, where, until))
            assert_inside(text, said[0])
            for name, answer in (*found.items(), ("diagnostics", said[0])):
                assert_inside(text, answer)
                twin = said[1] if name == "diagnostics" else other[name]
                assert comparable(name, answer, uri) == comparable(name, twin, same)
            editor.close(same)
