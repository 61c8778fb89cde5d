"""The pictures in docs/drawing.md are those that its commands draw; `REWRITE=1` draws them anew."""

from __future__ import annotations

import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner
from documents import ROOT, fences

from cnndsl.cli import main

PAGE = ROOT / "docs" / "drawing.md"
PICTURES = ROOT / "docs" / "images" / "drawing"
COMMANDS = [
    line.split()[2:]
    for fence in fences(PAGE, "console")
    for line in fence.text.splitlines()
    if line.startswith("$ ")
]
LARGEST = 250_000
"""Bytes of a picture."""
DRAWN_BY = {"matplotlib": "3.11", "igraph": "1.0"}
"""Whose versions the stored pictures are drawn by; others may place letters and lines elsewhere."""


def drawn(folder: Path, words: list[str]) -> bytes:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return (folder / words[-1]).read_bytes()


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[-1])
def test_a_picture_is_what_its_command_draws(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("igraph")
    monkeypatch.chdir(tmp_path)
    content = drawn(tmp_path, words)
    stored = PICTURES / words[-1]
    if os.environ.get("REWRITE"):
        stored.parent.mkdir(exist_ok=True)
        stored.write_bytes(content)
    assert len(content) < LARGEST
    kept = stored.read_bytes()
    if all(version(name).startswith(known) for name, known in DRAWN_BY.items()):
        assert content == kept, "run it once with REWRITE=1"
    assert content.count(b"<path") == pytest.approx(kept.count(b"<path"), rel=0.1)


def test_every_picture_is_shown_and_drawn() -> None:
    shown = re.findall(r"\(images/drawing/([^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert {path.name for path in PICTURES.iterdir()} == {*shown} == {one[-1] for one in COMMANDS}
