"""Graphs before and after a pass, compared with those recorded, or recorded anew."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

__all__ = ["compare"]

GOLDEN = Path(__file__).parents[1] / "golden" / "passes"


def compare(name: str, text: str) -> None:
    """Whether a text is the recorded one; with ``CNNDSL_REWRITE`` it becomes that."""
    if Version(version("onnx")) < Version("1.23"):
        pytest.skip("the printer of older versions of onnx writes numbers with fewer digits")
    recorded = GOLDEN / name
    if os.environ.get("CNNDSL_REWRITE"):
        recorded.write_text(text, encoding="utf-8")
    assert text == recorded.read_text(encoding="utf-8")
