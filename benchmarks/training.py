"""What a training step costs beside PyTorch's, eager and compiled: time as ratios, and memory.

    python benchmarks/training.py [--only resnet18:8] [--pairs 9] [--threads 2] [--device cuda]
    python benchmarks/training.py --profile --only lenet5:64

Each side is a process of its own (``training_worker.py``) that trains one network on one batch with
the optimizer of its spec, in float32. The sides take turns: a pair is some steps of ours and as
many of theirs right after, so that a slower machine slows both, and the figure is the median of
the pairs' ratios, with the quartiles beside it. Before the first pair, both must find the same
loss. Memory is the peak of each process beyond its imports. On a machine that others use too, look
at the fastest steps: threads that wait for each other suffer most, and not on both sides alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

WORKER = Path(__file__).parent / "training_worker.py"

BOUNDS: Mapping[tuple[str, int], tuple[float, float]] = {
    ("lenet5", 64): (2.0, 1.2),
    ("lenet5", 1): (5.0, 2.0),
    ("alexnet", 16): (1.0, 1.0),
    ("resnet18", 8): (0.9, 0.8),
}
"""How many times PyTorch's speed each network and batch must have: eager, and compiled."""

PAUSE = 0.05
"""Seconds between two sides' turns: the threads of the first stop waiting for more work."""

TURN = 0.4
"""Seconds that a turn of the slower side should last."""


class Side:
    """A worker process, and what it last said."""

    def __init__(self, name: str, case: tuple[str, int], device: str, threads: int) -> None:
        network, batch = case
        command = [sys.executable, str(WORKER), name, network, str(batch), device, str(threads)]
        self.name = name
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )
        self.ready = self._listen()
        self.fastest = float("inf")

    def run(self, steps: int) -> float:
        """The seconds of a step, over so many."""
        assert self.process.stdin is not None
        time.sleep(PAUSE)
        print(steps, file=self.process.stdin, flush=True)
        self.last = self._listen()
        self.fastest = min(self.fastest, float(self.last["best"]))
        return float(self.last["seconds"] / steps)

    def close(self) -> None:
        """Let the process end."""
        self.process.communicate()

    def _listen(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the {self.name} side failed")
        return json.loads(line)


@dataclass(frozen=True)
class Result:
    """One side against ours: the pairs' ratios of speed; of both, seconds and bytes."""

    ratios: list[float]
    seconds: tuple[float, float]
    fastest: tuple[float, float]
    memory: tuple[int, int]
    preparation: tuple[float, float]


def compare(case: tuple[str, int], peer: str, options: argparse.Namespace) -> Result:
    """Measure ours against a peer, in turns."""
    ours = Side("cnndsl", case, options.device, options.threads)
    theirs = Side(peer, case, options.device, options.threads)
    ready = ours.ready, theirs.ready
    if abs(ready[0]["loss"] / ready[1]["loss"] - 1) > 0.02:  # AlexNet's dropout differs
        raise SystemExit(f"{case}: the losses are {ready[0]['loss']} and {ready[1]['loss']}")
    slower = max(side.run(2) for side in (ours, theirs))
    steps = max(1, round(TURN / slower))
    pairs = [(ours.run(steps), theirs.run(steps)) for _ in range(options.pairs)]
    memory = ours.last["memory"], theirs.last["memory"]
    ours.close()
    theirs.close()
    medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
    return Result(
        ratios=[their / our for our, their in pairs],
        seconds=(medians[0], medians[1]),
        fastest=(ours.fastest, theirs.fastest),
        memory=memory,
        preparation=(ready[0]["seconds"], ready[1]["seconds"]),
    )


def row(case: tuple[str, int], peer: str, result: Result) -> str:
    """A line of the table."""
    bounds = BOUNDS.get(case)
    bound = bounds[peer == "compile"] if bounds else None
    ratio = statistics.median(result.ratios)
    low, high = spread(result.ratios)
    times = [
        " / ".join(f"{one * 1e3:.4g}" for one in two) for two in (result.seconds, result.fastest)
    ]
    memory = " / ".join(f"{size / 2**20:.0f}" for size in result.memory)
    speed = "" if bound is None else f">= {bound}: {'yes' if ratio >= bound else '**no**'}"
    fits = "yes" if result.memory[0] <= result.memory[1] else "**no**"
    preparation = " / ".join(f"{seconds:.1f}" for seconds in result.preparation)
    cells = [f"{case[0]}, batch {case[1]}", peer, f"{ratio:.2f}", f"{low:.2f}-{high:.2f}", speed]
    cells += [*times, memory, fits, preparation]
    return f"| {' | '.join(cells)} |"


def spread(ratios: list[float]) -> tuple[float, float]:
    """The quartiles."""
    if len(ratios) < 2:
        return ratios[0], ratios[0]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return low, high


def machine(options: argparse.Namespace) -> str:
    """What it was measured on."""
    names = ("onnxruntime-gpu", "onnxruntime", "torch", "numpy")
    versions = ", ".join(f"{name} {found}" for name in names if (found := _version(name)))
    cpu = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text(encoding="utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if "model name" in line), cpu)
    if options.device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        cpu = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"{cpu}, {os.cpu_count()} CPUs, {options.threads} threads each side, float32, "
        f"Python {platform.python_version()}, {versions}; median of {options.pairs} pairs."
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except ImportError:
        return None


def case_of(text: str) -> tuple[str, int]:
    """``lenet5:64``."""
    name, _, batch = text.partition(":")
    return name, int(batch or 1)


def main() -> None:
    """Print the table, each ratio beside the bound that the project holds itself to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=case_of, action="append", metavar="NETWORK:BATCH")
    parser.add_argument("--against", choices=["eager", "compile"], action="append")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--profile", action="store_true", help="our step's time by operator and by line"
    )
    options = parser.parse_args()
    cases = options.only or list(BOUNDS)
    if options.profile:
        from training_profile import profile

        for name, batch in cases:
            profile(name, batch, options.threads)
        return
    peers = options.against or ["eager", "compile"]
    if options.device == "cpu" and not (shutil.which("g++") or shutil.which("clang++")):
        print("No C++ compiler here, so no torch.compile.\n")
        peers = [peer for peer in peers if peer != "compile"]
    print(machine(options), end="\n\n")
    print(
        "| step | against | speed | quartiles | bound | ms | fastest ms | MiB | fits | s to start |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for case in cases:
        for peer in peers:
            print(row(case, peer, compare(case, peer, options)), flush=True)


if __name__ == "__main__":
    main()
