"""Reads the files of formats that are texts."""

from __future__ import annotations

import os
from pathlib import Path

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.source import Source
from cnndsl.files import read_regular

__all__ = ["decoded", "read_source"]


def read_source(path: Path, most: int) -> Source:
    """A file's text.

    Raises:
        OSError: where it cannot be read, or has more than so many bytes.
        UserError: CNN683, where it is no text.
    """
    return Source(os.fspath(path), decoded(os.fspath(path), read_regular(path, most)))


def decoded(name: str, data: bytes) -> str:
    """Bytes as the text that they are.

    Raises:
        UserError: CNN683, where they are none.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"`{name}` is no text: byte {error.start} is {data[error.start]:#04x}"
        raise UserError("CNN683", message, help="give the text, not a binary form of it") from None
