"""What a machine can do at most, measured: a large matrix product, and a copy of memory.

    python benchmarks/machine.py THREADS

writes a line of JSON: floating point operations and bytes (read and written) in a second.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Limits", "description", "measured"]

SIDE = 2048
"""Rows and columns of the matrices: large enough for a processor's full speed."""

MEBIBYTES = 256
"""How much is copied: more than any cache holds."""

SETS = {"avx2": "AVX2", "avx512f": "AVX-512", "amx_tile": "AMX", "asimd": "NEON", "sve": "SVE"}
"""Instruction sets that decide how fast float32 is, by the words that Linux has for them."""


PACKAGES = (
    *("cnndsl", "onnxruntime-gpu", "onnxruntime", "torch", "torchvision", "onnxscript"),
    *("numpy", "pillow"),
)
"""What a figure may depend on, where it is installed."""


class Limits(NamedTuple):
    """What the machine does in a second on so many threads."""

    flops: float
    bytes: float


def measured(threads: int) -> Limits:
    """The limits, found in a process of its own whose threads disturb nobody later."""
    command = [sys.executable, __file__, str(threads)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Limits(*json.loads(found.stdout))


def description(threads: int, device: str = "cpu") -> dict[str, Any]:
    """What was measured on, with what, and when."""
    return {
        "processor": _gpu() if device == "cuda" else _processor(),
        "instructions": _instructions(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "threads": threads,
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "date": date.today().isoformat(),
    }


def _processor() -> str:
    lines = _cpuinfo()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _instructions() -> list[str]:
    """The sets that the processor has, among those that matter."""
    wanted = (line for line in _cpuinfo() if line.startswith(("flags", "Features")))
    flags = set(next(wanted, "").partition(":")[2].split())
    return [name for flag, name in SETS.items() if flag in flags]


def _cpuinfo() -> list[str]:
    information = Path("/proc/cpuinfo")
    return information.read_text(encoding="utf-8").splitlines() if information.exists() else []


def _gpu() -> str:
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except ImportError:
        return None


def _fastest(work: Callable[[], object]) -> float:
    """The seconds of the fastest of some runs."""
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def main(threads: str) -> None:
    import torch

    torch.set_num_threads(int(threads))
    left, right, product = (torch.rand(SIDE, SIDE) for _ in range(3))
    source = torch.ones(MEBIBYTES * 2**18)
    target = torch.zeros_like(source)
    flops = 2 * SIDE**3 / _fastest(lambda: torch.mm(left, right, out=product))
    print(json.dumps([flops, 2 * source.nbytes / _fastest(lambda: target.copy_(source))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
