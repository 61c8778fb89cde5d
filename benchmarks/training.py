"""What a training step costs beside PyTorch's: time as ratios, memory, and the machine's limits.

    python benchmarks/training.py [--only resnet18:8] [--pairs 9] [--threads 2] [--json]
    python benchmarks/training.py --check
    python benchmarks/training.py --profile --only lenet5:64

Each side is a process of its own (``training_worker.py``) that trains one network on one batch with
the optimizer of its spec, in float32. PyTorch's are its eager mode, the same with channels last,
and ``torch.compile``. The sides take turns: a pair is some steps of ours and as many of theirs
right after, so that a slower machine slows both, and the figure is the median of the pairs' ratios,
with the quartiles beside it. Only one side has work at a time; a pause before its turn lets the
other's threads stop spinning. Before the first pair, both must find the same losses; ``--check``
compares them closely, without dropout, and times nothing.

Memory is the peak of each process beyond its imports. ``peak`` is our step's share of what the
machine does in a large matrix product: three times the forward pass's multiply-accumulates, the
first layer's input gradient counted, all that is no convolution or product not. On a machine that
others use too, look at the fastest steps: threads that wait for each other suffer most, and not on
both sides alike.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from machine import Limits, description, measured
from training_cases import CASES, Case, case_of, load, step_flops
from turns import Worker, spread

WORKER = Path(__file__).parent / "training_worker.py"

PEERS = ("eager", "channels_last", "compile")
"""PyTorch's ways."""

PAUSE = 0.05
"""Seconds between two sides' turns: the threads of the first stop waiting for more work."""

TURN = 0.4
"""Seconds that a turn of the slower side should last."""

CLOSE = 2e-4, 2e-2
"""How far apart the first losses of two equal steps may be, and how far they fall to the second."""

ROUNDING = 4 * 2.0**-23
"""By how much of the losses, which are in float32, their fall may differ besides."""

BY_CHANCE = 0.5, float("inf")
"""The same where dropout draws other units on both sides."""


class Side(Worker):
    """A worker process, and what it last said."""

    def __init__(self, name: str, case: Case, options: argparse.Namespace) -> None:
        chance = "none" if options.check else "chance"
        how = [name, case.key, options.device, str(options.threads), chance]
        super().__init__(name, [sys.executable, str(WORKER), *how], options.threads)
        self.fastest = float("inf")
        self.memory = 0

    def run(self, steps: int) -> float:
        """The seconds of a step, over so many."""
        time.sleep(PAUSE)
        found = self.ask(steps)
        self.fastest = min(self.fastest, float(found["best"]))
        self.memory = found["memory"]
        return float(found["seconds"] / steps)


@dataclass(frozen=True)
class Result:
    """A peer beside our step. Of two numbers the first is ours, the second theirs.

    ``ratio`` is the median of the pairs' ratios of speed, ``quartiles`` those; ``bound`` is what
    the ratio should come to, and ``peak`` our share of the machine's fastest matrix product.
    """

    step: str
    against: str
    ratio: float
    quartiles: tuple[float, float]
    bound: float | None
    ms: tuple[float, float]
    fastest_ms: tuple[float, float]
    mebibytes: tuple[float, float]
    start_seconds: tuple[float, float]
    peak: float

    def cells(self) -> Iterator[str]:
        """What the table shows."""
        yield self.step
        yield self.against
        yield f"{self.ratio:.2f}"
        yield "-".join(f"{one:.2f}" for one in self.quartiles)
        met = self.bound is not None and self.ratio >= self.bound
        yield "" if self.bound is None else f">= {self.bound}: {'yes' if met else '**no**'}"
        yield _pair(self.ms, ".4g")
        yield _pair(self.fastest_ms, ".4g")
        yield _pair(self.mebibytes, ".0f")
        yield "yes" if self.mebibytes[0] <= self.mebibytes[1] else "**no**"
        yield f"{self.peak:.0%}"
        yield _pair(self.start_seconds, ".1f")


TITLES = "step against speed quartiles bound ms fastest_ms MiB fits peak s_to_start"


def _pair(numbers: tuple[float, float], how: str) -> str:
    return " / ".join(format(one, how) for one in numbers)


def compare(case: Case, options: argparse.Namespace, limits: Limits) -> Iterator[Result]:
    """Measure ours against each peer, in turns."""
    ours = Side("cnndsl", case, options)
    flops = step_flops(load(case), case.batch)
    for peer in options.against:
        theirs = Side(peer, case, options)
        agree(case, ours, theirs, BY_CHANCE)
        slower = max(side.run(2) for side in (ours, theirs))
        steps = max(1, round(TURN / slower))
        pairs = [(ours.run(steps), theirs.run(steps)) for _ in range(options.pairs)]
        theirs.close()
        medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
        ratios = [their / our for our, their in pairs]
        yield Result(
            step=case.title,
            against=peer,
            ratio=statistics.median(ratios),
            quartiles=spread(ratios),
            bound={"eager": case.eager, "channels_last": case.channels_last}.get(peer),
            ms=(medians[0] * 1e3, medians[1] * 1e3),
            fastest_ms=(ours.fastest * 1e3, theirs.fastest * 1e3),
            mebibytes=(ours.memory / 2**20, theirs.memory / 2**20),
            start_seconds=(ours.ready["seconds"], theirs.ready["seconds"]),
            peak=flops / ours.fastest / limits.flops,
        )
    ours.close()


def check(case: Case, options: argparse.Namespace) -> None:
    """Say whether all sides find the same losses where nothing is left to chance."""
    ours = Side("cnndsl", case, options)
    for peer in options.against:
        theirs = Side(peer, case, options)
        agree(case, ours, theirs, CLOSE)
        print(f"{case.title}: {ours.ready['losses']}, {peer} {theirs.ready['losses']}", flush=True)
        theirs.close()
    ours.close()


def agree(case: Case, ours: Side, theirs: Side, most: tuple[float, float]) -> None:
    """Stop where two sides do not train the same network."""
    (our, our_next), (their, their_next) = ours.ready["losses"], theirs.ready["losses"]
    fall = their - their_next
    rounding = ROUNDING * abs(their)
    apart = abs(our / their - 1), max(0, abs(our - our_next - fall) - rounding) / abs(fall)
    if any(one > limit for one, limit in zip(apart, most, strict=True)):
        text = f"the losses are {our}, then {our_next}; {their}, then {their_next}"
        raise SystemExit(f"{case.title}, {theirs.name}: {text}")


def heading(machine: dict[str, Any], limits: Limits, pairs: int) -> str:
    """The line above the table: what it was measured on, with what, when, and the limits there."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    sets = ", ".join(machine["instructions"])
    return (
        f"{machine['processor']} ({sets}), {machine['cpus']} CPUs, {machine['threads']} threads "
        f"each side, float32, Python {machine['python']}, {versions}, {machine['date']}; matrix "
        f"product {limits.flops / 1e9:.0f} GFLOP/s, copy {limits.bytes / 1e9:.0f} GB/s; median of "
        f"{pairs} pairs."
    )


def parsed() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=case_of, action="append", metavar="NETWORK:BATCH")
    parser.add_argument("--against", choices=PEERS, action="append")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--check", action="store_true", help="only compare losses, closely")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="the step's time by operator and shape, beside that of PyTorch's eager mode",
    )
    options = parser.parse_args()
    options.only = options.only or [*CASES]
    without = options.device == "cpu" and not (shutil.which("g++") or shutil.which("clang++"))
    if without and options.against is None:
        print("No C++ compiler here, so no torch.compile.\n", file=sys.stderr)
    options.against = options.against or [*PEERS][: 2 if without else 3]
    return options


def main() -> None:
    """Print the table, each ratio beside the bound that the project holds itself to."""
    options = parsed()
    if options.check:
        for case in options.only:
            check(case, options)
        return
    if options.profile:
        from training_profile import profile

        for case in options.only:
            profile(case, options.threads)
        return
    machine, limits = description(options.threads, options.device), measured(options.threads)
    titles = TITLES.split()
    if not options.json:
        print(heading(machine, limits, options.pairs), end="\n\n")
        print(f"| {' | '.join(titles).replace('_', ' ')} |", "|---" * len(titles) + "|", sep="\n")
    rows = []
    for case in options.only:
        for result in compare(case, options, limits):
            rows.append(asdict(result))
            if not options.json:
                print(f"| {' | '.join(result.cells())} |", flush=True)
    if options.json:
        found = {"machine": machine, "limits": limits._asdict(), "pairs": options.pairs}
        print(json.dumps({**found, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
