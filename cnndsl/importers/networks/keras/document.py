"""Opens Keras's files: JSON as `to_json` gives it, and `.keras` archives, which hold it."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Diagnostic, UserError
from cnndsl.diagnostics.source import Source, Span
from cnndsl.files import open_regular, read_regular
from cnndsl.frozen import frozen
from cnndsl.graph.archives import ZIP_ERRORS
from cnndsl.importers.networks.texts import decoded

__all__ = ["Document", "open_document"]

MOST_BYTES = 2**26
"""No configuration is larger: that of the largest networks has 2 MiB."""


@frozen
class Document:
    """A model's configuration, and which Keras wrote it."""

    model: Mapping[str, Any]
    version: str
    training: Mapping[str, Any]
    """What the model was compiled with; empty where it was not."""

    @property
    def is_old(self) -> bool:
        """Whether Keras 2 wrote it."""
        return self.version.startswith("2")


def open_document(path: Path) -> Document:
    """The configuration in a file.

    Raises:
        CompileError: CNN680, where a text is no JSON.
        UserError: CNN683, where it is no model that we can read.
        OSError: where the file cannot be read.
    """
    with open_regular(path) as file:
        is_archive = zipfile.is_zipfile(file)
    if is_archive:
        found, version = _archived(path)
    else:
        data = read_regular(path, MOST_BYTES)
        if path.suffix.lower() == ".keras" and not data.lstrip().startswith(b"{"):
            raise UserError(
                "CNN683",
                f"{path.name} is damaged, or no file of Keras's: it is neither an archive nor JSON",
                help="write it by `model.save('model.keras')`",
            )
        found, version = _parsed(os.fspath(path), data), ""
    if not isinstance(found, dict) or not isinstance(found.get("class_name"), str):
        raise UserError(
            "CNN683",
            f"{path.name} is JSON, but no model of Keras: it has no `class_name`",
            help="write it by `model.to_json()` or `model.save('model.keras')`",
        )
    version = str(found.get("keras_version") or version or _guessed(found))
    if version.startswith(("0", "1")):
        raise UserError(
            "CNN683",
            f"{path.name} was written by Keras {version}, whose layers had other names",
            help="load it in Keras 2 and write it again",
        )
    training = found.get("compile_config") or found.get("training_config") or {}
    return Document(found, version, training if isinstance(training, dict) else {})


def _archived(path: Path) -> tuple[Any, str]:
    """The configuration in an archive, and the version in its metadata."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            config = _member(archive, "config.json")
            metadata = _member(archive, "metadata.json") or b"{}"
    except ZIP_ERRORS as error:
        raise UserError("CNN683", f"{path.name} is damaged: {error}") from None
    for name, data in (("config.json", config), ("metadata.json", metadata)):
        if not data or len(data) > MOST_BYTES:
            what = "has no `config.json`" if not data else f"holds a `{name}` of too many bytes"
            raise UserError(
                "CNN683",
                f"{path.name} is an archive that {what}: no model of Keras",
                help="write it by `model.save('model.keras')`",
            )
    model, about = (
        _parsed(f"{path}/config.json", config),
        _parsed(f"{path}/metadata.json", metadata),
    )
    return model, str(about.get("keras_version", "")) if isinstance(about, dict) else ""


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a member, or one more than is read; none where it is not there."""
    if name not in archive.namelist():
        return b""
    with archive.open(name) as member:
        return member.read(MOST_BYTES + 1)


def _parsed(name: str, data: bytes) -> Any:
    text = decoded(name, data)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = min(error.pos, max(0, len(text) - 1))
        span = Span(Source(name, text), at, min(at + 1, len(text)))
        message = f"no JSON: {error.msg[0].lower()}{error.msg[1:]}"
        raise CompileError([Diagnostic("CNN680", message, span)]) from None
    except RecursionError:
        raise UserError("CNN683", f"{name} has lists in lists that are too deep") from None


def _guessed(found: Mapping[str, Any]) -> str:
    """Keras 3 says of each layer from which module it is."""
    return "3" if "module" in found else "2"
