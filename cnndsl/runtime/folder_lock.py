"""Makes a folder for one process to write into, and keeps all others out while it does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.files import cannot_write

__all__ = ["LOCK", "locked", "taken"]

LOCK = ".lock"
"""The file in a folder that is locked; it has the number of the process that locked it last."""

_ELSEWHERE = "choose another folder with `--out`"


@contextlib.contextmanager
def locked(folder: Path, busy: Callable[[str], UserError], *, inside: str = "") -> Iterator[None]:
    """A folder, made where it is not there, and locked until it is left.

    A kill gives the lock back as well.

    Args:
        folder: the folder, with all above it.
        busy: what to raise where another process has it, of which the number is given if known.
        inside: a folder in it that is made too.

    Raises:
        UserError: CNN603 where it cannot be made, and what ``busy`` gives.
    """
    with contextlib.ExitStack() as stack:
        try:
            (folder / inside).mkdir(parents=True, exist_ok=True)
            # Not buffered: what a full disk does not take must not come again when it is closed.
            lock = stack.enter_context(open(folder / LOCK, "a+b", buffering=0))
            _take(lock, busy)
        except OSError as error:
            place = (error.filename or folder / LOCK) if folder.is_dir() else folder
            raise cannot_write(place, error, _ELSEWHERE) from error
        yield


def _take(lock: FileIO, busy: Callable[[str], UserError]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no such locks.
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise busy(lock.read().decode(errors="replace").strip()) from None
    lock.truncate(0)
    lock.write(b"%d\n" % os.getpid())


def taken(code: str, folder: Path, by: str, file: str) -> UserError:
    """A folder has what somebody else has written: one of its files, say."""
    return UserError(
        code,
        f"the folder `{folder}` is taken by another {by}",
        notes=[f"there is `{file}` in it"],
        help=f"go on with it with `--resume`, or {_ELSEWHERE}",
    )
