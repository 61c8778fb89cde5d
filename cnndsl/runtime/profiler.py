"""Turns a network on a device into its profile: it runs, and ONNX Runtime records its kernels."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import onnx

from cnndsl.analysis.cost import backward_macs, macs_of
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.files import reason
from cnndsl.graph.onnx_weights import read_model
from cnndsl.runtime.batching import fixed_batch
from cnndsl.runtime.device import choose
from cnndsl.runtime.host import form_on
from cnndsl.runtime.kernel_owners import Attribution, lines_of
from cnndsl.runtime.kernel_times import Kernel, kernels
from cnndsl.runtime.machine_peaks import measure_peaks
from cnndsl.runtime.profile import Profile
from cnndsl.runtime.selftest_data import random_batch, random_samples
from cnndsl.runtime.session import Session
from cnndsl.runtime.start import ANSWERING
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.step import build_step

__all__ = ["profile_model", "profile_step"]

_LEAST_RUNS = 3
_RECORDED_RUNS = 20
_EVENTS = 100_000
"""About so many kernels are recorded in all, each a third of a kilobyte of text."""


@dataclass(frozen=True, slots=True)
class _Runner:
    """A session that is ready: what runs it once, and what ends its recording."""

    run: Callable[[], object]
    end_recording: Callable[[], str]
    device: str
    batch: int


Starter = Callable[[str], _Runner]
"""Starts a session; it records to files whose names begin so, where that is not empty."""


def profile_model(
    network: TypedNetwork,
    model: Artifact | Path,
    *,
    batch: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    seconds: float = 2.0,
) -> Profile:
    """The profile of a model's answer for a batch, by default of one sample.

    Args:
        network: what the model was compiled from.
        model: the model, or its file.
        batch: samples at once.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: how many threads one operator may use; by default ONNX Runtime decides.
        seconds: how long to run it without a recording.

    Raises:
        UserError: CNN860 where the model takes batches of another size, CNN861 where its recording
            cannot be written; CNN604, CNN701, CNN703, CNN705 as running it does.
    """
    source: bytes | Path
    if isinstance(model, Artifact):
        source, graph = model.for_runtime(), model.graph_only.graph
    else:
        source, graph = model, read_model(model).graph

    def start(records_to: str) -> _Runner:
        purpose = replace(ANSWERING, records_to=records_to)
        session = Session(source, device, threads=threads, purpose=purpose)
        size = _batch(session, batch)
        feeds = _answered(network, session, size)
        return _Runner(lambda: session.run(feeds), session.end_recording, session.device.name, size)

    macs = [macs_of(network, at) for at in range(len(network.network.nodes))]
    return _profile(network, graph, start, macs, threads, seconds, training=False)


def profile_step(
    network: TypedNetwork,
    weights: Mapping[str, Array],
    *,
    batch: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    seconds: float = 2.0,
) -> Profile:
    """The profile of a training step, by default of the recipe's batch.

    Raises:
        UserError: CNN861 where its recording cannot be written; CNN701, CNN703, CNN705 as
            training does, and as ``build_step`` does.
    """
    device = choose(device).name
    step = build_step(network, batch=batch, **form_on(device))
    signature = step.signature
    samples, labels = random_batch(network, signature, 0)
    size = next(iter(signature.samples.values()))[0]

    def start(records_to: str) -> _Runner:
        one = TrainStep(step, weights, device=device, threads=threads, records_to=records_to)
        numbers = iter(range(10**9))
        return _Runner(
            lambda: one.run(samples, labels, 0.0, next(numbers), 0),
            one.end_recording,
            one.device.name,
            size,
        )

    forward = [macs_of(network, at) for at in range(len(network.network.nodes))]
    macs = [one + more for one, more in zip(forward, backward_macs(network), strict=True)]
    graph = step.to_proto(checked=False).graph
    return _profile(network, graph, start, macs, threads, seconds, training=True)


def _batch(session: Session, batch: int | None) -> int:
    fixed = fixed_batch(session)
    if fixed is not None and batch not in (None, fixed):
        raise UserError(
            "CNN860",
            f"the model was compiled for batches of {fixed:,}, not of {batch:,}",
            help="leave out `--batch`, or compile the model without it",
        )
    return fixed or batch or 1


def _answered(network: TypedNetwork, session: Session, batch: int) -> dict[str, Array]:
    """Random samples for what a model takes: numbers, ids, or pictures as bytes."""
    random = numpy.random.default_rng(0)
    types = {one.name: one.type for one in network.network.inputs}
    feeds: dict[str, Array] = {}
    for port in session.inputs:
        dims = (batch, *(size for size in port.shape[1:] if isinstance(size, int)))
        if port.dtype == "uint8":
            feeds[port.name] = random.integers(256, size=dims, dtype=numpy.uint8)
        else:
            feeds[port.name] = random_samples(types[port.name], dims, random)
    return feeds


# --- measuring ----------------------------------------------------------------------------------


def _profile(
    network: TypedNetwork,
    graph: onnx.GraphProto,
    start: Starter,
    macs: Sequence[int],
    threads: int | None,
    seconds: float,
    *,
    training: bool,
) -> Profile:
    """Run without a recording, then with one, and say whose each kernel is.

    ``macs`` are the multiply-accumulates of a run for one sample, by the nodes' positions.
    """
    runner = start("")
    runner.run()  # Memory is laid out in the first run.
    times = _times(runner.run, seconds)
    device, batch = runner.device, runner.batch
    del runner  # and its session, before the next one takes as much memory
    recorded = _recorded(graph, start, statistics.median(times), seconds)
    layers, others = Attribution(network, macs, batch).of(recorded)
    return Profile(
        network.name,
        training,
        device,
        threads,
        batch,
        len(times),
        statistics.median(times),
        measure_peaks(choose(device), threads),
        layers,
        lines_of(network, layers),
        others,
    )


def _times(run: Callable[[], object], seconds: float) -> list[float]:
    """The seconds of each of some runs, which last so long together."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < _LEAST_RUNS or time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return times


def _recorded(graph: onnx.GraphProto, start: Starter, once: float, seconds: float) -> list[Kernel]:
    """The kernels of a session that records, in a folder that is gone afterwards."""
    most = min(_RECORDED_RUNS, _EVENTS // max(1, len(graph.node)), round(seconds / once))
    try:
        with tempfile.TemporaryDirectory(prefix="cnndsl-profile-") as folder:
            prefix = str(Path(folder) / "run")
            runner = start(prefix)
            for _ in range(1 + max(_LEAST_RUNS, most)):
                runner.run()
            recording = Path(runner.end_recording())
            return kernels(recording, Path(f"{prefix}.onnx"), graph, skipped=1)
    except (OSError, ValueError) as error:
        raise _unrecorded(reason(error) if isinstance(error, OSError) else str(error)) from error
    except UserError as error:  # It ran without a recording.
        raise _unrecorded(error.message) from error


def _unrecorded(why: str) -> UserError:
    """CNN861: nothing is known of kernels where ONNX Runtime could not write about them."""
    return UserError(
        "CNN861",
        f"what ONNX Runtime records cannot be kept in `{tempfile.gettempdir()}`: {why}",
        help="make room there, or name another folder in the environment variable `TMPDIR`",
    )
