"""Turns a model's bytes or path into a session of ONNX Runtime: the one place that starts them.

What a session is for decides its options; no purpose lets ONNX Runtime choose another device
without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cnndsl.limits import processors
from cnndsl.runtime import library
from cnndsl.runtime.workers.started import started_as

__all__ = [
    "ANSWERING",
    "CPU",
    "CUDA",
    "TIMED",
    "TRAINING",
    "TRIAL",
    "MisplacedError",
    "Purpose",
    "start",
]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a session is for, as options.

    ``cuda`` are those of the CUDA provider. With ``cpu_behind``, the CPU does what CUDA has no
    kernel for, such as the arithmetic on shapes that a free batch brings; else that is an error.
    ``plans_memory`` lets ONNX Runtime lay out its memory ahead, ``spins`` its threads wait for work
    without sleeping; where the session ``takes_turns`` with another one, whose processors they
    would take, only until a run ends. ``without`` names its optimizers that are left out. With
    ``keeps_buffers``, a result's memory is kept for a later one of its size, else it may become
    another's meanwhile.
    ``records_to`` begins the names of two files that the session writes: ``PREFIX_*.json``, what
    its kernels took, when recording ends, and ``PREFIX.onnx``, the graph that they belong to.
    """

    cuda: Mapping[str, str]
    cpu_behind: bool = False
    plans_memory: bool = True
    keeps_buffers: bool = True
    spins: bool = True
    takes_turns: bool = False
    without: tuple[str, ...] = ()
    records_to: str = ""


ANSWERING = Purpose({"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}, cpu_behind=True)
"""Full float32 precision, and a quick start."""

TRIAL = replace(ANSWERING, cpu_behind=False)
"""The same, to find out whether CUDA really does it."""

TIMED = replace(ANSWERING, spins=False)
"""To be compared with another session, whose processors waiting threads would take."""

TRAINING = Purpose(
    # Tensor cores as ONNX Runtime has them; NHWC would move nodes of the backward pass off it.
    # Algorithms are found by rule, not by trial, so that a resumed run finds the same ones.
    cuda={"prefer_nhwc": "0", "cudnn_conv_algo_search": "HEURISTIC"},
    # Memory planned ahead lies beside what the first run took, and is no faster: without the
    # plan ResNet-18's step takes a third less.
    plans_memory=False,
    # Weights that come as inputs stay in NCHW: blocked layouts would only be converted to and fro
    # around the pooling layers.
    without=("NchwcTransformer",),
)
"""A step with shapes that do not change: whatever falls back to the CPU is a mistake."""


class MisplacedError(RuntimeError):
    """The session would run, but elsewhere than it was asked to."""


def start(
    model: bytes | str,
    provider: str,
    purpose: Purpose,
    *,
    index: int = 0,
    threads: int | None = None,
    refused: Callable[[str], Exception] = RuntimeError,
) -> Any:
    """A session of a model, or of the file of that path, on a provider (a GPU by its ``index``).

    Of ``threads`` those count that the machine has processors for. Where ONNX Runtime does not
    take the model, ``refused`` makes an error of what it says.

    Raises:
        MisplacedError: where the session got another provider.
        UserError: CNN705, where there is no ONNX Runtime.
        ValueError: for a number of threads that is none.
    """
    ort = library.load()
    options = _options(ort, threads)
    if not purpose.plans_memory:
        options.enable_mem_pattern = False
    if not purpose.keeps_buffers:
        options.enable_mem_reuse = False
    if purpose.records_to:
        options.enable_profiling = True
        options.profile_file_prefix = purpose.records_to
        options.optimized_model_filepath = f"{purpose.records_to}.onnx"
    _let_threads_wait(options, purpose)
    providers: list[Any] = [CPU]
    if provider != CPU:
        providers = [(provider, {"device_id": str(index), **purpose.cuda})]
        if purpose.cpu_behind:
            providers.append(CPU)
        else:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    left_out = {"disabled_optimizers": list(purpose.without)} if purpose.without else {}
    try:
        session = ort.InferenceSession(
            model, options, providers=providers, enable_fallback=0, **left_out
        )
    except Exception as error:
        raise refused(library.plain(error)) from error
    if (got := session.get_providers()[0]) != provider:
        raise MisplacedError(f"the session got {got} instead")
    return session


def _let_threads_wait(options: Any, purpose: Purpose) -> None:
    # Beside other workers, threads that turn in circles would take the processors of theirs.
    if not purpose.spins or started_as() is not None:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if purpose.takes_turns:
        options.add_session_config_entry("session.force_spinning_stop", "1")


def _options(ort: Any, threads: int | None) -> Any:
    """Options of a session whose problems come as exceptions, not as lines on standard error."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if threads is not None:
        if type(threads) is not int or threads < 1:  # a yes is an int too
            raise ValueError(f"`threads` must be a whole number from 1 on, not {threads!r}")
        options.intra_op_num_threads = min(threads, processors())
    return options
