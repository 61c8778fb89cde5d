import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from launched import need_mpi

from cnndsl.cli.doctor import doctor
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import doctor as module
from cnndsl.runtime import library
from cnndsl.runtime.device import Trial, trial
from cnndsl.runtime.doctor import DEPENDENCIES, examine
from cnndsl.runtime.start import CPU, CUDA
from cnndsl.runtime.workers.job import find_mpiexec
from cnndsl.runtime.workers.trial import WorkersTrial, try_workers


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
    # The machine's MPI may be a problem besides.
    (problem,) = (one for one in examine().problems if "onnxruntime" in one.message)
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


# --- workers ------------------------------------------------------------------------------------


def test_two_workers_add_a_megabyte() -> None:
    need_mpi()
    result = CliRunner().invoke(doctor, ["--format", "json"])
    workers = json.loads(result.output)["workers"]
    assert workers["works"]
    assert workers["milliseconds"] > 0
    assert workers["mpiexec"] == find_mpiexec()
    lines = CliRunner().invoke(doctor, []).output.splitlines()
    (row,) = [line for line in lines if line.startswith("workers")]
    assert re.fullmatch(r"workers +2 of them add 1 MB in [0-9.e+]+ ms", row)
    (mpi,) = [line for line in lines if line.startswith("MPI ")]
    assert mpi.endswith(workers["mpi"])


def shown(monkeypatch: pytest.MonkeyPatch, found: WorkersTrial, *, cuda: bool = False) -> str:
    monkeypatch.setattr(module, "try_workers", lambda: found)
    monkeypatch.setattr(module, "trial", lambda name: Trial(cuda or name == CPU, "because"))
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 0
    return result.output


def test_without_mpi_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    row = 'workers            none without MPI: run `pip install "cnndsl[mpi]"` for them\n'
    assert row in shown(monkeypatch, WorkersTrial())


def test_gradients_of_gpus_go_through_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    found = WorkersTrial("Open MPI v5.0.11", "4.1.2", "/bin/mpiexec", 0.25)
    text = shown(monkeypatch, found, cuda=True)
    assert "MPI                Open MPI v5.0.11\n" in text
    assert "workers            2 of them add 1 MB in 0.25 ms\n" in text
    assert "                   what GPUs compute goes through the host's memory\n" in text
    assert "through the host" not in shown(monkeypatch, found)


def test_workers_that_fail_are_a_problem_that_is_not_serious(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    why = UserError("CNN871", "`mpiexec` could not start the workers", ["out of slots"], "mend it")
    text = shown(monkeypatch, WorkersTrial(mpi4py="4.1.2", mpiexec="/bin/mpiexec", error=why))
    assert "workers            do not work\n" in text
    assert (
        "warning: workers do not work: `mpiexec` could not start the workers\n"
        "  note: out of slots\n"
        "  help: mend it\n"
    ) in text


def test_a_trial_whose_mpi_does_not_load_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    need_mpi()
    monkeypatch.setenv("MPI4PY_LIBMPI", "/nowhere/libmpi.so")
    error = try_workers().error
    assert error is not None
    assert error.message == "two workers were started, and could not add their numbers"
    assert error.notes[0].startswith("mpi4py does not find an MPI that it can load: ")


def test_a_trial_without_mpi4py_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.runtime.workers.trial.find_spec", lambda name: None)
    assert try_workers() == WorkersTrial()
