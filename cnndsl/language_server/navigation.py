"""From a name to where it is defined and where it is used, over the files of a spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lsprotocol import types

from cnndsl.diagnostics.source import Span
from cnndsl.language_server.name_resolution import Resolution
from cnndsl.language_server.names import Occurrence, imported_path
from cnndsl.language_server.project import Project
from cnndsl.language_server.view import View
from cnndsl.syntax.ast import ClassesFile, Import, Module

__all__ = ["definitions", "highlights", "links", "references"]


def definitions(view: View, path: Path, offset: int, project: Project) -> list[types.Location]:
    """Where the name at a place is defined; the file, where an import is."""
    module = view.analysis.modules[path]
    for target, span in _targets(module, path):
        if span.start <= offset <= span.end:
            nowhere = types.Position(0, 0)
            return [types.Location(project.uri_of(target), types.Range(nowhere, nowhere))]
    resolution = Resolution(view.analysis.modules)
    occurrence = resolution.names(path).at(offset)
    if occurrence is None:
        return []
    symbol = occurrence.symbol
    spans: Sequence[Span] = resolution.names(symbol.path).definitions.get(symbol, ())
    if symbol.path == path:
        spans = _meant(spans, occurrence)
    return [project.location_of(symbol.path, span) for span in spans]


def _meant(spans: Sequence[Span], occurrence: Occurrence) -> Sequence[Span]:
    """Of several definitions of a stream, the last one before the place; else all of them."""
    before = [span for span in spans if span.start <= occurrence.span.start]
    return before[-1:] or spans


def references(
    views: Sequence[View], path: Path, offset: int, project: Project, *, declaration: bool
) -> list[types.Location]:
    """Where a name is used, in all files of the checks that have read this one."""
    found: dict[tuple[Path, int, int], types.Location] = {}
    for view in views:
        modules = view.analysis.modules
        resolution = Resolution(modules)
        occurrence = resolution.names(path).at(offset)
        if occurrence is None:
            continue
        for other in modules:
            for one in resolution.names(other).of(occurrence.symbol):
                if declaration or not one.defines:
                    key = (other, one.span.start, one.span.end)
                    found.setdefault(key, project.location_of(other, one.span))
    return [found[key] for key in sorted(found)]


def highlights(
    view: View, path: Path, offset: int, project: Project
) -> list[types.DocumentHighlight]:
    """The places of the same name in a file."""
    names = Resolution(view.analysis.modules).names(path)
    occurrence = names.at(offset)
    if occurrence is None:
        return []
    kind = types.DocumentHighlightKind
    return [
        types.DocumentHighlight(
            project.range_of(path, one.span), kind.Write if one.defines else kind.Read
        )
        for one in names.of(occurrence.symbol)
    ]


def links(view: View, path: Path, project: Project) -> list[types.DocumentLink]:
    """The files that a text names, where they are there."""
    return [
        types.DocumentLink(project.range_of(path, span), target=project.uri_of(target))
        for target, span in _targets(view.analysis.modules[path], path)
    ]


def _targets(module: Module, path: Path) -> Iterator[tuple[Path, Span]]:
    """The files that a module imports, or reads classes from, and where it names each."""
    for statement in module.statements:
        match statement:
            case Import(path=text):
                target = imported_path(statement.path.value, path)
            case ClassesFile(path=text):
                target = path.parent / text.value
            case _:
                continue
        if "\0" not in text.value and target.is_file():
            yield target, text.span
