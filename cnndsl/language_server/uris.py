"""From an editor's names of texts to paths of files, and back."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit
from urllib.request import url2pathname

__all__ = ["path_of", "uri_of"]


def path_of(uri: str, folder: Path) -> Path:
    """The file that a text stands for, resolved.

    A text that was never saved (``untitled:Untitled-1``) stands for one in a folder, under a name
    that no file has; its imports are looked for there.

    >>> path_of("file:///tmp/my%20nets/a.cnn", Path("/")).name
    'a.cnn'
    """
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return (folder / f"{quote(uri, safe='')}.cnn").resolve()
    if os.name == "nt":
        return Path(url2pathname(f"//{parts.netloc}{parts.path}" if parts.netloc else parts.path))
    return Path(os.path.realpath(os.fsdecode(unquote_to_bytes(parts.path))))


def uri_of(path: Path) -> str:
    """How editors call a file."""
    return path.as_uri()
