"""From edits to changed files on disk: whole or not at all, and only files that are the user's."""

from __future__ import annotations

import os
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterable, Sequence
from pathlib import Path

from cnndsl import resources
from cnndsl.diagnostics.edit import apply_edits, compatible
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, UserError
from cnndsl.diagnostics.source import Source

__all__ = ["annotated", "mended", "write_whole"]


def mended(diagnostics: Iterable[Diagnostic]) -> tuple[str, ...]:
    """Apply the first safe fix of each diagnostic, as far as they go together; say what changed.

    Shipped specs and texts that are no files stay as they are.
    """
    wanted: list[Fix] = []
    for diagnostic in diagnostics:
        fix = next((fix for fix in diagnostic.fixes if fix.safe and fix.edits), None)
        if fix and all(_may_change(edit.span.source) for edit in fix.edits):
            wanted.append(fix)
    fixes = compatible(wanted)
    _rewrite([edit for fix in fixes for edit in fix.edits])
    return tuple(f"fixed {_place(fix.edits[0])}: {fix.title}" for fix in fixes)


def annotated(edits: Sequence[Edit]) -> tuple[str, ...]:
    """Write claims into the file they belong to; say what changed."""
    name = edits[0].span.source.name
    if not all(_may_change(edit.span.source) for edit in edits):
        return (f"left `{name}` as it is: `--annotate` changes only files of your own",)
    _rewrite(edits)
    return (f"annotated `{name}`: {len(edits)} claim{'s' if len(edits) > 1 else ''} written",)


def _place(edit: Edit) -> str:
    first = edit.span.first
    return f"{edit.span.source.name}:{first.line}:{first.column}"


def _may_change(source: Source) -> bool:
    """Whether a source is a file of the user's that still holds what was checked."""
    path = Path(source.name)
    try:
        if path.resolve().is_relative_to(resources.specs().resolve()):
            return False
        return path.is_file() and path.read_bytes().removeprefix(BOM_UTF8) == source.text.encode()
    except (OSError, ValueError):
        return False


def _rewrite(edits: Iterable[Edit]) -> None:
    by_source: dict[Source, list[Edit]] = {}
    for edit in edits:
        by_source.setdefault(edit.span.source, []).append(edit)
    for source, group in by_source.items():
        path = Path(source.name)
        content = apply_edits(source.text, group).encode()
        try:
            mark = BOM_UTF8 if path.read_bytes().startswith(BOM_UTF8) else b""
            write_whole(path, mark + content)
        except OSError as error:
            reason = (error.strerror or "no reason given").lower()
            raise UserError("CNN603", f"cannot write `{source.name}`: {reason}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file's content so that every reader sees the old or the new one, never a part.

    Keeps the file's rights, and a symbolic link where the path is one.
    """
    target = path.resolve()
    number, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, target.stat().st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
