"""Opens the files that a user names: regular files only, so that no reading waits or never ends.

A pipe without a writer would hold a command up for ever, `/dev/zero` would never end, and what a
device does when it is read nobody knows. Every file that somebody else names is opened here. And
names are put in order here.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import BinaryIO, Literal, overload

__all__ = ["check_regular", "natural", "open_regular", "read_regular"]

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}

Named = str | os.PathLike[str]


@overload
def open_regular(path: Named, *, most: int | None = None) -> BinaryIO: ...
@overload
def open_regular(path: Named, *, most: int | None = None, buffering: Literal[0]) -> BinaryIO: ...
def open_regular(path: Named, *, most: int | None = None, buffering: int = -1) -> BinaryIO:
    """Open a regular file, or a link to one, for reading its bytes; this never waits.

    Args:
        path: what the user named.
        most: how many bytes the file may have.
        buffering: as in ``open``.

    Raises:
        OSError: where it cannot be opened, is something else, or is larger than ``most``.
    """

    def opened(name: str, flags: int) -> int:
        # Opening some devices does something already, so what is none is not opened at all.
        _demand_regular(os.stat(name), name, most)
        descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
        try:
            # Something else may have taken its place since.
            _demand_regular(os.fstat(descriptor), name, most)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    try:
        return open(path, "rb", buffering=buffering, opener=opened)
    except ValueError as error:  # A NUL byte in the name, or what no name can hold.
        raise OSError(errno.EINVAL, str(error), os.fspath(path)) from error


def check_regular(path: Named) -> None:
    """Refuse what :func:`open_regular` refuses, before a library opens a file by its name.

    Raises:
        OSError: as :func:`open_regular`.
    """
    open_regular(path).close()


def read_regular(path: Named, most: int) -> bytes:
    """All the bytes of a regular file of at most so many.

    Raises:
        OSError: as :func:`open_regular`.
    """
    with open_regular(path, most=most) as file:
        content = file.read(most + 1)
    if len(content) > most:  # It grew, or its file system does not know sizes.
        raise _too_large(path, most)
    return content


def _demand_regular(status: os.stat_result, path: str, most: int | None) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "something else")
        raise OSError(errno.EINVAL, f"it is {what}, and only regular files are read", path)
    if most is not None and status.st_size > most:
        raise _too_large(path, most)


def _too_large(path: Named, most: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {most:,} bytes", os.fspath(path))


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts names as people do: numbers by their value.

    >>> sorted(["10.png", "2.png", "a1.png"], key=natural)
    ['2.png', '10.png', 'a1.png']
    """
    key = []
    for part in re.split(r"([0-9]+)", name.lower()):
        if part.isascii() and part.isdecimal():
            # Without zeros in front, the longer number is the larger one, however long.
            digits = part.lstrip("0")
            key.append((False, len(digits), digits))
        elif part:
            key.append((True, 0, part))
    return tuple(key)
