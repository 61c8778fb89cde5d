"""From edits to changed files on disk: whole or not at all, and only files that are the user's.

A text that was piped in is no file: its changed text is handed back.
"""

from __future__ import annotations

import os
import tempfile
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from cnndsl import resources
from cnndsl.diagnostics.edit import apply_edits, compatible, safe_fixes
from cnndsl.diagnostics.model import Diagnostic, Edit, UserError
from cnndsl.diagnostics.source import Source
from cnndsl.diagnostics.words import count
from cnndsl.files import read_regular
from cnndsl.limits import Limits

__all__ = ["annotated", "mended", "write_whole"]


def mended(
    diagnostics: Iterable[Diagnostic], piped: Source | None = None
) -> tuple[tuple[str, ...], str | None]:
    """Apply the first safe fix of each diagnostic, as far as they go together.

    Shipped specs and texts that are no files stay as they are.

    Returns:
        What changed, in words; and the text of ``piped`` as it is then.
    """
    wanted = [*safe_fixes(diagnostics)]
    own = _own((edit for fix in wanted for edit in fix.edits), piped)
    fixes = compatible(fix for fix in wanted if all(edit.span.source in own for edit in fix.edits))
    text = _rewrite([edit for fix in fixes for edit in fix.edits], piped)
    return tuple(f"fixed {_place(fix.edits[0])}: {fix.title}" for fix in fixes), text


def annotated(
    edits: Sequence[Edit], piped: Source | None = None
) -> tuple[tuple[str, ...], str | None]:
    """Write claims into the files they belong to.

    Returns:
        What changed and what may not, in words; and the text of ``piped`` as it is then.
    """
    own = _own(edits, piped)
    text = _rewrite([edit for edit in edits if edit.span.source in own], piped)
    counts = Counter(edit.span.source for edit in edits)
    told = tuple(
        f"annotated `{source.name}`: {count(claims, 'claim')} written"
        if source in own
        else f"left `{source.name}` as it is: it is no file of your own"
        for source, claims in counts.items()
    )
    return told, text


def _place(edit: Edit) -> str:
    first = edit.span.first
    return f"{edit.span.source.name}:{first.line}:{first.column}"


def _own(edits: Iterable[Edit], piped: Source | None) -> set[Source]:
    """The sources that may be changed."""
    sources = {edit.span.source for edit in edits}
    return {source for source in sources if source is piped or _may_change(source)}


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


def _rewrite(edits: Iterable[Edit], piped: Source | None) -> str | None:
    """Change the files; the text of ``piped``, changed too, is given back."""
    text = None if piped is None else piped.text
    by_source: dict[Source, list[Edit]] = {}
    for edit in edits:
        by_source.setdefault(edit.span.source, []).append(edit)
    for source, group in by_source.items():
        if source is piped:
            text = apply_edits(source.text, group)
            continue
        path = Path(source.name)
        content = apply_edits(source.text, group).encode()
        try:
            mark = BOM_UTF8 if _content(path).startswith(BOM_UTF8) else b""
            write_whole(path, mark + content)
        except OSError as error:
            reason = (error.strerror or "no reason given").lower()
            message = f"cannot write `{source.name}`: {reason}"
            help = "make room on the disk, or see that the file may be written"
            raise UserError("CNN603", message, help=help) from error
    return text


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
