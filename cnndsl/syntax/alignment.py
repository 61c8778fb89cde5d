"""Turns printed lines with marked cells into lines whose claims and comments are aligned.

A printer marks where a line's claims begin (``CLAIM``) and where its comment does (``COMMENT``).
Neither mark can stand in a text: a file with a NUL is none.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.frozen import mutable

__all__ = ["CLAIM", "COMMENT", "align", "width"]

CLAIM = "\0="
"""Stands for the first two letters of a claim, ``=>``, that ends its line."""

COMMENT = "\0"
"""Stands before a comment behind other text."""

_BEFORE_CLAIM = 2
_BEFORE_COMMENT = 3
_CONTINUED = ("-> ", "=> ")
_STEP = 2


@mutable
class _Line:
    """A line in three cells, the last two of which may be empty."""

    code: str
    claim: str
    comment: str

    @property
    def level(self) -> int:
        """How far the statement of the line is indented, or -1 for a line without text."""
        bare = self.code.lstrip(" ")
        indent = len(self.code) - len(bare) if bare else -1
        return indent - _STEP if bare.startswith(_CONTINUED) else indent

    @property
    def is_remark(self) -> bool:
        """Whether it is nothing but a comment."""
        return self.code.lstrip(" ").startswith("#")


def width(line: str) -> int:
    """How wide a line is at least, once its marks are gone."""
    return len(line) - line.count("\0")


def align(text: str, most: int) -> str:
    """Align claims and comments; lines of up to ``most`` characters grow no wider by claims."""
    lines = [_split(line) for line in text.split("\n")]
    for run in _claims(lines):
        _align_claims(run, most)
    for run in _comments(lines):
        column = max(len(line.code) for line in run) + _BEFORE_COMMENT
        for line in run:
            line.code = line.code.ljust(column) + line.comment
            line.comment = ""
    return "\n".join(line.code for line in lines)


def _split(line: str) -> _Line:
    """A line in its cells."""
    code, claim, comment = line, "", ""
    at = code.find(COMMENT + "#")
    if at >= 0:
        code, comment = code[:at], code[at + len(COMMENT) :]
    before, mark, behind = code.partition(CLAIM)
    if CLAIM in behind:  # several results, each with claims of its own: no column is all of theirs
        code = code.replace(CLAIM, "=")
    elif mark:
        code, claim = before, "=" + behind.rstrip()
    return _Line(code.rstrip(), claim, comment)


def _claims(lines: Sequence[_Line]) -> list[list[_Line]]:
    """The lines with claims that are neighbours: of one level, without an empty line between."""
    runs: list[list[_Line]] = []
    level = -1
    for line in lines:
        if line.is_remark and line.code:
            continue
        if line.level != level or level < 0:
            runs.append([])
            level = line.level
        if line.claim:
            runs[-1].append(line)
    return [run for run in runs if run]


def _align_claims(run: list[_Line], most: int) -> None:
    """Put claims below each other; what is too long for that goes without."""
    aligned = list(run)
    while aligned:
        column = max(len(line.code) for line in aligned) + _BEFORE_CLAIM
        if all(column + len(line.claim) <= most for line in aligned):
            break
        longest = max(len(line.code) for line in aligned)
        aligned = [line for line in aligned if len(line.code) < longest]
    inside = set(map(id, aligned))
    for line in run:
        space = column if id(line) in inside else len(line.code) + _BEFORE_CLAIM
        line.code = line.code.ljust(space) + line.claim
        line.claim = ""


def _comments(lines: Sequence[_Line]) -> list[list[_Line]]:
    """The lines with comments behind text that follow each other and are of one level."""
    runs: list[list[_Line]] = []
    before: _Line | None = None
    for line in lines:
        if line.comment:
            if before is None or not before.comment or before.level != line.level:
                runs.append([])
            runs[-1].append(line)
        before = line
    return runs
