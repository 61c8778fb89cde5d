"""The steps of the action, as a runner of GitHub performs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from documents import ROOT
from workspaces import path_of, workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return workspace(tmp_path)


def holds(condition: str, inputs: dict[str, str]) -> bool:
    """Whether a step's condition holds: comparisons of inputs, and `always()`."""
    for part in condition.split(" && "):
        found = re.fullmatch(r"inputs\.([\w-]+) (==|!=) '([^']*)'", part)
        assert found or part == "always()", part
        if found and (inputs[found[1]] == found[3]) != (found[2] == "=="):
            return False
    return True


def performed(folder: Path, **given: str) -> list[subprocess.CompletedProcess[str]]:
    """The action's own scripts in order, as `action.yml` has them, with the inputs filled in."""
    yaml = pytest.importorskip("yaml", reason="there is no PyYAML")
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    unknown = given.keys() - action["inputs"].keys()
    assert not unknown
    inputs = {name: given.get(name, one["default"]) for name, one in action["inputs"].items()}

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ *inputs\.([\w-]+) *\}\}", lambda found: inputs[found[1]], text)

    runner = {**os.environ, "PATH": path_of(folder), "GITHUB_ACTIONS": "true"}
    runner |= {"GITHUB_ACTION_PATH": str(ROOT), "GITHUB_WORKSPACE": str(folder)}
    done = []
    for step in action["runs"]["steps"]:
        if "run" not in step or not holds(step.get("if", "always()"), inputs):
            continue
        variables = {name: filled(str(value)) for name, value in step.get("env", {}).items()}
        assert step["shell"] == "bash"
        # As the runner starts what `shell: bash` names.
        command = [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done.append(
            subprocess.run(
                command,
                cwd=folder,
                env=runner | variables,
                capture_output=True,
                text=True,
                check=False,
            )
        )
        if done[-1].returncode:
            break
    return done


@pytest.fixture
def installer(folder: Path) -> Path:
    """A `python` whose pip only writes down what it is to install."""
    program = folder / "bin" / "python"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$GITHUB_WORKSPACE/installed"\n')
    program.chmod(0o755)
    return folder / "installed"


def test_the_steps_of_the_action_install_and_check(folder: Path, installer: Path) -> None:
    install, check = performed(folder, specs="nets/right.cnn\nlenet5", sarif="found.sarif")
    assert (install.returncode, check.returncode) == (0, 0), check.stderr
    assert installer.read_text().split("\n")[:-1] == ["-m", "pip", "install", "--quiet", str(ROOT)]
    assert "lenet5: no problems" in check.stdout
    assert json.loads((folder / "found.sarif").read_text("utf-8"))["runs"][0]["results"] == []


def test_the_steps_of_the_action_fail_where_a_spec_does(folder: Path, installer: Path) -> None:
    [check] = performed(folder, install="none", specs="nets/**/*.cnn")
    assert check.returncode == 1
    assert not installer.exists()
    assert "::error file=nets/deep nets/wrong.cnn,line=2" in check.stdout
    [quiet] = performed(folder, install="none", specs="nets/**/*.cnn", annotations="false")
    assert "::error file" not in quiet.stdout


def test_what_is_to_be_installed_can_be_said(folder: Path, installer: Path) -> None:
    performed(folder, install="cnndsl==1.0; touch seen", specs="lenet5")
    assert installer.read_text().split("\n")[-2] == "cnndsl==1.0; touch seen"
    assert not (folder / "seen").exists()
