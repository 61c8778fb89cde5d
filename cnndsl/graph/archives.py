"""What is wrong with a zip file, as Python's ``zipfile`` says it: in errors of many kinds."""

from __future__ import annotations

import zlib
from zipfile import BadZipFile

__all__ = ["ZIP_ERRORS"]

ZIP_ERRORS: tuple[type[Exception], ...] = (
    BadZipFile,
    zlib.error,
    EOFError,
    # A member is encrypted, or packed in an unknown way.
    RuntimeError,
    NotImplementedError,
)
"""All that opening a broken archive, or reading a member of it, raises beside ``OSError``."""
