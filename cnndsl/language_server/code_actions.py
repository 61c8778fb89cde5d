"""Offers what mends a text: the fixes of its diagnostics, all safe ones at once, and claims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lsprotocol import types

from cnndsl import resources
from cnndsl.diagnostics.edit import compatible, safe_fixes
from cnndsl.diagnostics.model import Diagnostic, Edit
from cnndsl.language_server.problems import problem
from cnndsl.language_server.project import Project
from cnndsl.language_server.view import View

__all__ = [
    "ANNOTATE",
    "FIX_ALL",
    "KINDS",
    "actions",
    "asked",
    "in_files",
    "wanted",
    "workspace_edit",
]

FIX_ALL = "source.fixAll.cnndsl"
"""All safe fixes at once, as ``cnndsl check --fix`` makes them."""

ANNOTATE = "source.annotate.cnndsl"
"""Write the claims that are missing, and refresh those that do not hold."""

KINDS = (types.CodeActionKind.QuickFix, FIX_ALL, ANNOTATE)


def wanted(params: types.CodeActionParams, view: View, project: Project) -> bool:
    """Whether anything could be offered, so that repairs are worth working out."""
    only = params.context.only
    if only is not None and any(asked(kind, only) for kind in (FIX_ALL, ANNOTATE)):
        return True
    if only is not None and not asked(types.CodeActionKind.QuickFix, only):
        return False
    return next(_in_range(params.range, view, project), None) is not None


def asked(kind: str, only: Sequence[str]) -> bool:
    """Whether a kind is one that was asked for: ``source`` asks for ``source.fixAll`` too."""
    return any(kind == one or kind.startswith(f"{one}.") for one in only)


def actions(
    params: types.CodeActionParams, view: View, project: Project, *, versioned: bool
) -> list[types.CodeAction]:
    """What is offered in a range; ``view`` has repairs, which were worked out by now."""
    found = [*_fixes(params, view, project, versioned=versioned)]
    for kind, title, changes in (
        (FIX_ALL, "Mend all that can be mended safely", _safe_edits),
        (ANNOTATE, "Write and refresh the claims", _claims),
    ):
        if not asked(kind, params.context.only or ()):
            continue
        edits = changes(view)
        edit = workspace_edit(edits, view, project, versioned=versioned)
        if edits and edit is not None:
            found.append(types.CodeAction(title=title, kind=kind, edit=edit))
    return found


def _safe_edits(view: View) -> Sequence[Edit]:
    """All safe fixes that can be made together."""
    safe = safe_fixes(view.analysis.checked.diagnostics)
    return [edit for fix in compatible(safe) for edit in fix.edits]


def _claims(view: View) -> Sequence[Edit]:
    return view.analysis.checked.annotations


def _in_range(where: types.Range, view: View, project: Project) -> Iterator[Diagnostic]:
    """The problems of the spec's own text that touch a range."""
    for one in view.analysis.checked.diagnostics:
        own = view.path_of(one.span.source) == view.path
        if own and _meet(project.range_of(view.path, one.span), where):
            yield one


def _fixes(
    params: types.CodeActionParams, view: View, project: Project, *, versioned: bool
) -> Iterator[types.CodeAction]:
    """The fixes of the problems in a range, the likeliest first."""
    only = params.context.only
    if only is not None and not asked(types.CodeActionKind.QuickFix, only):
        return
    for one in _in_range(params.range, view, project):
        said = problem(one, view, project)
        for fix in one.fixes:
            edit = workspace_edit(fix.edits, view, project, versioned=versioned)
            if edit is not None:
                yield types.CodeAction(
                    title=fix.title[:1].upper() + fix.title[1:],
                    kind=types.CodeActionKind.QuickFix,
                    diagnostics=[said],
                    is_preferred=fix.safe or None,
                    edit=edit,
                )


def workspace_edit(
    edits: Iterable[Edit], view: View, project: Project, *, versioned: bool
) -> types.WorkspaceEdit | None:
    """Edits as an editor makes them; None where one would change a file of the package."""
    found: dict[Path, list[Edit]] = {}
    for edit in edits:
        path = view.path_of(edit.span.source)
        if path is None or path.is_relative_to(resources.specs().resolve()):
            return None
        found.setdefault(path, []).append(edit)
    return in_files(found, project, versioned=versioned)


def in_files(
    edits: Mapping[Path, Sequence[Edit]], project: Project, *, versioned: bool
) -> types.WorkspaceEdit:
    """Edits of several files; where the editor can tell, of those versions that were looked at."""
    texts = {path: [project.edit_of(path, one) for one in own] for path, own in edits.items()}
    if not versioned:
        return types.WorkspaceEdit({project.uri_of(path): own for path, own in texts.items()})
    changes: list[types.TextDocumentEdit] = []
    for path, own in texts.items():
        document = project.documents.get(path)
        version = None if document is None else document.version
        name = types.OptionalVersionedTextDocumentIdentifier(project.uri_of(path), version)
        changes.append(types.TextDocumentEdit(name, own))
    return types.WorkspaceEdit(document_changes=changes)


def _meet(one: types.Range, other: types.Range) -> bool:
    """Whether two ranges have a place in common, be it their ends."""

    def at(place: types.Position) -> tuple[int, int]:
        return place.line, place.character

    return at(one.start) <= at(other.end) and at(other.start) <= at(one.end)
