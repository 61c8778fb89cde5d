"""The package of `examples/plugin` installs, and its own tests pass."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed, as pip installs it anywhere."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("there is no pip")
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    shutil.copytree(ROOT / "examples" / "plugin", source)
    install = [*("-m", "pip", "install", "--quiet"), "--no-deps", "--no-build-isolation"]
    target = folder / "site"
    done = subprocess.run(
        [sys.executable, *install, "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def run(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join((str(site), str(ROOT)))
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_tests_pass(site: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "plugin", tmp_path / "plugin")
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", ".")
    done = run(site, tmp_path / "plugin", "pytest", *options, "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_its_layer_is_one_of_the_language(site: Path, tmp_path: Path) -> None:
    (tmp_path / "waves.cnn").write_text("input 1x8\nsnakes\nsnake pitch 3\n", encoding="utf-8")
    done = run(site, tmp_path, "cnndsl", "check", "waves.cnn")
    assert "help: did you mean `snake`?" in done.stdout
    assert "CNN201" in done.stdout


def test_without_it_the_layer_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "waves.cnn").write_text("input 1x8\nsnake\n", encoding="utf-8")
    done = run(ROOT, tmp_path, "cnndsl", "check", "waves.cnn")
    assert "there is no layer or block `snake`" in done.stdout
