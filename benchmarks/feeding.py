"""What reading pictures costs beside torchvision in PyTorch's DataLoader, on as many cores.

    python benchmarks/feeding.py [--only "jpeg 500x375"] [--pairs 5] [--cores 2] [--json]

Both sides read the same files (in the system's cache), crop, mirror and normalise them to float32
in batches: ours with a thread for each core, theirs with a worker process for each. Each side is a
process of its own (``feeding_worker.py``). They take turns: a pair is an epoch of ours and one of
theirs right after, so that a slower machine slows both, and the figure is the median of the pairs'
ratios, with the quartiles beside it. An epoch begins with nothing read ahead. Before the first pair
both must give the same numbers for the same pictures. Memory is what all processes of a side hold
together beyond what the first held when it had loaded all but pictures, and whether that is more in
an epoch's last quarter than in its second. v1 and v2 are torchvision's two sets of transforms.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feeding_data import CASES, make
from machine import description
from turns import Worker, spread

WORKER = Path(__file__).parent / "feeding_worker.py"

BOUND = 1.5
"""How many times the DataLoader's pictures a second there must be."""

FLAT = 1.1
"""How much more memory than its second quarter the last quarter of an epoch may take."""


def side(name: str, case: str, folder: Path, cores: int) -> Worker:
    """A process that reads pictures in its way; each of its threads or workers has one thread."""
    command = [sys.executable, str(WORKER), name, case, str(folder), str(cores)]
    return Worker(name, command, 1)


def compare(case: str, peer: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure ours against a peer, in turns."""
    sides = [side(name, case, folder, options.cores) for name in ("cnndsl", peer)]
    first, second = (one.ready for one in sides)
    alike = all(abs(first[what] - second[what]) < 1e-4 for what in ("mean", "spread"))
    if not alike or first["shape"] != second["shape"]:
        raise SystemExit(f"{case}: the pictures are unlike: {first} and {second}")
    pairs = [[one.ask("epoch") for one in sides] for _ in range(options.pairs)]
    memory = [one.ask("memory") for one in sides]
    for one in sides:
        one.close()
    speeds = [[one["pictures"] / one["seconds"] for one in pair] for pair in pairs]
    costs = [[one["cpu"] / one["pictures"] for one in pair] for pair in pairs]
    ratios = [our / their for our, their in speeds]
    return {
        "case": case,
        "against": peer,
        "ratio": statistics.median(ratios),
        "quartiles": spread(ratios),
        "pictures_per_second": medians(speeds),
        "cpu_seconds_per_picture": medians(costs),
        "memory_bytes": [one["most"] - one["before"] for one in memory],
        "growth": [one["last"] / max(1, one["second"]) for one in memory],
    }


def medians(pairs: list[list[float]]) -> list[float]:
    """Of ours and of theirs."""
    return [statistics.median(column) for column in zip(*pairs, strict=True)]


def row(result: Mapping[str, Any]) -> str:
    """A line of the table."""
    low, high = result["quartiles"]
    ratio, growth = result["ratio"], result["growth"]
    cells = [
        result["case"],
        result["against"],
        f"{ratio:.2f}",
        f"{low:.2f}-{high:.2f}",
        "yes" if ratio >= BOUND else "**no**",
        " / ".join(f"{one:,.0f}" for one in result["pictures_per_second"]),
        " / ".join(f"{one * 1e3:.3g}" for one in result["cpu_seconds_per_picture"]),
        " / ".join(f"{one / 2**20:.0f}" for one in result["memory_bytes"]),
        "yes" if growth[0] <= FLAT else "**no**",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, each ratio beside the bound that the project holds itself to."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=list(CASES), action="append")
    parser.add_argument("--against", choices=["v1", "v2"], action="append")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cores", type=int, default=usable or 1)
    parser.add_argument("--json", action="store_true", help="a line for the machine, and for each")
    options = parser.parse_args()
    about = description(options.cores)
    if options.json:
        print(json.dumps({**about, "pairs": options.pairs}), flush=True)
    else:
        versions = ", ".join(f"{name} {found}" for name, found in about["versions"].items())
        print(
            f"{about['processor']}, {options.cores} cores each side, Python {about['python']},"
            f" {versions}, {about['date']}; medians of {options.pairs} pairs.\n"
        )
        print(
            f"| pictures | against | speed | quartiles | >= {BOUND} | pictures/s | ms CPU a picture"
            " | MiB | flat |\n|---|---|---|---|---|---|---|---|---|",
            flush=True,
        )
    for case in options.only or CASES:
        with tempfile.TemporaryDirectory() as name:
            folder = make(CASES[case], Path(name))
            for peer in options.against or ["v1", "v2"]:
                result = compare(case, peer, folder, options)
                print(json.dumps(result) if options.json else row(result), flush=True)


if __name__ == "__main__":
    main()
