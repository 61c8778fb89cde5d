"""A run that is killed at any moment and resumed is, bit for bit, the one that never was killed."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 20

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    program = ROOT / "tests" / "support" / "killer.py"
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path), str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=3_600,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] == KILLS
    # Most fall between the first step and the last; some may hit the start of a run.
    assert told["in training"] >= KILLS // 2
    whole = contents(tmp_path / "whole")
    assert {"best.safetensors", "last.safetensors", "model.onnx", "metrics"} <= set(whole)
    assert told["folders"]
    for folder in told["folders"]:
        found = contents(Path(folder))
        assert set(found) == set(whole)
        for name, content in whole.items():
            assert found[name] == content, f"{folder}: {name}"


def contents(folder: Path) -> dict[str, object]:
    """All results of a run but what tells the time, and the pictures."""
    names = ("best.safetensors", "last.safetensors", "model.onnx", "confusion.csv", "spec.cnn")
    found: dict[str, object] = {name: (folder / name).read_bytes() for name in names}
    with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
        rows = [dict(row) for row in csv.DictReader(file)]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for row in (*rows, *lines):
        del row["seconds"], row["rate"]
    found["metrics"] = rows
    found["lines"] = lines
    found["leftovers"] = [path.name for path in folder.rglob("*.tmp")]
    return found
