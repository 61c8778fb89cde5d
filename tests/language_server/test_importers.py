"""Specs that import a file are found by what their imports mean."""

from __future__ import annotations

from pathlib import Path

from cnndsl import resources
from cnndsl.language_server.importers import importers


def test_importers_are_found_by_what_imports_mean(tmp_path: Path) -> None:
    library = resources.specs().resolve() / "std" / "residual.cnn"
    spec, odd = tmp_path / "net.cnn", tmp_path / "odd.cnn"
    texts = {spec: 'import "std/residual"\n', odd: 'import "a\0b"\nimport "net"\n'}
    assert importers(library, [tmp_path], texts) == [spec, odd]
    assert importers(tmp_path / "std" / "residual.cnn", [tmp_path], texts) == []
