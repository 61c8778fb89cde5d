"""The hooks of `.pre-commit-hooks.yaml`, run by pre-commit itself on a repository made for it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from documents import ROOT
from repositories import git

from cnndsl.cli.verbs import VERBS

yaml = pytest.importorskip("yaml", reason="there is no PyYAML, which comes with pre-commit")
if importlib.util.find_spec("pre_commit") is None:
    pytest.skip("there is no pre-commit", allow_module_level=True)

HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
PARTS = ("cnndsl", "grammar", "specs", "docs")
FILES = ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")

WRONG = "input 3x224x224\nconv 96@11 stride 4\n"
RIGHT = "input 1x8x8\nconv 4@3 -> relu\n"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with our files as they are, which a configuration can name."""
    folder = tmp_path_factory.mktemp("cnndsl")
    for name in PARTS:
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps the environment that it installs us into."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def run(tool: Path, home: Path, tmp_path: Path) -> Run:
    """Runs a hook on files. It is installed as users have it, but for what cnndsl depends on."""
    git(tmp_path, "init", "-q")

    def hook(name: str, **texts: str) -> subprocess.CompletedProcess[str]:
        for file, text in texts.items():
            path = tmp_path / file.replace("_dot_", ".")
            path.write_text(text, encoding="utf-8")
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=tool, capture_output=True, text=True, check=True
        )
        repository = {"repo": str(tool), "rev": head.stdout.strip(), "hooks": [{"id": name}]}
        config = yaml.safe_dump({"repos": [repository]})
        (tmp_path / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
        git(tmp_path, "add", "-A")
        packages = sysconfig.get_paths()
        surroundings = {
            **os.environ,
            "PRE_COMMIT_HOME": str(home),
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # which means that there is none
            "PYTHONPATH": os.pathsep.join({packages["purelib"], packages["platlib"]}),
        }
        return subprocess.run(
            [sys.executable, "-m", "pre_commit", "run", "--all-files", "--color", "never"],
            cwd=tmp_path,
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
        )

    return hook


def test_the_manifest_is_one_to_pre_commit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml"],
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook["id"]))
def test_a_hook_calls_a_verb(hook: dict[str, str]) -> None:
    program, verb, *_ = hook["entry"].split()
    assert program == "cnndsl"
    if verb == "fmt" and verb not in VERBS:
        pytest.skip("there is no `fmt` yet")
    assert verb in VERBS


def test_specs_are_checked(run: Run) -> None:
    done = run("cnndsl-check", a_dot_cnn=RIGHT, b_dot_txt=WRONG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
    done = run("cnndsl-check", b_dot_cnn=WRONG)
    assert done.returncode == 1
    assert " --> b.cnn:2:9\n" in done.stdout


def test_pages_are_checked(run: Run) -> None:
    done = run("cnndsl-check-markdown", a_dot_md=f"```cnn\n{RIGHT}```\n", b_dot_cnn=WRONG)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("cnndsl-check-markdown", c_dot_MD="> ```cnn\n> input 1x8x8\n> conv 4@9\n> ```\n")
    assert done.returncode == 1
    assert " --> c.MD:3:10\n" in done.stdout


@pytest.mark.skipif("fmt" not in VERBS, reason="there is no `fmt` yet")
def test_specs_are_given_their_layout(run: Run, tmp_path: Path) -> None:
    done = run("cnndsl-fmt", a_dot_cnn="input   1x8x8\nconv  4@3->relu\n")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "files were modified by this hook" in done.stdout
    assert (tmp_path / "a.cnn").read_text(encoding="utf-8") == RIGHT
    done = run("cnndsl-fmt")
    assert done.returncode == 0, done.stdout


def test_blocks_of_pages_are_given_their_layout(run: Run, tmp_path: Path) -> None:
    page = "> ```cnn\n> input 1x8x8\n> conv{}4@3{}relu\n> ```\n"
    done = run("cnndsl-fmt-markdown", a_dot_md=page.format("  ", "->"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == page.format(" ", " -> ")
    assert run("cnndsl-fmt-markdown").returncode == 0
