"""Turns bytes into a file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from cnndsl.diagnostics.model import UserError

__all__ = ["CannotWriteError", "cannot_write", "reason", "write_atomically"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ELSEWHERE = "choose another place for the file"


class CannotWriteError(UserError):
    """CNN603: the system does not take a file."""


def write_atomically(
    path: str | os.PathLike[str], content: bytes | Iterable[bytes | memoryview]
) -> int:
    """Write a file in one step as far as anybody can see, and give its size in bytes.

    The bytes go to a temporary file in the same folder, are forced to the disk, and only then
    take the file's name; whatever stops that leaves an older file of that name untouched. Through
    a symbolic link, the file that it points to is replaced. ``content`` may come in pieces, so
    that it need not be in memory at once.

    Raises:
        UserError: CNN603, where the folder is missing, read-only or full.
    """
    pieces = (content,) if isinstance(content, bytes) else content
    target, mode = _target(path)
    temporary = target.with_name(f".cnndsl-{secrets.token_hex(8)}.tmp")
    try:
        with _removed_on_failure(temporary):
            size = _write(temporary, pieces, mode)
            os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    return size


def cannot_write(
    path: str | os.PathLike[str], error: OSError, elsewhere: str = _ELSEWHERE
) -> CannotWriteError:
    """CNN603 for a file that the system does not take, with a help that suits the reason.

    ``elsewhere`` is what helps unless the disk, or what the user may take of it, is full.
    """
    help = f"make room on the disk, or {elsewhere}" if error.errno in _FULL else elsewhere
    return _cannot_write(path, reason(error), help)


def reason(error: OSError) -> str:
    """Why the system refused, in lower case: ``no space left on device``."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def _cannot_write(
    path: str | os.PathLike[str], why: str, help: str = _ELSEWHERE
) -> CannotWriteError:
    return CannotWriteError("CNN603", f"cannot write `{os.fspath(path)}`: {why}", help=help)


def _target(path: str | os.PathLike[str]) -> tuple[Path, int | None]:
    """The file to replace, and the permissions it has; None where there is none yet."""
    try:
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target, None
    except OSError as error:
        raise _cannot_write(path, reason(error)) from error
    except ValueError as error:  # A NUL byte in the name.
        raise _cannot_write(path, str(error)) from error
    if stat.S_ISDIR(mode):
        raise _cannot_write(path, "it is a folder")
    # Replacing a device or a pipe would put a file in its place.
    if not stat.S_ISREG(mode):
        raise _cannot_write(path, "it is not a regular file")
    if not os.access(target, os.W_OK):
        raise _cannot_write(path, "the file is read-only")
    return target, stat.S_IMODE(mode)


@contextlib.contextmanager
def _removed_on_failure(temporary: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # Also for Ctrl-C: only a kill leaves a temporary file behind, never a half-written one.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _write(temporary: Path, pieces: Iterable[bytes | memoryview], mode: int | None) -> int:
    size = 0
    # O_EXCL follows no link that somebody put there; 0o666 is cut by the user's umask.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o666)
    with open(descriptor, "wb") as file:
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(file.fileno(), mode)
        for piece in pieces:
            size += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return size


def _sync_folder(folder: Path) -> None:
    # The new name itself must reach the disk. Some systems cannot sync a folder; the file is
    # complete by then, so that is no failure.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
