"""From edits to changed files on disk: whole or not at all, and only files that are the user's."""

from __future__ import annotations

import os
import tempfile
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from cnndsl import resources
from cnndsl.diagnostics.edit import apply_edits, compatible
from cnndsl.diagnostics.model import Diagnostic, Edit, UserError
from cnndsl.diagnostics.source import Source
from cnndsl.files import read_regular
from cnndsl.limits import Limits

__all__ = ["annotated", "mended", "write_whole"]


def mended(diagnostics: Iterable[Diagnostic]) -> tuple[str, ...]:
    """Apply the first safe fix of each diagnostic, as far as they go together; say what changed.

    Shipped specs and texts that are no files stay as they are.
    """
    first = [
        next((fix for fix in diagnostic.fixes if fix.safe and fix.edits), None)
        for diagnostic in diagnostics
    ]
    wanted = [fix for fix in first if fix is not None]
    own = _own(edit for fix in wanted for edit in fix.edits)
    fixes = compatible(fix for fix in wanted if all(edit.span.source in own for edit in fix.edits))
    _rewrite([edit for fix in fixes for edit in fix.edits])
    return tuple(f"fixed {_place(fix.edits[0])}: {fix.title}" for fix in fixes)


def annotated(edits: Sequence[Edit]) -> tuple[str, ...]:
    """Write claims into the files they belong to; say what changed and what may not."""
    own = _own(edits)
    _rewrite([edit for edit in edits if edit.span.source in own])
    counts = Counter(edit.span.source for edit in edits)
    return tuple(
        f"annotated `{source.name}`: {count} claim{'s' if count > 1 else ''} written"
        if source in own
        else f"left `{source.name}` as it is: it is no file of your own"
        for source, count in counts.items()
    )


def _place(edit: Edit) -> str:
    first = edit.span.first
    return f"{edit.span.source.name}:{first.line}:{first.column}"


def _own(edits: Iterable[Edit]) -> set[Source]:
    """The sources that may be changed."""
    return {source for source in {edit.span.source for edit in edits} if _may_change(source)}


def _may_change(source: Source) -> bool:
    """Whether a source is a file of the user's that still holds what was checked."""
    path = Path(source.name)
    try:
        if path.resolve().is_relative_to(resources.specs().resolve()):
            return False
        return _content(path).removeprefix(BOM_UTF8) == source.text.encode()
    except (OSError, ValueError):
        return False


def _content(path: Path) -> bytes:
    return read_regular(path, 4 * Limits.current().text + len(BOM_UTF8))


def _rewrite(edits: Iterable[Edit]) -> None:
    by_source: dict[Source, list[Edit]] = {}
    for edit in edits:
        by_source.setdefault(edit.span.source, []).append(edit)
    for source, group in by_source.items():
        path = Path(source.name)
        content = apply_edits(source.text, group).encode()
        try:
            mark = BOM_UTF8 if _content(path).startswith(BOM_UTF8) else b""
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
