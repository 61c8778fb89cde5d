"""A client of the language server over standard input and output, as an editor is one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

__all__ = ["Editor", "editing", "stop_servers"]

WAIT = 30.0
"""Seconds until an answer is given up."""


class Editor:
    """An editor: opens texts, types, and asks.

    Places are said by a text and what stands before and behind them: ``at("conv 6|@5")``.
    """

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.opened: set[str] = set()
        self.published: dict[str, types.PublishDiagnosticsParams] = {}
        self.news = asyncio.Condition()

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri() if ":" not in name else name

    def open(self, text: str, name: str = "net.cnn") -> str:
        """Open a text, and give its name in the protocol."""
        uri = self.uri(name)
        self.opened.add(uri)
        self.texts[uri], self.versions[uri] = text, 1
        item = types.TextDocumentItem(uri, "cnn", 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return uri

    def change(self, uri: str, *changes: types.TextDocumentContentChangeEvent, text: str) -> None:
        """Tell of changes, which make the text what is given."""
        self.texts[uri] = text
        self.versions[uri] += 1
        document = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, changes))

    def replace(self, uri: str, text: str) -> None:
        """Put another text in place of the whole."""
        self.change(uri, types.TextDocumentContentChangeWholeDocument(text), text=text)

    def close(self, uri: str) -> None:
        self.client.text_document_did_close(
            types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
        )

    def place(self, uri: str, mark: str) -> types.Position:
        """The place of the ``|`` in a piece of the text that stands there once."""
        before, _, behind = mark.partition("|")
        text = self.texts[uri]
        assert text.count(before + behind) == 1, mark
        offset = text.index(before + behind) + len(before)
        line = text.count("\n", 0, offset)
        start = text.rfind("\n", 0, offset) + 1
        units = len(text[start:offset].encode("utf-16-le")) // 2
        return types.Position(line, units)

    def under(self, uri: str, given: types.Range) -> str:
        """The text that a range covers."""
        return self.texts[uri][self.offset(uri, given.start) : self.offset(uri, given.end)]

    def offset(self, uri: str, place: types.Position) -> int:
        text = self.texts[uri]
        start = 0
        for _ in range(place.line):
            start = text.index("\n", start) + 1
        line = text[start:].partition("\n")[0].encode("utf-16-le")
        return start + len(line[: 2 * place.character].decode("utf-16-le"))

    def at(self, uri: str, mark: str) -> dict[str, Any]:
        """The parameters of a request about a place."""
        return {"text_document": self.named(uri), "position": self.place(uri, mark)}

    def named(self, uri: str) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(uri)

    def applied(self, uri: str, edits: Sequence[types.TextEdit]) -> str:
        """The text with edits made, as an editor makes them."""
        text = self.texts[uri]
        for edit in sorted(
            edits, key=lambda one: (one.range.start.line, one.range.start.character)
        )[::-1]:
            start, end = self.offset(uri, edit.range.start), self.offset(uri, edit.range.end)
            text = text[:start] + edit.new_text + text[end:]
        return text

    async def completion(self, uri: str, mark: str) -> dict[str, types.CompletionItem]:
        """What is proposed at a place, by label."""
        params = types.CompletionParams(**self.at(uri, mark))
        found = await self.client.text_document_completion_async(params)
        assert isinstance(found, types.CompletionList)
        return {item.label: item for item in found.items}

    async def actions(
        self, uri: str, mark: str, only: Sequence[str] | None = None
    ) -> list[types.CodeAction]:
        """What is offered at a place."""
        place = self.place(uri, mark)
        said = list(self.published[uri].diagnostics) if uri in self.published else []
        params = types.CodeActionParams(
            self.named(uri), types.Range(place, place), types.CodeActionContext(said, only)
        )
        found = await self.client.text_document_code_action_async(params)
        return [one for one in found or () if isinstance(one, types.CodeAction)]

    async def rename(self, uri: str, mark: str, name: str) -> dict[str, str]:
        """The texts after a rename, by file."""
        params = types.RenameParams(new_name=name, **self.at(uri, mark))
        found = await self.client.text_document_rename_async(params)
        return self.changed(found)

    def changed(self, edit: types.WorkspaceEdit | None) -> dict[str, str]:
        """The texts that an edit of several files leaves, by name of the file."""
        assert edit is not None
        found: dict[str, str] = {}
        for change in edit.document_changes or ():
            assert isinstance(change, types.TextDocumentEdit)
            uri = change.text_document.uri
            if uri not in self.texts:
                self.texts[uri] = Path(uri.removeprefix("file://")).read_text()
                self.versions[uri] = 0
            edits = [one for one in change.edits if isinstance(one, types.TextEdit)]
            found[Path(uri).name] = self.applied(uri, edits)
        return found

    async def hover(self, uri: str, mark: str) -> str:
        """What is said of a place, in Markdown; empty where nothing is."""
        document = types.TextDocumentIdentifier(uri)
        params = types.HoverParams(document, self.place(uri, mark))
        found = await self.client.text_document_hover_async(params)
        if found is None:
            return ""
        assert isinstance(found.contents, types.MarkupContent)
        return found.contents.value

    async def diagnostics(self, uri: str, version: int | None = None) -> list[types.Diagnostic]:
        """What is said of a text, once that is of its newest version."""
        wanted = self.versions.get(uri) if version is None else version
        async with asyncio.timeout(WAIT), self.news:
            while True:
                said = self.published.get(uri)
                if said is not None and (wanted is None or said.version == wanted):
                    return list(said.diagnostics)
                await self.news.wait()

    async def listen(self, said: types.PublishDiagnosticsParams) -> None:
        """Take note of what the server says of a text."""
        async with self.news:
            self.published[said.uri] = said
            self.news.notify_all()


@asynccontextmanager
async def editing(folder: Path, encoding: str = "utf-16") -> AsyncIterator[Editor]:
    """An editor that has opened a folder, with its server."""
    client = _CLIENTS.get(encoding) or await _started(encoding)
    editor = Editor(client, folder)
    client.protocol.fm.features[types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS] = editor.listen
    here = [types.WorkspaceFolder(folder.as_uri(), folder.name)]
    client.workspace_did_change_workspace_folders(
        types.DidChangeWorkspaceFoldersParams(types.WorkspaceFoldersChangeEvent(here, []))
    )
    try:
        yield editor
    finally:
        for uri in editor.opened:
            editor.close(uri)
        client.workspace_did_change_workspace_folders(
            types.DidChangeWorkspaceFoldersParams(types.WorkspaceFoldersChangeEvent([], here))
        )


_CLIENTS: dict[str, LanguageClient] = {}
"""Servers are started once, and see one folder after the other."""


async def _started(encoding: str) -> LanguageClient:
    config = ClientServerConfig(server_command=[sys.executable, "-m", "cnndsl", "lsp"])
    client = await config.start()
    assert isinstance(client, LanguageClient)
    capabilities = client_capabilities("visual-studio-code")
    if capabilities.general is not None:
        capabilities.general.position_encodings = [encoding]
    await client.initialize_session(types.InitializeParams(capabilities=capabilities))
    _CLIENTS[encoding] = client
    return client


async def stop_servers() -> None:
    """End the servers that were started."""
    while _CLIENTS:
        _, client = _CLIENTS.popitem()
        await client.shutdown_session()
