"""Registers what the server answers: each request goes to the feature of its name."""

from __future__ import annotations

from lsprotocol import types

from cnndsl.language_server.hover import hover
from cnndsl.language_server.server import SpecServer

__all__ = ["make_server"]


def make_server() -> SpecServer:
    """A server with all its features, not started yet."""
    server = SpecServer()

    @server.feature(types.INITIALIZE)
    def _(params: types.InitializeParams) -> None:
        server.begin(params)

    _reading(server)
    return server


def _reading(server: SpecServer) -> None:
    """What one asks of a text as it stands."""

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def _(params: types.HoverParams) -> types.Hover | None:
        found = await server.views(params.text_document.uri)
        if found is None:
            return None
        document, views = found
        offset = document.lines.offset(params.position)
        return hover(views, document.path, document.lines, offset)
