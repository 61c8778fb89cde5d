"""What is known of the open texts: a check of each, made when it is asked for, and kept.

A check reads a spec with its imports, each as it is open in the editor or, where it is not, as it
lies on the disk. It holds until one of these texts changes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path

from lsprotocol import types

from cnndsl import pipeline
from cnndsl.diagnostics.model import Edit
from cnndsl.diagnostics.source import Span
from cnndsl.frozen import mutable
from cnndsl.language_server.documents import Document
from cnndsl.language_server.positions import Lines
from cnndsl.language_server.uris import path_of, uri_of
from cnndsl.language_server.view import View

__all__ = ["Hope", "Overtaken", "Project", "analysed"]


@mutable
class Project:
    """The open texts by resolved path, and what is known of them."""

    folder: Path = field(default_factory=Path.cwd)
    folders: list[Path] = field(default_factory=list)
    encoding: str = "utf-16"
    documents: dict[Path, Document] = field(default_factory=dict)
    _views: dict[Path, View] = field(default_factory=dict)
    _others: dict[Path, Lines] = field(default_factory=dict)

    # --- what the editor tells ---

    def open(self, uri: str, text: str, version: int | None) -> Document:
        """Take a text that was opened."""
        path = path_of(uri, self.folder)
        document = Document(uri, path, text, version, self.encoding)
        self.documents[path] = document
        self.forget(path)
        return document

    def close(self, uri: str) -> Path:
        """Forget a text: from now on its file counts, if there is one."""
        path = path_of(uri, self.folder)
        self.documents.pop(path, None)
        self.forget(path)
        return path

    def document(self, uri: str) -> Document | None:
        """The open text of this name."""
        return self.documents.get(path_of(uri, self.folder))

    def forget(self, path: Path) -> None:
        """A text has changed: what was known by it no longer holds."""
        self._others.pop(path, None)
        stale = [root for root, view in self._views.items() if view.depends_on(path)]
        for root in stale:
            del self._views[root]

    # --- what is known ---

    def texts(self) -> Mapping[Path, str]:
        """The open texts, as files could have them."""
        return {path: document.checked_text for path, document in self.documents.items()}

    def known(self, path: Path) -> View | None:
        """What was found in an open text, as long as it holds."""
        return self._views.get(path)

    def keep(self, view: View) -> None:
        """Keep what was found in a text, until it changes."""
        self._views[view.path] = view

    def importers(self, path: Path) -> Iterator[View]:
        """What is known of other open texts that read this file."""
        for root, view in self._views.items():
            if root != path and path in view.analysis.modules:
                yield view

    def views(self, view: View) -> list[View]:
        """What is known of an open text: by its own check, then by those of its importers."""
        return [view, *self.importers(view.path)]

    def lines_of(self, path: Path, text: str) -> Lines:
        """The lines of a file as a check has read it."""
        document = self.documents.get(path)
        if document is not None and len(document.text) == len(text):
            return document.lines
        known = self._others.get(path)
        if known is None or known.text != text:
            known = self._others[path] = Lines(text, self.encoding)
        return known

    def range_of(self, path: Path, span: Span) -> types.Range:
        """The stretch of a file that a span of the text covers which a check has read of it."""
        return self.lines_of(path, span.source.text).span(span)

    def location_of(self, path: Path, span: Span) -> types.Location:
        """The same with the file."""
        return types.Location(self.uri_of(path), self.range_of(path, span))

    def edit_of(self, path: Path, edit: Edit) -> types.TextEdit:
        """A change of a file as an editor makes it."""
        return types.TextEdit(self.range_of(path, edit.span), edit.text)

    def uri_of(self, path: Path) -> str:
        """How the editor calls a file."""
        document = self.documents.get(path)
        return document.uri if document is not None else uri_of(path)


class Overtaken(Exception):  # noqa: N818 (nothing is wrong)
    """A check that nobody waits for any more, because its text has changed."""


class Hope:
    """Whether somebody still waits for a check; asked in its thread, given up in the server's."""

    def __init__(self) -> None:
        self._gone = threading.Event()

    def give_up(self) -> None:
        """Let the check end at its next stage, or not begin."""
        self._gone.set()

    def __call__(self) -> None:
        """Go on, unless it was given up.

        Raises:
            Overtaken: where it was.
        """
        if self._gone.is_set():
            raise Overtaken


def analysed(
    path: Path, texts: Mapping[Path, str], *, repairs: bool = False, hope: Hope | None = None
) -> View:
    """Check an open text. It is called in a thread of its own, and looks at nothing else.

    Raises:
        Overtaken: where nobody waits for it any more.
    """
    go_on = hope or Hope()
    go_on()
    return View(path, texts, pipeline.analyse(path, texts, repairs=repairs, go_on=go_on))
