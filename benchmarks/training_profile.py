"""Says where the time of a training step goes, beside PyTorch's eager step.

Ours is ONNX Runtime's own profile, added up by operator, by operator and shapes, and by layer; its
kernels' times leave out what lies between them, and the first line says how much that is. Profiling
itself costs a few microseconds for each node, too. Theirs is PyTorch's profiler's, by operator, and
by operator and shapes.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime
from training_cases import Case, Setup, batch_of, load, recipe_of, weights_of

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.runtime.host import form_on
from cnndsl.runtime.kernel_times import runs_of
from cnndsl.training.step import Step, build_step

__all__ = ["profile"]

SECONDS = 2.0
"""How long to collect for."""

ROWS = 25
"""So many lines of a table are shown at most."""


def profile(case: Case, threads: int) -> None:
    """Print the profiles of a row's step on the CPU, ours and then PyTorch's."""
    network = load(case)
    step, feeds = _prepared(network, case.batch)
    plain, _ = _run(step, feeds, threads, profiling=False)
    _, nodes = _run(step, feeds, threads, profiling=True)
    kernels = sum(one["ms"] for one in nodes)
    print(f"\n{case.title}: {plain:.3f} ms a step, {kernels:.3f} ms in {len(nodes)} kernels")
    _table("operator", [(one["op"], one["ms"]) for one in nodes], kernels)
    _table("shapes", [(f"{one['op']:18} {one['shapes']}", one["ms"]) for one in nodes], kernels)
    _table("layer", [(_place(one["name"]), one["ms"]) for one in nodes], kernels)
    _of_torch(case, network, threads)


def _prepared(network: TypedNetwork, batch: int) -> tuple[Step, dict[str, Any]]:
    """The step, and all that it is fed."""
    recipe = recipe_of(network)
    step = build_step(network, recipe, batch=batch, **form_on("cpu"))
    samples, labels = batch_of(network, batch)
    inputs = {network.network.inputs[0].name: samples}
    state = {name: zeros.copy() for name, zeros in step.signature.initial_state().items()}
    weights = weights_of(network)
    return step, {**weights, **state, **step.signature.feeds(inputs, labels, lr=0.01)}


def _run(step: Step, feeds: dict[str, Any], threads: int, *, profiling: bool) -> tuple[float, Any]:
    """Milliseconds of a step (the median), and its nodes as the profile has them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling = profiling
    options.enable_mem_pattern = False
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "step")
        session = onnxruntime.InferenceSession(
            step.to_proto().SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["NchwcTransformer"],
        )
        binding = session.io_binding()
        for name, array in feeds.items():
            if name in {value.name for value in session.get_inputs()}:
                binding.bind_cpu_input(name, array)
        for value in session.get_outputs():
            binding.bind_output(value.name, "cpu")
        session.run_with_iobinding(binding)
        kept = binding.get_outputs()
        binding.clear_binding_outputs()
        for value, buffer in zip(session.get_outputs(), kept, strict=True):
            binding.bind_ortvalue_output(value.name, buffer)
        times: list[float] = []
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end or len(times) < 3:
            begin = time.perf_counter()
            session.run_with_iobinding(binding)
            times.append((time.perf_counter() - begin) * 1e3)
        recorded = runs_of(Path(session.end_profiling())) if profiling else {}
    return statistics.median(times), _nodes(recorded)


def _nodes(recorded: Mapping[str, Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each node's operator, name, shapes and median time."""
    return [
        {
            "name": name,
            "op": runs[0]["args"]["op_name"],
            "ms": statistics.median(run["dur"] for run in runs) / 1e3,
            "shapes": _shapes(runs[0]["args"]),
        }
        for name, runs in recorded.items()
    ]


def _shapes(arguments: dict[str, Any]) -> str:
    """``8x64x56x56, 64x64x3x3 -> 8x64x56x56``."""
    sides = (
        ", ".join("x".join(map(str, *one.values())) for one in arguments[key])
        for key in ("input_type_shape", "output_type_shape")
    )
    return " -> ".join(sides)


def _place(name: str) -> str:
    """The layer, loss or weight that a node was emitted for, and on which way."""
    layer = re.split(r"[/.](?=weight|bias|scale)|/", name)[0]
    return f"{layer} backward" if "gradient" in name else layer


def _table(title: str, parts: list[tuple[str, float]], total: float) -> None:
    times: Counter[str] = Counter()
    counts = Counter(key for key, _ in parts)
    for key, ms in parts:
        times[key] += ms  # type: ignore[assignment]
    print(f"\n  by {title}")
    for key, ms in times.most_common(ROWS):
        print(f"  {ms:9.3f} ms {ms / total:6.1%}  {counts[key]:4} x {key}")


def _of_torch(case: Case, network: TypedNetwork, threads: int) -> None:
    """The same of PyTorch's eager step."""
    import torch
    from training_torch import start_torch

    torch.set_num_threads(threads)
    step = start_torch(Setup("eager", network, case.network, case.batch, "cpu", threads))
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        step()
        times.append((time.perf_counter() - begin) * 1e3)
    count = max(1, round(SECONDS * 1e3 / statistics.median(times)))
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, record_shapes=True) as recorded:
        for _ in range(count):
            step()
    print(f"\n{case.title}, PyTorch eager: {statistics.median(times):.3f} ms a step")
    for title, by_shape in (("operator", False), ("shapes", True)):
        found = recorded.key_averages(group_by_input_shape=by_shape)
        rows = sorted(found, key=lambda one: -one.self_cpu_time_total)[:ROWS]
        total = sum(one.self_cpu_time_total for one in found)
        print(f"\n  by {title}")
        for one in rows:
            ms = one.self_cpu_time_total / count / 1e3
            shapes = f" {_sizes(one.input_shapes)}" if by_shape else ""
            share = one.self_cpu_time_total / total
            print(f"  {ms:9.3f} ms {share:6.1%}  {one.count / count:4.0f} x {one.key}{shapes}")


def _sizes(shapes: list[list[int]]) -> str:
    return ", ".join("x".join(map(str, one)) for one in shapes if one)
