"""Makes the README's table of what `benchmarks/training.py --json` wrote.

    python benchmarks/training_table.py FILE ...

A step that several files have is taken from the last of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PEERS = {"eager": "eager", "channels_last": "channels last", "compile": "`torch.compile`"}


def table(files: list[str]) -> str:
    """A line for each step: the ratios against each peer, the share of the peak, the memory."""
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        for row in json.loads(Path(file).read_text(encoding="utf-8"))["rows"]:
            found.setdefault(row["step"], {})[row["against"]] = row
    peers = [peer for peer in PEERS if any(peer in rows for rows in found.values())]
    titles = ["step, float32", *(PEERS[peer] for peer in peers), "of the peak", "MiB", "MiB eager"]
    lines = [f"| {' | '.join(titles)} |", "| --- |" + " --: |" * (len(titles) - 1)]
    for step, rows in found.items():
        speeds = [f"{rows[peer]['ratio']:.2f}" if peer in rows else "" for peer in peers]
        peak = max(row["peak"] for row in rows.values())
        ours, theirs = rows[next(iter(rows))]["mebibytes"]
        cells = [step, *speeds, f"{peak:.0%}", f"{ours:,.0f}", f"{theirs:,.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(sys.argv[1:]))
