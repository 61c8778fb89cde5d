"""What benchmarks share: processes that take turns, quartiles, and the CPU time of a command."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from typing import Any

__all__ = ["Worker", "cpu_seconds", "spread"]


class Worker:
    """A process that says in JSON that it is ready, and then answers line by line."""

    def __init__(self, name: str, command: Sequence[str], threads: int) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )
        self.ready = self._listen()

    def ask(self, line: object) -> Any:
        """What it answers to a line."""
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)
        return self._listen()

    def close(self) -> None:
        """Let the process end."""
        self.process.communicate()

    def _listen(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the {self.name} side failed")
        return json.loads(line)


def spread(ratios: list[float]) -> tuple[float, float]:
    """The quartiles."""
    if len(ratios) < 2:
        return ratios[0], ratios[0]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return low, high


def cpu_seconds(command: Sequence[str]) -> float:
    """The CPU time of a command, user and system, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_utime + usage.ru_stime
