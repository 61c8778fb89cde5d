"""What all tests need of the process that they run in."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings


def pytest_configure(config: pytest.Config) -> None:
    """Count the helpers in ``tests/support`` to what is ours: their warnings are errors."""
    helpers = sorted(path.stem for path in (Path(__file__).parent / "support").glob("*.py"))
    config.addinivalue_line("filterwarnings", f"error:::({'|'.join(helpers)})$")
    # How long a machine takes that others use too is no fault of what is tested.
    settings.register_profile("cnndsl", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("cnndsl")
    # Tests run side by side: PyTorch's own threads would only wait for each other's processors.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Tests that ask ONNX Runtime itself are no use of it to be reported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what stays: modules, and all tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def threads_wait_asleep() -> Iterator[None]:
    """ONNX Runtime's threads turn in circles while they wait: a third of a short run's computing.

    Here they sleep. That changes when a session answers, and nothing of what.
    """
    from cnndsl.runtime import start

    options = start._options

    def sleeping(ort: Any, threads: int | None) -> Any:
        made = options(ort, threads)
        if ort.__name__ == "onnxruntime" and ort.__spec__ is not None:  # not a test's stand-in
            made.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return made

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(start, "_options", sleeping)
        yield


@pytest.fixture(autouse=True, scope="session")
def what_is_found_of_this_machine_stays_in_the_tests(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """It is kept in a file, which is not to be that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True, scope="session")
def what_tests_start_compiles_modules_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Where Python is to write no bytecode, that is a third of each process's start."""
    if not sys.dont_write_bytecode:
        yield
        return
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # all of them share it
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patched.setenv("PYTHONPYCACHEPREFIX", str(folder / "bytecode"))
        yield


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_reaches_the_tests() -> Iterator[None]:
    """A process that a shell starts in the background ignores Ctrl-C; tests press it."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, before)
