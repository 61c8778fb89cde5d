"""A folder as an action of GitHub finds it: specs, right and wrong, and the program on the path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["UNUSED", "WRONG", "path_of", "workspace"]

WRONG = "input 3x224x224\nconv 96@11 stride 4\nfc 10\n"
UNUSED = "input 1x8x8\nlet unused = 3\nconv 4@3\n"


def workspace(folder: Path) -> Path:
    """Lay specs into a folder, one of them in a folder with a space in its name."""
    (folder / "nets" / "deep nets").mkdir(parents=True)
    (folder / "nets" / "right.cnn").write_text("input 1x8x8\nconv 4@3\n", encoding="utf-8")
    (folder / "nets" / "deep nets" / "wrong.cnn").write_text(WRONG, encoding="utf-8")
    (folder / "nets" / "unused.cnn").write_text(UNUSED, encoding="utf-8")
    (folder / "bin").mkdir()
    program = folder / "bin" / "cnndsl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cnndsl "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return folder


def path_of(folder: Path) -> str:
    """The search path with the folder's programs in front."""
    return os.pathsep.join((str(folder / "bin"), os.environ["PATH"]))
