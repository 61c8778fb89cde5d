"""Repositories of git for tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["a_repository"]


def a_repository(folder: Path) -> None:
    """A repository of git with a spec that is wrong."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    (folder / "wrong.cnn").write_text("input 1x8x8\nconv 8@9\n", encoding="utf-8")
    who = ("-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", *who, *command], cwd=folder, check=True)
