"""The server knows texts as the editor has them: unsaved, imported, closed, deleted, hostile."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_client import editing
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from cnndsl.language_server.documents import Document
from cnndsl.language_server.positions import Lines

NET = 'import "parts"\ninput 1x8x8\nunit(4)\n'
PARTS = "block unit(width) { conv width@3 }\n"


# --- texts and changes ----------------------------------------------------------------------------

CHARACTERS = st.sampled_from(list("ab \n\r\t\u2028\u0085\x0b\x0c\x1c\u00e9\u0301\u20ac\U0001f600"))
TEXTS = st.text(CHARACTERS, max_size=30)


def reference(text: str, encoding: str) -> list[tuple[int, int]]:
    """The line and column of every offset, by going through the text once."""
    codec = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding]
    width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    places, line, column = [], 0, 0
    for at, character in enumerate(text):
        places.append((line, column))
        column += len(character.encode(codec)) // width
        if character == "\n" or (character == "\r" and text[at + 1 : at + 2] != "\n"):
            line, column = line + 1, 0
    return [*places, (line, column)]


@given(TEXTS, st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_places_are_as_the_protocol_counts_them(text: str, encoding: str) -> None:
    lines = Lines(text, encoding)
    for offset, (line, column) in enumerate(reference(text, encoding)):
        place = lines.position(offset)
        assert (place.line, place.character) == (line, column)
        inside_end = text[offset - 1 : offset + 1] == "\r\n"
        if not inside_end:
            assert lines.offset(place) == offset


@given(TEXTS, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), TEXTS), max_size=6))
def test_changes_leave_the_text_of_the_editor(
    text: str, changes: list[tuple[int, int, str]]
) -> None:
    document = Document("file:///a.cnn", Path("/a.cnn"), text, 1, "utf-16")
    for number, (first, second, new) in enumerate(changes, 2):
        places = reference(text, "utf-16")
        offsets = [at for at in range(len(places)) if text[at - 1 : at + 1] != "\r\n" or at == 0]
        start, end = sorted((offsets[first % len(offsets)], offsets[second % len(offsets)]))
        wanted = types.Range(types.Position(*places[start]), types.Position(*places[end]))
        document.change([types.TextDocumentContentChangePartial(wanted, new)], number)
        text = text[:start] + new + text[end:]
        assert document.text == text
        assert document.version == number


def test_a_place_beyond_a_line_is_its_end() -> None:
    lines = Lines("ab\r\n\U0001f600c")
    assert lines.offset(types.Position(0, 99)) == 2
    assert lines.offset(types.Position(1, 1)) == 4
    assert lines.offset(types.Position(9, 0)) == 6


# --- with a server --------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="session")
async def test_what_is_typed_bit_by_bit_is_what_is_checked(tmp_path: Path) -> None:
    text, draw = "", random.Random(1)
    wanted = (
        'input 1x8x8\nclasses "\U0001f600", "e\u0301"\r\nconv 4@3 -> relu\nflatten -> dense 2\n'
    )
    async with editing(tmp_path) as editor:
        uri = editor.open(text)
        pieces = list(wanted)
        for piece in pieces:
            end = types.Position(*reference(text, "utf-16")[-1])
            text += piece
            change = types.TextDocumentContentChangePartial(types.Range(end, end), piece)
            editor.change(uri, change, text=text)
            if draw.random() < 0.1:
                await editor.hover(uri, f"|{text}" if text.count(text) == 1 else "|")
        assert await editor.diagnostics(uri) == []


@pytest.mark.asyncio(loop_scope="session")
async def test_an_import_counts_as_it_is_open(tmp_path: Path) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        uri = editor.open(NET)
        assert await editor.diagnostics(uri) == []
        parts = editor.open(PARTS, "parts.cnn")
        editor.replace(parts, PARTS.replace("@3", "@9"))
        await editor.diagnostics(parts)
        async with asyncio.timeout(20):
            while "CNN302" not in [one.code for one in editor.published[parts].diagnostics]:
                await asyncio.sleep(0.05)
        editor.replace(parts, "")
        async with asyncio.timeout(20):
            while "CNN101" not in [one.code for one in editor.published[uri].diagnostics]:
                await asyncio.sleep(0.05)
        editor.close(parts)
        async with asyncio.timeout(20):
            while editor.published[uri].diagnostics or editor.published[parts].diagnostics:
                await asyncio.sleep(0.05)


@pytest.mark.asyncio(loop_scope="session")
async def test_an_import_that_was_never_saved_is_found(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(NET)
        assert [one.code for one in await editor.diagnostics(uri)] == ["CNN107"]
        editor.open(PARTS, "parts.cnn")
        async with asyncio.timeout(20):
            while editor.published[uri].diagnostics:
                await asyncio.sleep(0.05)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_file_that_changes_on_the_disk_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        uri = editor.open(NET)
        assert await editor.diagnostics(uri) == []
        (tmp_path / "parts.cnn").unlink()
        change = types.FileEvent(editor.uri("parts.cnn"), types.FileChangeType.Deleted)
        editor.client.workspace_did_change_watched_files(
            types.DidChangeWatchedFilesParams([change])
        )
        async with asyncio.timeout(20):
            while [one.code for one in editor.published[uri].diagnostics] != ["CNN107"]:
                await asyncio.sleep(0.05)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_closed_text_has_no_problems(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\nconf 4@3\n")
        assert await editor.diagnostics(uri)
        editor.close(uri)
        async with asyncio.timeout(20):
            while editor.published[uri].diagnostics:
                await asyncio.sleep(0.05)
        assert await editor.hover(uri, "co|nf") == ""


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("name", ["untitled:Untitled-1", "a b#c%41;d\u00e9.cnn"])
async def test_texts_have_all_kinds_of_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "parts.cnn").write_text(PARTS)
    async with editing(tmp_path) as editor:
        uri = editor.open(NET + "conv 9@9\n", name)
        assert [one.code for one in await editor.diagnostics(uri)] == ["CNN302"]


@pytest.mark.asyncio(loop_scope="session")
async def test_a_text_outside_the_folder_is_checked_too(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "parts.cnn").write_text(PARTS)
    async with editing(inside) as editor:
        uri = editor.open(NET, (outside / "net.cnn").as_uri())
        assert await editor.diagnostics(uri) == []


HOSTILE = {
    "half a character": "input 1x8x8\nconv 4@3 # \ud800\nconf 2@3\n",
    "a NUL": "input 1x8x8\n\0\nconf 2@3\n",
    "deep": "input 1x8x8\n" + "repeat 2 { " * 200,
    "brackets": "input 1x8x8\nlet k = " + "(" * 5000,
    "large": "relu -> " * 100_000,
    "many lines": "a: relu\n" * 40_000,
    "explodes": "input 1x8x8\nrepeat 1000 { repeat 1000 { relu } }\n",
    "long line": "# " + "\U0001f600" * 100_000 + "\ninput 1x8x8\nconf 2@3\n",
    "carriage returns": "input 1x8x8\rconf 2@3\r",
}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("what", HOSTILE)
async def test_no_text_brings_the_server_down(tmp_path: Path, what: str) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open(HOSTILE[what])
        assert await editor.diagnostics(uri)
        place = types.Position(0, 3)
        where = {"text_document": editor.named(uri), "position": place}
        await editor.client.text_document_hover_async(types.HoverParams(**where))  # type: ignore[arg-type]
        await editor.client.text_document_completion_async(types.CompletionParams(**where))  # type: ignore[arg-type]
        named = editor.named(uri)
        await editor.client.text_document_semantic_tokens_full_async(
            types.SemanticTokensParams(named)
        )
        await editor.client.text_document_folding_range_async(types.FoldingRangeParams(named))
        editor.replace(uri, "input 1x8x8\nconv 4@3\n")
        assert await editor.diagnostics(uri) == []


@pytest.mark.asyncio(loop_scope="session")
async def test_a_request_about_a_text_that_is_not_open_has_no_answer(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        params = types.HoverParams(editor.named("file:///no/where.cnn"), types.Position(0, 0))
        assert await editor.client.text_document_hover_async(params) is None


@pytest.mark.asyncio(loop_scope="session")
async def test_a_request_can_be_taken_back(tmp_path: Path) -> None:
    async with editing(tmp_path) as editor:
        uri = editor.open("input 1x8x8\n" + "conv 4@1\n" * 5000)
        params = types.HoverParams(editor.named(uri), types.Position(0, 0))
        asked = editor.client.protocol.send_request("textDocument/hover", params, msg_id="taken")
        editor.client.cancel_request(types.CancelParams("taken"))
        with pytest.raises(JsonRpcException, match="cancel"):
            await asyncio.wrap_future(asked)
        assert await editor.diagnostics(uri) == []
