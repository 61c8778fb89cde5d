"""The wheel and the source distribution carry what they need and work away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from documents import ROOT

import cnndsl

pytest.importorskip("hatchling")
pytestmark = pytest.mark.slow


def build(target: str, source: Path, folder: Path) -> Path:
    """Build a distribution of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    packed = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    [tree] = folder.iterdir()
    return tree


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed; what it depends on comes from this environment."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True)
    return folder


def files_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def of_the_checkout(*folders: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no checkout")
    return {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}


def test_the_wheel_has_the_package_and_its_data(wheel: Path) -> None:
    names = {name for name in files_of(wheel) if ".dist-info/" not in name}
    data = {f"cnndsl/_data/{name}" for name in of_the_checkout("grammar", "specs", "docs")}
    assert names == data | of_the_checkout("cnndsl")


def test_the_wheel_has_its_licence_and_its_command(wheel: Path) -> None:
    files = files_of(wheel)
    [licence] = [name for name in files if name.endswith("/licenses/LICENSE")]
    assert files[licence] == (ROOT / "LICENSE").read_bytes()
    [points] = [name for name in files if name.endswith("/entry_points.txt")]
    assert b"cnndsl = cnndsl" in files[points]


def test_the_source_distribution_has_what_its_tests_need(unpacked: Path) -> None:
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    needed = of_the_checkout("cnndsl", "grammar", "specs", "docs", "tests", "benchmarks", ".ci")
    assert needed - there == set()
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"} <= there


def test_a_wheel_of_the_source_distribution_is_the_same(
    wheel: Path, unpacked: Path, tmp_path: Path
) -> None:
    assert files_of(build("wheel", unpacked, tmp_path)) == files_of(wheel)


def run(folder: Path, work: Path, *arguments: str) -> str:
    """Run the installed command in a folder away from the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "cnndsl", *arguments],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_installed_package_is_the_one_that_runs(installed: Path, tmp_path: Path) -> None:
    program = "import cnndsl, cnndsl.resources as r; print(cnndsl.__file__, r.docs(), sep='\\n')"
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    package, docs = done.stdout.splitlines()
    assert Path(package).is_relative_to(installed)
    assert Path(docs) == (installed / "cnndsl" / "_data" / "docs").resolve()


def test_the_installed_command_works_away_from_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    assert "resnet50: no problems" in run(installed, tmp_path, "check", "resnet50")
    assert run(installed, tmp_path, "explain", "CNN301").startswith("# CNN301: ")
    assert "parameters" in run(installed, tmp_path, "compile", "lenet5", "-o", "model.onnx")
    assert run(installed, tmp_path, "show", "model.onnx").startswith("network lenet5\n")
    spec = tmp_path / "mine.cnn"
    spec.write_text('import "std/residual"\ninput 3x8x8\nbasic(3)\n', encoding="utf-8")
    assert "mine.cnn: no problems" in run(installed, tmp_path, "check", "mine.cnn")


def test_the_version_is_that_of_the_package(wheel: Path) -> None:
    assert wheel.name.startswith(f"cnndsl-{cnndsl.__version__}-py3-none-any")
