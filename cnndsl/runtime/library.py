"""Finds ONNX Runtime, and says how to mend it where it is missing, broken or doubled.

Two distributions, ``onnxruntime`` and ``onnxruntime-gpu``, install the same Python package. Put
over each other, the last one wins; taking one away leaves an empty package of the other.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from typing import Any

from cnndsl.diagnostics.model import UserError

__all__ = [
    "CPU_WHEEL",
    "GPU_WHEEL",
    "captured_stderr",
    "has_gpu_wheel",
    "installed_wheels",
    "load",
    "one_wheel_command",
    "plain",
    "reinstall_command",
    "wheel",
]

CPU_WHEEL = "onnxruntime"
GPU_WHEEL = "onnxruntime-gpu"

_NO_REPORTS = "ORT_DISABLE_TELEMETRY"
"""The variable by which ONNX Runtime neither sends nor keeps anything about its use."""


def has_gpu_wheel() -> bool:
    """Whether ``onnxruntime-gpu`` is published for this platform."""
    return (sys.platform, platform.machine()) in (("linux", "x86_64"), ("win32", "AMD64"))


def wheel() -> str:
    """The distribution of ONNX Runtime that belongs on this platform."""
    return GPU_WHEEL if has_gpu_wheel() else CPU_WHEEL


def installed_wheels() -> dict[str, str]:
    """The versions of the distributions of ONNX Runtime that are installed, by their names."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in (CPU_WHEEL, GPU_WHEEL):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def reinstall_command() -> str:
    """What puts a broken ONNX Runtime right."""
    return f"pip install --force-reinstall --no-deps {wheel()}"


def one_wheel_command(cuda: bool = False) -> str:
    """What leaves the one right distribution; with CUDA's libraries where ``cuda``."""
    wanted = '"cnndsl[cuda]"' if cuda else wheel()
    return f"pip uninstall -y {CPU_WHEEL} {GPU_WHEEL} && pip install {wanted}"


@cache
def load() -> Any:
    """The ``onnxruntime`` module.

    Its own log is set to errors only: at its default it warns, on standard error, of machines
    that have no GPU. From 1.29 on, its wheels report to their maker which models run where; they
    do not here, unless the environment says what is wanted.

    Raises:
        UserError: CNN705, where it is missing, empty or does not load.
    """
    os.environ.setdefault(_NO_REPORTS, "1")  # It is read once, while the library loads.
    try:
        with captured_stderr():
            ort = importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        if error.name == "onnxruntime":
            raise UserError(
                "CNN705", "ONNX Runtime is not installed", help=f"run `pip install {wheel()}`"
            ) from error
        raise _broken(error) from error
    except Exception as error:
        # Shared libraries that do not load raise ImportError, its own checks anything.
        raise _broken(error) from error
    if not hasattr(ort, "InferenceSession"):
        raise UserError(
            "CNN705",
            "ONNX Runtime is installed without its files",
            notes=["uninstalling one of `onnxruntime` and `onnxruntime-gpu` empties the other"],
            help=f"run `{one_wheel_command()}`",
        )
    ort.set_default_logger_severity(3)
    return ort


def _broken(error: Exception) -> UserError:
    return UserError(
        "CNN705",
        f"ONNX Runtime does not load: {plain(error)}",
        help=f"run `{reinstall_command()}`",
    )


@contextlib.contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Catch what native code writes to standard error; the lines are there once it is left."""
    lines: list[str] = []
    try:
        kept = os.dup(2)
    except OSError:  # There is no standard error, as in a window program.
        yield lines
        return
    try:
        caught_in = tempfile.TemporaryFile()  # noqa: SIM115  # it is left below
    except OSError:  # No folder for temporary files takes one: full, or read-only.
        os.close(kept)
        yield lines
        return
    with caught_in as caught:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(caught.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            lines.extend(caught.read().decode(errors="replace").splitlines())


def plain(text: object) -> str:
    """A line of ONNX Runtime's log or error without its colours, time stamp and file names."""
    line = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(str(text).split()))
    line = re.sub(r"^\S+ \S+ \[[EWF]:onnxruntime:[^\]]*\] ", "", line)
    return re.sub(r"^.*?\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", line)
