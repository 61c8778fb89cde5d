"""Looks at what is installed and what really runs, and says what mends what does not."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from typing_extensions import TypedDict

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import library
from cnndsl.runtime.device import Driver, read_driver, trial
from cnndsl.runtime.host import found_host
from cnndsl.runtime.start import CPU, CUDA
from cnndsl.runtime.workers.trial import WorkersTrial, try_workers

__all__ = [
    "DEPENDENCIES",
    "Checkup",
    "CheckupJson",
    "DriverJson",
    "Problem",
    "ProblemJson",
    "ProviderJson",
    "ProviderState",
    "WorkersJson",
    "examine",
]

# fmt: off
DEPENDENCIES = (
    "lark", "pydantic", "click", "numpy", "onnx", "onnx-ir", "safetensors", "pillow",
    "matplotlib", "markdown-it-py", "rich", "typing-extensions",
)
# fmt: on
"""What cnndsl needs beside ONNX Runtime."""


class ProviderJson(TypedDict):
    """A provider of ONNX Runtime, and what running on it gave."""

    name: str
    works: bool
    detail: str


class DriverJson(TypedDict):
    """NVIDIA's driver: the newest CUDA that it supports, as two numbers, and its GPUs."""

    cuda: list[int]
    gpus: list[str]
    error: str


class WorkersJson(TypedDict):
    """What two workers came to, that add a megabyte; all is empty where mpi4py is missing.

    ``staged`` says whether what GPUs compute goes through the memory of the host to be added; it
    is null where CUDA does not work.
    """

    works: bool
    mpi: str
    mpi4py: str
    mpiexec: str
    milliseconds: float | None
    staged: bool | None


class ProblemJson(TypedDict):
    """What does not work, and what mends it."""

    message: str
    notes: list[str]
    help: str
    serious: bool


class CheckupJson(TypedDict):
    """What ``cnndsl doctor --format json`` prints."""

    healthy: bool
    python: str
    platform: str
    versions: dict[str, str | None]
    providers: list[ProviderJson]
    host: str
    driver: DriverJson | None
    workers: WorkersJson
    problems: list[ProblemJson]


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A provider of ONNX Runtime, and whether a network of one node really ran on it."""

    name: str
    works: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not work, and the command or act that mends it.

    ``serious`` is what keeps networks from running at all; a missing GPU is not.
    """

    message: str
    notes: tuple[str, ...]
    help: str
    serious: bool


@dataclass(frozen=True, slots=True)
class Checkup:
    """All that was found; ``versions`` has None for what is not installed.

    ``host`` says how `train` computes convolutions on the CPU.
    """

    python: str
    platform: str
    versions: dict[str, str | None]
    providers: tuple[ProviderState, ...]
    host: str
    driver: Driver | None
    workers: WorkersTrial
    problems: tuple[Problem, ...]

    @property
    def staged(self) -> bool | None:
        """Whether what GPUs compute goes through the host to be added; None without CUDA."""
        cuda = any(one.works for one in self.providers if one.name == CUDA)
        return True if cuda else None

    @property
    def healthy(self) -> bool:
        """Whether networks can run, at least on the CPU."""
        return not any(problem.serious for problem in self.problems)

    def to_json(self) -> CheckupJson:
        """The checkup as plain data."""
        driver = self.driver
        return {
            "healthy": self.healthy,
            "python": self.python,
            "platform": self.platform,
            "versions": self.versions,
            "providers": [
                {"name": one.name, "works": one.works, "detail": one.detail}
                for one in self.providers
            ],
            "host": self.host,
            "driver": None
            if driver is None
            else {"cuda": list(driver.cuda), "gpus": list(driver.gpus), "error": driver.error},
            "workers": {
                "works": self.workers.milliseconds is not None,
                "mpi": self.workers.mpi,
                "mpi4py": self.workers.mpi4py,
                "mpiexec": self.workers.mpiexec,
                "milliseconds": self.workers.milliseconds,
                "staged": self.staged,
            },
            "problems": [
                {
                    "message": one.message,
                    "notes": list(one.notes),
                    "help": one.help,
                    "serious": one.serious,
                }
                for one in self.problems
            ],
        }


def examine() -> Checkup:
    """Look at everything; nothing that is missing stops it."""
    with ThreadPoolExecutor(1) as beside:
        workers = beside.submit(try_workers)
        return _examined(workers.result)


def _examined(workers: Callable[[], WorkersTrial]) -> Checkup:
    providers: list[ProviderState] = []
    problems = list(_wheel_problems())
    for name in (CPU, CUDA):
        try:
            result = trial(name)
        except UserError as error:
            problems.append(Problem(error.message, error.notes, error.help, serious=True))
            break
        providers.append(ProviderState(name, result.works, result.reason))
        if not result.works:
            what = name.removesuffix("ExecutionProvider")
            message = f"{what} does not work: {result.reason}"
            problems.append(Problem(message, result.notes, result.help, serious=name == CPU))
    found = workers()
    if (why := found.error) is not None:
        message = f"workers do not work: {why.message}"
        problems.append(Problem(message, why.notes, why.help, serious=False))
    return Checkup(
        python=platform.python_version(),
        platform=platform.platform(),
        versions=_versions(),
        providers=tuple(providers),
        host=_host() if providers else "",
        driver=read_driver(),
        workers=found,
        problems=tuple(problems),
    )


def _host() -> str:
    """How `train` computes convolutions on this CPU."""
    found = found_host()
    return f"{found} (target `host`)" if found else "by standard operators"


def _wheel_problems() -> Iterator[Problem]:
    wheels = library.installed_wheels()
    if len(wheels) > 1:
        installed = " and ".join(f"`{name}` {version}" for name, version in wheels.items())
        yield Problem(
            f"{installed} are both installed, over each other",
            ("only the one that came last is really there",),
            f"run `{library.one_wheel_command()}`",
            serious=False,
        )


def _versions() -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in ("cnndsl", *DEPENDENCIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return {**found, **(library.installed_wheels() or {library.wheel(): None})}
