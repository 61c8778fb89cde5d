"""What `cnndsl check` costs, as ratios: against importing its libraries, by size, by network.

    python benchmarks/checking.py

Every command runs as a fresh process; pairs are run in turn, so that a slower machine slows both,
and the figure is the median of the pairs' ratios of CPU time (user and system).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from turns import cpu_seconds

BARE = [sys.executable, "-c", "import lark, pydantic, click"]


def check(spec: str | Path) -> list[str]:
    """The command that checks a spec."""
    return [sys.executable, "-m", "cnndsl", "check", str(spec), "--format", "concise"]


def ratio(command: Sequence[str], peer: Sequence[str], pairs: int) -> tuple[float, float, float]:
    """The median of the paired ratios, and the medians of both times."""
    cpu_seconds(command), cpu_seconds(peer)  # byte code and file cache
    times = [(cpu_seconds(command), cpu_seconds(peer)) for _ in range(pairs)]
    return (
        statistics.median(ours / theirs for ours, theirs in times),
        statistics.median(ours for ours, _ in times),
        statistics.median(theirs for _, theirs in times),
    )


def chain(layers: int, folder: Path) -> Path:
    """A spec of so many layers in one chain."""
    path = folder / f"chain{layers}.cnn"
    lines = ["input 3x32x32", *["conv 3@3 padding 1 -> relu"] * (layers // 2)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def main() -> None:
    """Print the ratios, each beside the bound that the project holds itself to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = chain(1_000, folder), chain(10_000, folder)
        rows = [
            ("check lenet5 / importing lark, pydantic, click", check("lenet5"), BARE, 1.9),
            ("check resnet152 / check lenet5", check("resnet152"), check("lenet5"), 3.0),
            ("check 10,000 layers / 1,000 layers", check(large), check(small), 12.0),
        ]
        print(f"{'':48} {'ratio':>6} {'bound':>6} {'CPU seconds':>16}")
        for title, command, peer, bound in rows:
            value, ours, theirs = ratio(command, peer, pairs)
            print(f"{title:48} {value:6.2f} {bound:6.1f} {ours:7.3f} / {theirs:.3f}")


if __name__ == "__main__":
    main()
