"""Finds the files of a folder that import another one, directly or through others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.modules import read_text
from cnndsl.language_server.names import imported_path
from cnndsl.limits import Limits

__all__ = ["importers"]

MOST = 2000
"""So many specs of a folder are looked at, and so many folders."""

_IMPORT = re.compile(r'^[ \t]*import[ \t]+"([^"\n]+)"', re.MULTILINE)
_PASSED_OVER = frozenset(("node_modules", "__pycache__", "venv"))


def importers(path: Path, folders: Iterable[Path], texts: Mapping[Path, str]) -> list[Path]:
    """The specs below some folders that import a file.

    Args:
        path: the file, resolved.
        folders: where to look.
        texts: the open texts, by resolved path.
    """
    graph = {spec: set(_imports(spec, texts)) for spec in _specs(folders, texts)}
    found = {path}
    while True:
        more = {spec for spec, named in graph.items() if named & found} - found
        if not more:
            return sorted(found - {path})
        found |= more


def _specs(folders: Iterable[Path], texts: Mapping[Path, str]) -> Iterator[Path]:
    yield from texts
    seen = 0
    for folder in folders:
        for here, inside, files in os.walk(folder):
            inside[:] = [one for one in inside if one not in _PASSED_OVER and one[:1] != "."]
            seen += 1
            for name in files:
                if name.endswith(".cnn"):
                    seen += 1
                    yield Path(os.path.realpath(os.path.join(here, name)))
            if seen > MOST:
                return


def _imports(spec: Path, texts: Mapping[Path, str]) -> Iterator[Path]:
    """The files that a spec imports, as far as its text says so."""
    text = texts.get(spec)
    if text is None:
        try:
            text = read_text(spec, Limits())
        except UserError:
            return
    for name in _IMPORT.findall(text):
        yield imported_path(name, spec)
