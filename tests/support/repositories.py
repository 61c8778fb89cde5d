"""Repositories of git for tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["a_repository", "git"]

_WHO = ("-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> None:
    """Run git in a folder, whoever runs the tests."""
    main = ("-c", "init.defaultBranch=main")
    subprocess.run(["git", *_WHO, *main, *words], cwd=folder, check=True, capture_output=True)


def a_repository(folder: Path) -> None:
    """A repository of git with a spec that is wrong."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    (folder / "wrong.cnn").write_text("input 1x8x8\nconv 8@9\n", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
