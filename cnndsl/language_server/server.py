"""Takes what an editor says and asks, and lets each feature answer.

Texts are checked in a thread of their own, one at a time, so that the server always listens: what
one types meanwhile is taken in, and of several changes only the last is checked. What goes wrong
in a feature is an error of its answer and nothing more.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from lsprotocol import types
from pygls.capabilities import get_capability
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.language_server.documents import Document
from cnndsl.language_server.importers import importers
from cnndsl.language_server.problems import SOURCE, problems
from cnndsl.language_server.project import Hope, Overtaken, Project, analysed
from cnndsl.language_server.uris import path_of
from cnndsl.language_server.view import View
from cnndsl.version import __version__

__all__ = ["SpecServer"]

T = TypeVar("T")

PAUSE = 0.02
"""So many seconds after a change a text is checked, unless another one comes."""

STACK = 64 * 2**20
"""Bytes of a checking thread's stack: threads have less than programs, on macOS much less."""


class _Protocol(LanguageServerProtocol):
    """Keeps texts as the protocol defines their lines; pygls ends lines at more characters."""

    _server: SpecServer

    @override
    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        self._server.opened(params.text_document)

    @override
    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        self._server.changed(params)

    @override
    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        self._server.closed(params.text_document.uri)


class SpecServer(LanguageServer):
    """The server of one editor."""

    def __init__(self) -> None:
        super().__init__("cnndsl", __version__, protocol_cls=_Protocol)
        self.project = Project()
        self._client = types.ClientCapabilities()
        self._checker, self._mender = _worker("checks"), _worker("repairs")
        self._mends: dict[Path, tuple[View, asyncio.Future[View], Hope]] = {}
        self._checks: dict[Path, tuple[asyncio.Future[View], Hope]] = {}
        self._timers: dict[Path, asyncio.TimerHandle] = {}
        self._published: dict[Path, dict[Path, list[types.Diagnostic]]] = {}
        """What each open text's check found, by the file that it is in."""
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, params: types.InitializeParams) -> None:
        """Take note of how the editor counts characters, and of its folder."""
        workspace = self.workspace
        self.project.encoding = str(workspace.position_encoding)
        self._client = params.capabilities
        self.look_into(params.root_uri)

    def look_into(self, root: str | None = None) -> None:
        """Take note of the folders that the editor has open."""
        named = [*self.workspace.folders, root]
        uris = [uri for uri in named if uri and uri.startswith("file:")]
        self.project.folders = [path_of(uri, self.project.folder) for uri in uris]
        self.project.folder = next(iter(self.project.folders), self.project.folder)

    @property
    def has_snippets(self) -> bool:
        """Whether the editor fills in places of proposals."""
        return bool(
            get_capability(self._client, "text_document.completion.completion_item.snippet_support")
        )

    @property
    def has_versioned_edits(self) -> bool:
        """Whether the editor takes edits of versions of texts."""
        return bool(get_capability(self._client, "workspace.workspace_edit.document_changes"))

    def watch(self) -> None:
        """Ask the editor to tell of specs that change on the disk, where it can."""
        name = "workspace.did_change_watched_files.dynamic_registration"
        if get_capability(self._client, name):
            watchers = [types.FileSystemWatcher("**/*.cnn")]
            options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
            method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
            wish = types.Registration(f"{method}/cnn", method, options)
            self.client_register_capability(types.RegistrationParams([wish]))

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Let a thread do something that nobody waits for."""
        threading.Thread(target=work, daemon=True).start()

    # --- texts ---

    def opened(self, item: types.TextDocumentItem) -> None:
        """A text was opened."""
        document = self.project.open(item.uri, item.text, item.version)
        self.recheck(document.path, pause=0)

    def changed(self, params: types.DidChangeTextDocumentParams) -> None:
        """A text was changed; one that was never opened is none of ours."""
        document = self.project.document(params.text_document.uri)
        if document is None:
            logging.warning("a change of %s, which is not open", params.text_document.uri)
            return
        document.change(params.content_changes, params.text_document.version)
        self.project.forget(document.path)
        self.recheck(document.path, PAUSE)

    def files_changed(self, uris: Iterable[str]) -> None:
        """Files have changed on the disk: what is open counts as it is open."""
        for uri in uris:
            path = path_of(uri, self.project.folder)
            if path not in self.project.documents:
                self.project.forget(path)
                self.recheck(path, PAUSE)

    def closed(self, uri: str) -> None:
        """A text was closed: nothing is said of it any more, unless another one imports it."""
        path = self.project.close(uri)
        self._drop(path)
        said = self._published.pop(path, {})
        for other in {path, *said}:
            self._publish(other)
        self.recheck(path, pause=0)

    def recheck(self, path: Path, pause: float) -> None:
        """Check what a change of this file concerns, after a pause; a later change begins anew."""
        for other in self.project.documents:
            known = self.project.known(other)
            if other == path or known is None:
                self._drop(other)
                self._timers[other] = asyncio.get_running_loop().call_later(
                    pause, self._start, other
                )

    def _drop(self, path: Path) -> None:
        """Forget what was to be made, or is being made, of an older text, and let it end."""
        timer = self._timers.pop(path, None)
        if timer is not None:
            timer.cancel()
        for waiting in (self._checks.pop(path, None), self._mends.pop(path, None)):
            if waiting is not None:
                waiting[-1].give_up()

    def _start(self, path: Path) -> None:
        self._timers.pop(path, None)
        task = asyncio.get_running_loop().create_task(self._tell(path))
        self._tasks.add(task)  # what nothing refers to may be collected before it is done
        task.add_done_callback(self._tasks.discard)

    # --- checks ---

    async def view(self, uri: str) -> tuple[Document, View] | None:
        """What is known of an open text, as it stands; None where it is not open.

        A check that a later change has overtaken is made again.
        """
        while (document := self.project.document(uri)) is not None:
            found = await self._checked(document)
            if found is not None:
                return document, found
        return None

    async def _checked(self, document: Document) -> View | None:
        path = document.path
        known = self.project.known(path)
        if known is not None:
            return known
        if path not in self._checks:
            texts, hope = self.project.texts(), Hope()
            self._checks[path] = self.aside(lambda: analysed(path, texts, hope=hope)), hope
        waiting = self._checks[path]
        with suppress(Overtaken):
            view = await asyncio.shield(waiting[0])
            if self._checks.get(path) is waiting:
                self.project.keep(view)
                del self._checks[path]
                return view
        return None

    async def mended(self, view: View) -> View | None:
        """The same with what would mend it, worked out once and beside the checks.

        None where the text has changed before that was done.
        """
        known = self._mends.get(view.path)
        if known is None or known[0] is not view:
            path, texts, hope = view.path, view.texts, Hope()
            running = asyncio.get_running_loop().run_in_executor(
                self._mender, lambda: analysed(path, texts, repairs=True, hope=hope)
            )
            known = self._mends[path] = (view, running, hope)
        with suppress(Overtaken):
            return await asyncio.shield(known[1])
        return None

    def importing_files(self, path: Path) -> list[View]:
        """What is known of specs that import a file and are not open; in a thread."""
        folders = self.project.folders or [path.parent]
        texts = self.project.texts()
        found = importers(path, folders, texts)
        return [analysed(one, texts) for one in found if one not in self.project.documents]

    def aside(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Let the checking thread do something."""
        return asyncio.get_running_loop().run_in_executor(self._checker, work)

    async def answer(
        self, uri: str, nothing: T, work: Callable[[Document, View], Callable[[], T]]
    ) -> T:
        """What a feature says of an open text; ``nothing`` where it is not open.

        ``work`` reads the places of a request in the text as it stands, and gives what is left for
        the checking thread: while that is busy, the text may change.
        """
        found = await self.view(uri)
        return nothing if found is None else await self.aside(work(*found))

    # --- diagnostics ---

    async def _tell(self, path: Path) -> None:
        """Check an open text, and tell the editor what was found."""
        document = self.project.documents.get(path)
        if document is None:
            return
        version = document.version
        try:
            found = await self.view(document.uri)
            said = {} if found is None else problems(found[1], self.project)
        except Exception as error:
            logging.exception("checking %s failed", path)
            said = {path: [_failed(error)]}
        if document.version != version or self.project.documents.get(path) is not document:
            return  # a later change has its own check
        before = self._published.get(path, {})
        self._published[path] = said
        for other in {**before, **said}:
            self._publish(other)

    def _publish(self, path: Path) -> None:
        """Tell all that checks have found in a file: once, where several import it."""
        found: list[types.Diagnostic] = []
        for said in self._published.values():
            found += [one for one in said.get(path, ()) if one not in found]
        document = self.project.documents.get(path)
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(
                uri=self.project.uri_of(path),
                version=None if document is None else document.version,
                diagnostics=found,
            )
        )


def _worker(name: str) -> ThreadPoolExecutor:
    """A single thread with a stack as deep as a program's."""
    before = threading.stack_size(STACK)
    try:
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        pool.submit(int).result()  # so that the thread begins now, with this stack
        return pool
    finally:
        threading.stack_size(before)


def _failed(error: Exception) -> types.Diagnostic:
    """What is said of a text that could not be checked at all."""
    code = error.code if isinstance(error, UserError) else None
    text = (
        str(error) if code else f"internal error, please report it: {type(error).__name__}: {error}"
    )
    nowhere = types.Position(line=0, character=0)
    return types.Diagnostic(
        range=types.Range(start=nowhere, end=nowhere),
        message=text,
        severity=types.DiagnosticSeverity.Error,
        code=code,
        source=SOURCE,
    )
