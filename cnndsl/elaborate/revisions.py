"""Reads files as they are in a revision of a git repository: ``HEAD~1:net.cnn``.

Git is only asked for what it has stored (``git cat-file``): it runs no hook, opens no editor, asks
for no password and fetches nothing. What a spec of a revision imports is read from that revision
too, into a folder of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from cnndsl.diagnostics.model import Report, UserError
from cnndsl.diagnostics.source import Source
from cnndsl.limits import Limits
from cnndsl.syntax.ast import ClassesFile, Import
from cnndsl.syntax.parser import parse

__all__ = ["checked_out", "is_revision"]

SECONDS = 30
"""So long git may take for one file."""

MOST_FILES = 1000
"""So many files of a revision are read for one spec."""

MOST_BYTES = 2**31
"""A compiled model of a revision may have so many."""


def is_revision(word: str) -> bool:
    """Whether a word names a file of a revision: ``HEAD~1:net.cnn``, and no file that is there.

    A single letter before the colon is a drive of Windows there.
    """
    revision, colon, path = word.partition(":")
    if not colon or not revision or not path or os.path.lexists(word):
        return False
    return not (os.name == "nt" and len(revision) == 1)


@contextmanager
def checked_out(word: str, limits: Limits) -> Iterator[Path]:
    """A file of a revision, with all that it imports, in a folder that lasts as long as this does.

    Raises:
        UserError: CNN642 where there is no git, no repository or no such revision, CNN643 where
            the revision has no such file, CNN005 and CNN901 for what is no text or too large.
    """
    revision, _, path = word.partition(":")
    _demand_revision(revision, word)
    with TemporaryDirectory(prefix="cnndsl-") as folder:
        root = Path(folder)
        most = MOST_BYTES if path.lower().endswith(".onnx") else 4 * limits.text
        place = root / PurePosixPath(path).name
        place.write_bytes(_content(revision, path, word, most))
        if not path.lower().endswith(".onnx"):
            _fetch_imports(revision, path, place, limits)
        yield place


def _fetch_imports(revision: str, word: str, place: Path, limits: Limits) -> None:
    """Read what a spec imports, and what that imports; a file that is missing is left out.

    It is told of where the spec is checked: files beside the spec on disk are not looked at.
    """
    here = "./" if word.startswith(("./", "../")) else ""  # else git begins at the top
    path = PurePosixPath(word)
    pending = [(path, place)]
    seen = {path}
    while pending:
        at, file = pending.pop()
        for name in _named(file, limits):
            other = at.parent / name
            target = Path(os.path.normpath(file.parent / name))
            inside = target.is_relative_to(place.parent)
            if other in seen or not inside or len(seen) >= MOST_FILES:
                continue
            seen.add(other)
            name_of = f"{here}{other}"
            try:
                content = _content(revision, name_of, f"{revision}:{name_of}", 4 * limits.text)
            except UserError:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            if name.endswith(".cnn"):
                pending.append((other, target))


def _named(file: Path, limits: Limits) -> Iterator[str]:
    """The files that a spec names, relative to it; not those of the shipped library."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return
    for statement in parse(Source(file.name, text), Report(), limits).statements:
        match statement:
            case Import(path=path) if not path.value.startswith("std/"):
                name = path.value
                yield name if name.endswith(".cnn") else f"{name}.cnn"
            case ClassesFile(path=path):
                yield path.value


# --- git ----------------------------------------------------------------------------------------


def _demand_revision(revision: str, word: str) -> None:
    """See that there is git, a repository, and such a revision."""
    if revision.startswith("-") or re.search(r"[\x00-\x20\x7f]", revision):
        raise UserError(
            "CNN642",
            f"`{word}` names no revision",
            help="write it as git does, as in `HEAD~1:net.cnn`",
        )
    done = _git("rev-parse", "--git-dir")
    if done.returncode:
        raise UserError(
            "CNN642",
            f"`{word}` is no file, and there is no git repository here that could have it",
            help="check the path, or run it inside of the repository",
        )
    if _git("rev-parse", "--quiet", "--verify", f"{revision}^{{tree}}").returncode:
        raise UserError(
            "CNN642",
            f"the git repository has no revision `{revision}`",
            help="`git log --oneline` lists them; a path with a colon begins with `./`",
        )


def _content(revision: str, path: str, word: str, most: int) -> bytes:
    """The bytes of a file in a revision."""
    name = f"{revision}:{path}"
    kind = _git("cat-file", "-t", name)
    if kind.returncode or kind.stdout.strip() != b"blob":
        what = "a folder" if kind.stdout.strip() == b"tree" else "nothing"
        help = "paths begin at the top of the repository, or with `./` in this folder"
        here = f"{revision}:./{path}"
        if not path.startswith("./") and not _git("cat-file", "-e", here).returncode:
            help = f"did you mean `{here}`? Paths begin at the top of the repository"
        raise UserError("CNN643", f"`{path}` is {what} in the revision `{revision}`", help=help)
    size = _git("cat-file", "-s", name).stdout.strip()
    if not size.isdigit() or int(size) > most:
        raise UserError(
            "CNN901",
            f"`{word}` is larger than {most:,} bytes",
            help="split it, or raise the limit `text`",
        )
    done = _git("cat-file", "blob", name)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        help = "check it: `git fsck`"
        raise UserError("CNN643", f"`{word}` cannot be read: {reason}", help=help)
    return done.stdout


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """What git answers, without asking anybody or anything else."""
    quiet = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }
    try:
        return subprocess.run(
            ["git", *arguments],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            env={**os.environ, **quiet},
        )
    except (OSError, ValueError) as error:
        raise UserError(
            "CNN642",
            "git is needed for a file of a revision, and cannot be run:"
            f" {(getattr(error, 'strerror', None) or str(error)).lower()}",
            help="install git, or give paths of files",
        ) from None
    except subprocess.TimeoutExpired:
        raise UserError(
            "CNN642",
            f"git took longer than {SECONDS} seconds",
            help="try `git status`, or give paths of files",
        ) from None
