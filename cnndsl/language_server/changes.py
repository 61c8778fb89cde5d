"""What takes further checks: a rename, which is proved, and the shape that a claim would state."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from cnndsl import pipeline
from cnndsl.diagnostics.model import UserError
from cnndsl.language_server.code_actions import in_files
from cnndsl.language_server.completion_context import Context, Wanted
from cnndsl.language_server.documents import Document
from cnndsl.language_server.names import Occurrence
from cnndsl.language_server.rename import renamed, target
from cnndsl.language_server.server import SpecServer
from cnndsl.language_server.view import View
from cnndsl.syntax.ast import Link
from cnndsl.syntax.walk import walk

__all__ = ["Refusal", "Renames", "claimed_shapes", "is_worth_logging"]

_REFUSED = types.LSPErrorCodes.RequestFailed.value


class Refusal(JsonRpcException):
    """An answer that says why something is not done."""


def is_worth_logging(record: logging.LogRecord) -> bool:
    """Whether a line of the log is more than a refusal, which the answer says already."""
    return not (record.exc_info and isinstance(record.exc_info[1], Refusal))


class Renames:
    """Renames what an editor points at."""

    def __init__(self, server: SpecServer) -> None:
        self.server = server

    async def prepare(
        self, params: types.PrepareRenameParams
    ) -> types.PrepareRenamePlaceholder | None:
        """The name that would be changed; an error where there is none."""
        found = await self._target(params.text_document.uri, params.position)
        if found is None:
            return None
        document, occurrence = found
        return types.PrepareRenamePlaceholder(
            document.lines.span(occurrence.span), occurrence.symbol.name
        )

    async def rename(self, params: types.RenameParams) -> types.WorkspaceEdit | None:
        """The edits of all files in which the name stands."""
        found = await self._target(params.text_document.uri, params.position)
        if found is None:
            return None
        server, symbol = self.server, found[1].symbol
        texts = server.project.texts()
        home = symbol.path
        also = await server.aside(lambda: server.importing_files(home))
        views = [*server.project.importers(home), *also]
        roots = list(dict.fromkeys([home, found[0].path, *(view.path for view in views)]))
        try:
            edits = await server.aside(lambda: renamed(roots, texts, symbol, params.new_name))
        except UserError as error:
            raise _refused(error) from None
        return in_files(edits, server.project, versioned=server.has_versioned_edits)

    async def _target(
        self, uri: str, position: types.Position
    ) -> tuple[Document, Occurrence] | None:
        found = await self.server.view(uri)
        if found is None:
            return None
        document, view = found
        try:
            offset = document.lines.offset(position)
            return document, target(view.analysis, document.path, offset)
        except UserError as error:
            raise _refused(error) from None


def _refused(error: UserError) -> Refusal:
    """A refusal as an editor shows it."""
    help = f"; {error.help}" if error.help else ""
    return Refusal(message=f"{error.message}{help} [{error.code}]", code=_REFUSED)


def claimed_shapes(where: Context, path: Path, texts: Mapping[Path, str]) -> tuple[str, ...]:
    """The shapes that a claim at a place would state: the text is checked without it."""
    if where.wanted is not Wanted.CLAIM:
        return ()
    text = texts[path]
    arrow = text.rfind("=>", 0, where.place)
    end = text.find("\n", arrow)
    end = len(text) if end < 0 else end
    without = f"{text[:arrow]}{' ' * (end - arrow)}{text[end:]}"
    changed = {**texts, path: without}
    view = View(path, changed, pipeline.analyse(path, changed))
    links = [
        node
        for node in walk(view.module)
        if isinstance(node, Link) and not without[node.span.end : arrow].strip()
    ]
    behind = [link for link in links if link.span.end <= arrow]
    if not behind:
        return ()
    last = min(behind, key=lambda link: (-link.span.end, link.span.start))
    passings = view.passings(view.path, last.span)
    shapes = (", ".join(view.shape(at) for at in one.results) for one in passings)
    return tuple(dict.fromkeys(shape for shape in shapes if "?" not in shape))
