"""What drawings are tried on: all shipped specs, and names that no drawing should stumble over."""

from __future__ import annotations

from documents import ROOT

__all__ = ["HOSTILE", "SPECS"]

SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.cnn"))

HOSTILE = [
    "<&>\"'`#;|{}[]()",
    "ä猫🙂",
    "a" * 5000,
    "end",
    "line\nbreak\x1b[31m",
    "\\",
    "%%{init}%%",
]
