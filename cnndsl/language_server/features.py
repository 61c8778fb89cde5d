"""Registers what the server answers: each request goes to the feature of its name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from lsprotocol import types

from cnndsl.language_server import code_actions
from cnndsl.language_server.changes import Renames, claimed_shapes, is_worth_logging
from cnndsl.language_server.code_lens import lenses
from cnndsl.language_server.completion import completions, resolved, warm_up
from cnndsl.language_server.completion_context import Context, context
from cnndsl.language_server.documents import Document
from cnndsl.language_server.formatting import formatting
from cnndsl.language_server.hover import hover
from cnndsl.language_server.inlay_hints import hints
from cnndsl.language_server.names_in_sight import Sight
from cnndsl.language_server.navigation import definitions, highlights, links, references
from cnndsl.language_server.outline import folds, symbols
from cnndsl.language_server.positions import Lines
from cnndsl.language_server.semantic_tokens import LEGEND, tokens
from cnndsl.language_server.server import SpecServer
from cnndsl.language_server.signature_help import signature_help
from cnndsl.language_server.view import View

__all__ = ["make_server"]

_TRIGGERS = [" ", ".", '"', "@", "(", ":"]


def make_server() -> SpecServer:
    """A server with all its features, not started yet."""
    server = SpecServer()
    logging.getLogger("pygls.protocol.json_rpc").addFilter(is_worth_logging)

    @server.feature(types.INITIALIZE)
    def _(params: types.InitializeParams) -> None:
        server.begin(params)

    @server.feature(types.INITIALIZED)
    def _(params: types.InitializedParams) -> None:
        server.watch()
        server.meanwhile(warm_up)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def _(params: types.DidChangeWatchedFilesParams) -> None:
        server.files_changed([change.uri for change in params.changes])

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def _(params: types.DidChangeWorkspaceFoldersParams) -> None:
        server.look_into()

    _reading(server)
    _outline(server)
    _finding(server)
    _marking(server)
    _writing(server)
    _changing(server)
    return server


def _reading(server: SpecServer) -> None:
    """What a text means as it stands."""
    project = server.project

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def _(params: types.HoverParams) -> types.Hover | None:
        def work(document: Document, view: View) -> Callable[[], types.Hover | None]:
            offset = document.lines.offset(params.position)
            return partial(hover, project.views(view), document.path, document.lines, offset)

        return await server.answer(params.text_document.uri, None, work)

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def _(params: types.InlayHintParams) -> list[types.InlayHint]:
        def work(document: Document, view: View) -> Callable[[], list[types.InlayHint]]:
            first, last = params.range.start.line, params.range.end.line
            return partial(hints, project.views(view), document.path, document.lines, first, last)

        return await server.answer(params.text_document.uri, [], work)

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    async def _(params: types.CodeLensParams) -> list[types.CodeLens]:
        return await server.answer(
            params.text_document.uri,
            [],
            lambda document, view: partial(lenses, view, document.lines),
        )


def _outline(server: SpecServer) -> None:
    """How a text is made."""

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def _(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        return await server.answer(
            params.text_document.uri,
            [],
            lambda document, view: partial(symbols, view.module, document.lines),
        )

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    async def _(params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        return await server.answer(
            params.text_document.uri,
            [],
            lambda document, view: partial(folds, view.module, document.lines),
        )

    @server.feature(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, LEGEND)
    async def _(params: types.SemanticTokensParams) -> types.SemanticTokens:
        data: list[int] = await server.answer(
            params.text_document.uri,
            [],
            lambda document, view: partial(tokens, view, document.path, document.lines),
        )
        return types.SemanticTokens(data)


def _finding(server: SpecServer) -> None:
    """Where else a name stands."""
    project = server.project

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def _(params: types.DefinitionParams) -> list[types.Location]:
        def work(document: Document, view: View) -> Callable[[], list[types.Location]]:
            offset = document.lines.offset(params.position)
            return partial(definitions, view, document.path, offset, project)

        return await server.answer(params.text_document.uri, [], work)

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def _(params: types.ReferenceParams) -> list[types.Location]:
        found = await server.view(params.text_document.uri)
        if found is None:
            return []
        document, view = found
        offset, open_ones = document.lines.offset(params.position), project.views(view)
        also = await server.aside(partial(server.importing_files, document.path))
        declaration = params.context.include_declaration
        return await server.aside(
            lambda: references(
                [*open_ones, *also], document.path, offset, project, declaration=declaration
            )
        )


def _marking(server: SpecServer) -> None:
    """What is marked in a text: the places of a name, and files that it names."""
    project = server.project

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    async def _(params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        def work(document: Document, view: View) -> Callable[[], list[types.DocumentHighlight]]:
            offset = document.lines.offset(params.position)
            return partial(highlights, view, document.path, offset, project)

        return await server.answer(params.text_document.uri, [], work)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_LINK)
    async def _(params: types.DocumentLinkParams) -> list[types.DocumentLink]:
        return await server.answer(
            params.text_document.uri,
            [],
            lambda document, view: partial(links, view, document.path, project),
        )


def _writing(server: SpecServer) -> None:
    """What may be written at the cursor."""

    async def sight(uri: str, position: types.Position) -> tuple[Lines, int, Context, Sight] | None:
        found = await server.view(uri)
        if found is None:
            return None
        document, view = found
        # Of the text as it is now: while the thread works, it may change.
        lines, texts = document.lines, server.project.texts()
        path, offset = document.path, lines.offset(position)
        where = await server.aside(lambda: context(texts[path], offset))
        shapes = await server.aside(lambda: claimed_shapes(where, path, texts))
        return lines, offset, where, Sight(view, path, offset, shapes, where)

    options = types.CompletionOptions(trigger_characters=_TRIGGERS, resolve_provider=True)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, options)
    async def _(params: types.CompletionParams) -> types.CompletionList | None:
        found = await sight(params.text_document.uri, params.position)
        if found is None:
            return None
        lines, offset, where, seen = found
        snippets = server.has_snippets
        return await server.aside(
            lambda: completions(where, seen, lines, offset, snippets=snippets)
        )

    signs = types.SignatureHelpOptions(trigger_characters=["(", ",", " ", "@"])

    @server.feature(types.TEXT_DOCUMENT_SIGNATURE_HELP, signs)
    async def _(params: types.SignatureHelpParams) -> types.SignatureHelp | None:
        found = await sight(params.text_document.uri, params.position)
        if found is None:
            return None
        _, _, where, seen = found
        return await server.aside(lambda: signature_help(where, seen))


def _changing(server: SpecServer) -> None:
    """What changes a text."""

    @server.feature(types.COMPLETION_ITEM_RESOLVE)
    async def _(item: types.CompletionItem) -> types.CompletionItem:
        return await server.aside(lambda: resolved(item))

    kinds = types.CodeActionOptions(code_action_kinds=list(code_actions.KINDS))

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, kinds)
    async def _(params: types.CodeActionParams) -> list[types.CodeAction]:
        found = await server.view(params.text_document.uri)
        if found is None or not code_actions.wanted(params, found[1], server.project):
            return []
        mended = await server.mended(found[1])
        if mended is None:
            return []
        versioned = server.has_versioned_edits
        return code_actions.actions(params, mended, server.project, versioned=versioned)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def _(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        document = server.project.document(params.text_document.uri)
        return [] if document is None else await server.aside(lambda: formatting(document))

    renames = Renames(server)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def _(params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
        return await renames.prepare(params)

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def _(params: types.RenameParams) -> types.WorkspaceEdit | None:
        return await renames.rename(params)
