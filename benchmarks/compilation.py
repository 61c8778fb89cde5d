"""What `cnndsl compile` costs for the largest shipped networks: time and memory, as ratios.

    python benchmarks/compilation.py

The peer of each is a NumPy program that draws as many numbers as the network has weights and
writes them to a file: what no compiler gets around that lets weights begin at random. Pairs of
fresh processes run in turn, so that a slower machine slows both; figures are medians. Growth is
seen on chains of layers, ten times as long.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cnndsl

LARGEST = ("resnet152", "vgg19", "densenet201", "c3d")

MEBIBYTE = 1024 * 1024

TIME_BOUND, MEMORY_BOUND, GROWTH_BOUND = 8.0, 1.5, 12.0
"""Times the peer's CPU time; times the weights' bytes; 10 times the layers, times as long."""

PEER = """\
import sys, numpy
draw = numpy.random.default_rng(0).standard_normal
with open(sys.argv[1], "wb") as file:
    for size in map(int, sys.argv[2:]):
        file.write(draw(size, numpy.float32).tobytes())
"""


class Cost(NamedTuple):
    """The CPU seconds of a process, user and system, and the bytes that it held at most."""

    seconds: float
    peak: int


def cost(command: Sequence[str]) -> Cost:
    """What a command costs in a process of its own."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)[:200]} failed")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def compilation(spec: str | Path, folder: Path) -> list[str]:
    """The command that compiles a spec."""
    model = str(folder / "model.onnx")
    return [sys.executable, "-m", "cnndsl", "compile", str(spec), "-o", model]


def compared(
    command: Sequence[str], peer: Sequence[str], pairs: int
) -> tuple[float, list[Cost], list[Cost]]:
    """The median of the paired ratios of time, and all costs of both."""
    cost(command), cost(peer)  # byte code and file cache
    costs = [(cost(command), cost(peer)) for _ in range(pairs)]
    ratio = statistics.median(ours.seconds / theirs.seconds for ours, theirs in costs)
    return ratio, [ours for ours, _ in costs], [theirs for _, theirs in costs]


def of_networks(folder: Path, pairs: int) -> None:
    """A row for each network: time against the peer's, and the peak of memory over its weights."""
    empty = folder / "empty.cnn"
    empty.write_text("input 1\ndense 1\n", encoding="utf-8")
    base = min(cost(compilation(empty, folder)).peak for _ in range(3))
    print(f"{'compile':14} {'time / peer':>12} {'CPU seconds':>16} {'memory / weights':>17}")
    for name in LARGEST:
        shapes = cnndsl.load(name).weights.values()
        sizes = [math.prod(shape) for shape in shapes]
        peer = [sys.executable, "-c", PEER, str(folder / "peer"), *map(str, sizes)]
        ratio, ours, theirs = compared(compilation(name, folder), peer, pairs)
        seconds = [statistics.median(one.seconds for one in costs) for costs in (ours, theirs)]
        memory = statistics.median(one.peak - base for one in ours) / (4 * sum(sizes))
        print(
            f"{name:14} {ratio:12.2f} {seconds[0]:7.2f} / {seconds[1]:6.2f} {memory:17.2f}",
            flush=True,
        )
    print(f"{'at most':14} {TIME_BOUND:12.2f} {'':16} {MEMORY_BOUND:17.2f}")
    print(f"Memory beyond the {base / MEBIBYTE:.0f} MiB of a network of one layer.")


def of_growth(folder: Path, pairs: int) -> None:
    """How much longer ten times as many layers take."""
    paths = {}
    for layers in (1_000, 10_000):
        paths[layers] = folder / f"chain{layers}.cnn"
        lines = ["input 3x8x8", *["conv 3@3 padding 1 -> relu"] * (layers // 2)]
        paths[layers].write_text("\n".join(lines) + "\n", encoding="utf-8")
    few, many = (compilation(path, folder) for path in paths.values())
    ratio, ours, theirs = compared(many, few, pairs)
    memory = statistics.median(
        long.peak / short.peak for long, short in zip(ours, theirs, strict=True)
    )
    print(f"10,000 layers / 1,000: time {ratio:.2f}, memory {memory:.2f}, at most {GROWTH_BOUND}")


def main() -> None:
    """Print the ratios, and the bounds that the project holds itself to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        of_networks(Path(name), pairs)
        of_growth(Path(name), pairs)


if __name__ == "__main__":
    main()
