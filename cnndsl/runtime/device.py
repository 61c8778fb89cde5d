"""Chooses where a network runs, and finds out why CUDA does not work where it does not.

ONNX Runtime lists its CUDA provider as available even where its libraries are missing, and falls
back to the CPU without a word. So nothing is believed here: a one-node network with a convolution
(which needs cuDNN) must really run on the device, with all fallbacks switched off.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted
from cnndsl.runtime import library
from cnndsl.runtime.start import CUDA, TRIAL, start

__all__ = [
    "Device",
    "Driver",
    "Trial",
    "choose",
    "read_driver",
    "target_of",
    "trial",
]

DRIVERS = {12: 525, 13: 580}
"""The first NVIDIA driver release for each major version of CUDA (CUDA's release notes)."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session runs: ``cpu``, ``cuda:0`` …, and why there."""

    name: str
    reason: str

    @property
    def index(self) -> int:
        """The number of the GPU; 0 for the CPU."""
        return int(self.name.partition(":")[2] or 0)


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether a provider really runs a network; if not, why, and what mends it."""

    works: bool
    reason: str
    notes: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Driver:
    """What NVIDIA's driver says: the newest CUDA it supports, and the names of its GPUs.

    ``error`` is why it does not start, and empty where it does.
    """

    cuda: tuple[int, int]
    gpus: tuple[str, ...]
    error: str = ""


# --- choosing ---------------------------------------------------------------------------------


def choose(word: str) -> Device:
    """The device that a user's word stands for: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: CNN701 for a word that is none of these, and for a CUDA that does not work.
    """
    if word == "cpu":
        return Device("cpu", "as asked")
    if word == "auto":
        result = trial(CUDA)
        name = "cuda:0" if result.works else "cpu"
        return Device(name, result.reason)
    match = re.fullmatch(r"cuda(?::([0-9]{1,3}))?", word)
    if match is None:
        raise UserError(
            "CNN701",
            f"there is no device `{word}`",
            help="choose `auto`, `cpu`, `cuda` or a GPU by its number, as `cuda:1`",
        )
    index = int(match[1] or 0)
    result = trial(CUDA, index)
    if not result.works:
        raise UserError(
            "CNN701", f"`{word}` does not work: {result.reason}", result.notes, result.help
        )
    return Device(f"cuda:{index}", "as asked")


def target_of(device: str) -> Literal["cpu", "cuda"]:
    """What a graph that runs on a device is emitted for.

    >>> target_of("cpu"), target_of("cuda:1")
    ('cpu', 'cuda')
    """
    return "cpu" if device == "cpu" else "cuda"


# --- trying -----------------------------------------------------------------------------------


@cache
def trial(provider: str, index: int = 0) -> Trial:
    """Run a small network on a provider, strictly, and say how that went.

    Raises:
        UserError: CNN705, where there is no ONNX Runtime to try.
    """
    ort = library.load()
    if provider not in ort.get_available_providers():
        return _not_built_in(ort, provider)
    printed = _preload(ort) if provider == CUDA else []
    try:
        with library.captured_stderr() as log:
            _run_one_node(provider, index)
    except Exception as error:
        return _explain(ort, provider, index, printed, [*log, library.plain(error)])
    gpus = driver.gpus if provider == CUDA and (driver := read_driver()) else ()
    return Trial(True, gpus[index] if index < len(gpus) else "works")


def _run_one_node(provider: str, index: int) -> None:
    session = start(_one_node(), provider, TRIAL, index=index)
    result = session.run(None, {"x": numpy.full((1, 1, 2, 2), 2, numpy.float32)})[0]
    if result.tolist() != [[[[8.0]]]]:
        raise RuntimeError(f"a convolution gave {result.tolist()} instead of 8")


@cache
def _one_node() -> bytes:
    from onnx import TensorProto, helper

    ones = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 2, 2], [1.0] * 4)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "trial",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1, 1])],
        [ones],
    )
    opsets = [helper.make_opsetid("", 18)]
    model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return model


def _preload(ort: Any) -> list[str]:
    """Load the CUDA libraries that pip installed; what ONNX Runtime prints about it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            ort.preload_dlls()
        except Exception as error:
            print(error)
    return [*printed.getvalue().splitlines(), *(str(warning.message) for warning in caught)]


# --- explaining -------------------------------------------------------------------------------


def read_driver() -> Driver | None:
    """What NVIDIA's driver says of itself; None where there is none that answers."""
    try:
        cuda = ctypes.CDLL(_driver_library())
    except OSError:
        return None
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    # 13020 is CUDA 13.2 (CUDA driver API, cuDriverGetVersion).
    supported = (version.value // 1000, version.value % 1000 // 10)
    error = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    if error:
        return Driver(supported, (), _driver_error(cuda, error))
    gpus = []
    for index in range(count.value):
        name = ctypes.create_string_buffer(256)
        cuda.cuDeviceGetName(name, len(name), index)
        gpus.append(name.value.decode(errors="replace"))
    return Driver(supported, tuple(gpus))


def _driver_error(cuda: ctypes.CDLL, error: int) -> str:
    text = ctypes.c_char_p()
    if cuda.cuGetErrorString(error, ctypes.byref(text)) or text.value is None:
        return f"error {error}"
    return f"{text.value.decode(errors='replace')} (error {error})"


def _driver_library() -> str:
    return "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def _not_built_in(ort: Any, provider: str) -> Trial:
    wheels = library.installed_wheels()
    name = provider.removesuffix("ExecutionProvider")
    reason = f"this ONNX Runtime ({ort.__version__}) is built without {name}"
    notes = [f"installed: {' and '.join(f'{name} {number}' for name, number in wheels.items())}"]
    if not library.has_gpu_wheel():
        return Trial(
            False, reason, tuple(notes), "use `--device cpu`: no GPU wheel for this system"
        )
    if len(wheels) > 1:
        notes.append("the two install over each other, and the one without CUDA came last")
    return Trial(False, reason, tuple(notes), f"run `{library.one_wheel_command(cuda=True)}`")


def _explain(
    ort: Any, provider: str, index: int, printed: Sequence[str], log: Sequence[str]
) -> Trial:
    """Why a trial failed, from what was printed and logged and from the driver itself."""
    said = tuple(f"ONNX Runtime: {library.plain(line)}" for line in log if line.strip())[:1]
    if provider != CUDA:
        return Trial(False, library.plain(log[-1]), said, f"run `{library.reinstall_command()}`")
    missing = _missing_libraries([*printed, *log])
    notes = (f"CUDA's libraries are missing too: {quoted(missing)}", *said) if missing else said
    driver = read_driver()
    if driver is None:
        reason = f"NVIDIA's driver is not there (`{_driver_library()}`)"
        return Trial(False, reason, notes, _driver_help(ort, "install"))
    if driver.error or not driver.gpus:
        reason = f"NVIDIA's driver finds no GPU that works: {driver.error or 'there is none'}"
        return Trial(False, reason, notes, "mend what `nvidia-smi` complains of, or use the CPU")
    if driver.cuda[0] < _needed_cuda(ort):
        reason = (
            f"NVIDIA's driver supports CUDA {driver.cuda[0]}.{driver.cuda[1]},"
            f" this ONNX Runtime needs CUDA {_needed_cuda(ort)}"
        )
        return Trial(False, reason, notes, _driver_help(ort, "update"))
    if missing:
        reason = f"libraries of CUDA are missing: {quoted(missing)}"
        return Trial(False, reason, said, 'run `pip install "cnndsl[cuda]"`')
    if index >= len(driver.gpus):
        found = ", ".join(f"`cuda:{number}` {name}" for number, name in enumerate(driver.gpus))
        return Trial(False, f"there is no GPU {index}", (f"there is {found}",), "use `cuda:0`")
    return Trial(False, library.plain(log[-1]), said, "run `cnndsl doctor`, or use `--device cpu`")


def _driver_help(ort: Any, verb: str) -> str:
    needed = DRIVERS.get(_needed_cuda(ort))
    release = f", release {needed} or newer" if needed else ""
    return (
        f'{verb} NVIDIA\'s driver{release}, then run `pip install "cnndsl[cuda]"`;'
        " without an NVIDIA GPU, use `--device cpu`"
    )


def _needed_cuda(ort: Any) -> int:
    """The major version of CUDA that this ONNX Runtime was built for; 0 where it does not say."""
    major = str(getattr(ort, "cuda_version", "")).partition(".")[0]
    return int(major) if major.isdecimal() else 0


_MISSING = (
    re.compile(r"Failed to load (?:.*[\\/])?([\w.-]+): "),
    re.compile(r"error: ([\w.-]+): cannot open shared object file"),
    re.compile(r'which depends on "([\w.-]+)" which is missing'),
)


def _missing_libraries(lines: Sequence[str]) -> tuple[str, ...]:
    """The libraries of CUDA that could not be loaded, cuDNN too, which is looked for late."""
    names = [match for line in lines for pattern in _MISSING for match in pattern.findall(line)]
    cudnn = "cudnn64_9.dll" if sys.platform == "win32" else "libcudnn.so.9"
    try:
        ctypes.CDLL(cudnn)
    except OSError:
        names.append(cudnn)
    return tuple(dict.fromkeys(name for name in names if name != _driver_library()))
