"""What it costs that the bits of a run do not depend on the number of workers, as ratios.

    python benchmarks/workers.py [--only split|sum] [--pairs 9] [--threads 2] [--workers 2] [--json]

Two things are measured, each beside what it stands in for, in turns: a pair is some of the one and
as many of the other right after it, and the figure is the median of the pairs' ratios of time,
with the quartiles beside it.

- ``split``: a step in two graphs, the gradients and the update by them, as several workers do it,
  in one process and one shard; beside the step in one graph (``training_worker.py``, a process
  each). Before the first pair, both must find the same losses.
- ``sum``: the sum of arrays in an order that does not depend on the number of workers; beside
  MPI's ``Allreduce``, whose order does (``workers_sum.py``, under ``mpiexec`` on this machine).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from machine import description
from training import BY_CHANCE, TURN, Side, agree
from training_cases import Case, case_of
from turns import spread

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.workers.job import find_mpiexec

SUM = Path(__file__).parent / "workers_sum.py"

SPLIT = {case_of("resnet18:8"): 1.05, case_of("alexnet:16"): 1.05, case_of("lenet5:64"): None}
"""The steps, and what the split may cost of their time."""

SIZES = {0.25: None, 45: 1.5, 102: None}
"""Megabytes: the gradients of LeNet-5, ResNet-18 and ResNet-50; what their sum may cost."""


@dataclass(frozen=True)
class Result:
    """Ours beside what it stands in for: the ratio of time, and the milliseconds of both."""

    what: str
    against: str
    ratio: float
    quartiles: tuple[float, float]
    bound: float | None
    ms: tuple[float, float]

    def cells(self) -> Iterator[str]:
        """What the table shows."""
        yield self.what
        yield self.against
        yield f"{self.ratio:.2f}"
        yield "-".join(f"{one:.2f}" for one in self.quartiles)
        met = self.bound is not None and self.ratio <= self.bound
        yield "" if self.bound is None else f"<= {self.bound}: {'yes' if met else '**no**'}"
        yield " / ".join(format(one, ".4g") for one in self.ms)


TITLES = "what against time quartiles bound ms"


def result(what: str, against: str, pairs: list[tuple[float, float]], bound: Any) -> Result:
    """The figures of pairs of seconds: theirs, and ours."""
    ratios = [ours / theirs for theirs, ours in pairs]
    theirs, ours = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
    return Result(what, against, statistics.median(ratios), spread(ratios), bound, (ours, theirs))


def split(case: Case, bound: float | None, options: argparse.Namespace) -> Result:
    """The step in two graphs beside that in one."""
    whole, halves = (Side(name, case, options) for name in ("cnndsl", "split"))
    agree(case, halves, whole, BY_CHANCE)
    slower = max(side.run(2) for side in (whole, halves))
    steps = max(1, round(TURN / slower))
    pairs = []
    for number in range(options.pairs):
        order = (whole, halves) if number % 2 == 0 else (halves, whole)
        times = {side.name: side.run(steps) for side in order}
        pairs.append((times["cnndsl"], times["split"]))
    whole.close()
    halves.close()
    return result(f"{case.title} in two graphs", "in one", pairs, bound)


def sums(options: argparse.Namespace) -> Iterator[Result]:
    """The ordered sum beside MPI's own."""
    try:
        mpiexec = find_mpiexec()
    except UserError as error:
        print(f"No sums: {error}\n", file=sys.stderr)
        return
    command = [mpiexec, "-n", str(options.workers), "--oversubscribe", *options.mpi.split()]
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(
        [*command, sys.executable, str(SUM), str(options.pairs), *map(str, SIZES)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | root | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    for line in done.stdout.splitlines():
        found = json.loads(line)
        size = found["megabytes"]
        what = f"sum of {size:g} MB, {options.workers} workers"
        yield result(what, "Allreduce", found["pairs"], SIZES[size])


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """All rows that are asked for."""
    if options.only != "sum":
        for case, bound in SPLIT.items():
            yield split(case, bound, options)
    if options.only != "split":
        yield from sums(options)


def parsed() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["split", "sum"])
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--mpi", default="", help="words for mpiexec: `--mca btl self,tcp`")
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.set_defaults(device="cpu", check=False)
    return parser.parse_args()


def main() -> None:
    """Print the table, each ratio beside the bound that the project holds itself to."""
    options = parsed()
    machine = description(options.threads)
    if not options.json:
        print(f"{machine['processor']}, {machine['cpus']} CPUs, {machine['date']}.\n")
        titles = TITLES.split()
        print(f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", sep="\n")
    rows = []
    for row in measure(options):
        rows.append(asdict(row))
        if not options.json:
            print(f"| {' | '.join(row.cells())} |", flush=True)
    if options.json:
        print(json.dumps({"machine": machine, "pairs": options.pairs, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
