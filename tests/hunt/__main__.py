"""Looks for faults: ``python -m tests.hunt --minutes 20`` tries random inputs until time is up.

Every case is made from its seed alone: `--only HUNT --seed N --count 1` makes it again. Each runs
in a process of its own, with limits on time and memory. What is found is shown once per kind, its
files stay in the folder for temporary files, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from tests.hunt.children import Case, Child, Finding
from tests.hunt.commands import odd_commands
from tests.hunt.files import damaged_data, damaged_inputs, damaged_models
from tests.hunt.holes import left_out_numbers
from tests.hunt.networks import right_networks, training_runs
from tests.hunt.runs import damaged_runs
from tests.hunt.texts import damaged_texts

HUNTS: dict[str, tuple[Case, float]] = {
    "texts": (damaged_texts, 120),
    "networks": (right_networks, 60),
    "holes": (left_out_numbers, 120),
    "training": (training_runs, 90),
    "models": (damaged_models, 60),
    "runs": (damaged_runs, 120),
    "data": (damaged_data, 60),
    "inputs": (damaged_inputs, 60),
    "commands": (odd_commands, 120),
}
"""What is tried, and the seconds that a case may take."""


def main() -> int:
    options = _options()
    _load()
    kinds: dict[str, int] = {}
    cases = 0
    for found in _outcomes(options):
        cases += 1
        for finding in found:
            kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
            if kinds[finding.kind] == 1:
                _show(finding)
    print(f"{cases} cases, {sum(kinds.values())} findings of {len(kinds)} kinds")
    return int(bool(kinds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hunt", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="how long to look")
    parser.add_argument("--count", type=int, help="so many cases of each hunt instead")
    parser.add_argument("--seed", type=int, default=None, help="the first seed; else by the clock")
    parser.add_argument("--only", nargs="*", choices=[*HUNTS], default=[*HUNTS])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.seed is None:
        options.seed = int(time.time())
    print(f"hunting from seed {options.seed} on", flush=True)
    return options


def _load() -> None:
    """Load what is heavy before the processes are forked."""
    import importlib

    for name in ("onnx.reference", "onnxruntime", "cnndsl.runtime.selftest", "rich.progress"):
        importlib.import_module(name)
    for name in (
        "check",
        "compile",
        "doctor",
        "eval",
        "explain",
        "run",
        "show",
        "summary",
        "train",
    ):
        importlib.import_module(f"cnndsl.cli.{name}")


def _outcomes(options: argparse.Namespace) -> Iterator[list[Finding]]:
    """What each case comes to, several running at a time."""
    until = time.monotonic() + 60 * options.minutes if options.count is None else float("inf")
    seeds: Iterator[int] = itertools.count(options.seed)
    if options.count is not None:
        seeds = iter(range(options.seed, options.seed + options.count))
    waiting = ((name, seed) for seed in seeds for name in options.only)
    running: list[Child] = []
    more = True
    while more or running:
        while more and len(running) < options.jobs:
            name, seed = next(waiting, ("", 0))
            more = bool(name) and time.monotonic() < until
            if more:
                case, seconds = HUNTS[name]
                running.append(Child(name, case, seed, seconds))
        for child in [*running]:
            found = child.outcome()
            if found is None:
                continue
            running.remove(child)
            if not found:
                child.clean()
            yield found
        time.sleep(0.005)


def _show(finding: Finding) -> None:
    again = f"python -m tests.hunt --only {finding.hunt} --seed {finding.seed} --count 1"
    print(f"\n=== {again}\n{finding.complaint}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
