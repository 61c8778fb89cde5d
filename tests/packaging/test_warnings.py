"""A warning fails a test where it is ours to act on, and only there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

OURS = """
import warnings

import other


def test_of_ours() -> None:
    warnings.warn("about this line", DeprecationWarning)


def test_of_a_call_of_ours() -> None:
    other.deprecated()


def test_of_something_left_open() -> None:
    other.leave_open(__file__)


def test_of_others_among_themselves() -> None:
    other.busy()
"""

OTHER = """
import gc
import warnings


def deprecated() -> None:
    warnings.warn("call something else", DeprecationWarning, stacklevel=2)


def busy() -> None:
    warnings.warn("this takes long", UserWarning)


def leave_open(path: str) -> None:
    file = open(path)
    del file
    gc.collect()
"""


@pytest.mark.parametrize("place", ["tests/test_inner.py", "tests/support/test_inner.py"])
def test_warnings_of_ours_fail_and_those_of_others_do_not(place: str, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "tests/conftest.py"):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text(OURS)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "other.py").write_text(OTHER)
    options = ["-p", "no:cacheprovider", "-o", "pythonpath=elsewhere"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", *options, place],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [line.split(" - ")[0] for line in done.stdout.splitlines()]
    words = [line.partition(" ") for line in lines if line.startswith(("PASSED", "FAILED"))]
    outcome = {test: verdict for verdict, _, test in words}
    assert outcome == {
        f"{place}::test_of_ours": "FAILED",
        f"{place}::test_of_a_call_of_ours": "FAILED",
        f"{place}::test_of_something_left_open": "FAILED",
        f"{place}::test_of_others_among_themselves": "PASSED",
    }, done.stdout
