import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnndsl.cli.doctor import doctor
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import doctor as module
from cnndsl.runtime import library
from cnndsl.runtime.device import Trial, trial
from cnndsl.runtime.doctor import DEPENDENCIES, examine
from cnndsl.runtime.start import CPU, CUDA


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    trial.cache_clear()
    yield
    trial.cache_clear()


def test_every_dependency_is_reported() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    listed = tomllib.loads(project.read_text())["project"]["dependencies"]
    names = [match[0] for line in listed if (match := re.match(r"[\w.-]+", line))]
    assert set(names) - {"onnxruntime", "onnxruntime-gpu"} == set(DEPENDENCIES)


def test_this_machine_runs_on_the_cpu() -> None:
    checkup = examine()
    assert checkup.healthy
    assert checkup.providers[0].name == CPU
    assert checkup.providers[0].works
    assert checkup.versions["numpy"]


def test_both_wheels_at_once_are_a_problem_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = {"onnxruntime": "1.99", "onnxruntime-gpu": "1.98"}
    monkeypatch.setattr(library, "installed_wheels", lambda: both)
    monkeypatch.setattr(module, "trial", lambda name: Trial(True, "works"))
    (problem,) = examine().problems
    assert "`onnxruntime` 1.99 and `onnxruntime-gpu` 1.98 are both installed" in problem.message
    assert problem.help.startswith("run `pip uninstall -y onnxruntime onnxruntime-gpu &&")


def test_a_cuda_that_fails_leaves_the_machine_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(name: str) -> Trial:
        return Trial(name == CPU, "because", ("a note",), "mend it")

    monkeypatch.setattr(module, "trial", half)
    monkeypatch.setattr(library, "installed_wheels", lambda: {"onnxruntime-gpu": "1.99"})
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 0
    assert "warning: CUDA does not work: because" in result.output
    assert "help: mend it" in result.output


def test_no_onnx_runtime_at_all_is_serious(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Trial:
        raise UserError("CNN705", "ONNX Runtime is not installed", help="run `pip install it`")

    monkeypatch.setattr(module, "trial", missing)
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 1
    assert "error: ONNX Runtime is not installed" in result.output
    assert "help: run `pip install it`" in result.output


def test_json_says_the_same() -> None:
    result = CliRunner().invoke(doctor, ["--format", "json"])
    data = json.loads(result.output)
    assert data["healthy"] is True
    assert [one["name"] for one in data["providers"]] == [CPU, CUDA]
