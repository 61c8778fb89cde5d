"""The page on the architecture, and the script that lists what a reader opens."""

from __future__ import annotations

import re
import subprocess
import sys

from documents import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_the_paths_lead_through_the_layer_and_its_gradient() -> None:
    command = [sys.executable, "benchmarks/reader_path.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    node, _, update = done.stdout.partition("to the update: ")
    for path in ("syntax/parser", "elaborate/bind", "layers/conv", "graph/lower"):
        assert f"`{path}.py`" in node
    for path in ("training/step", "autodiff/convolution", "recipe/losses/mse"):
        assert f"`{path}.py`" in update
        assert f"`{path}.py`" not in node
    for guard in ("typecheck/expectations", "diagnostics/source", "frozen"):
        assert f"`{guard}.py`" not in done.stdout


def test_the_paths_are_short_and_the_page_has_them() -> None:
    command = [sys.executable, "benchmarks/reader_path.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    bounds = re.findall(r"(\d+) files that matter, at most (\d+)", done.stdout)
    assert len(bounds) == 2
    assert all(int(found) <= int(most) for found, most in bounds), bounds
    listed = [line for line in done.stdout.splitlines() if re.match(r"\d+\. ", line)]
    assert listed == [line for line in PAGE.splitlines() if re.match(r"\d+\. `", line)]


def test_what_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(\w+/[\w/]*(?:\.py)?)`", PAGE))
    assert len(named) > 40
    for name in named:
        assert any((root / name).exists() for root in (ROOT / "cnndsl", ROOT)), name
