"""The hunt for faults notices what it is there for, and finds none in its first cases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from documents import ROOT

from tests.hunt.children import MEMORY, Case, Child
from tests.hunt.command import Ended

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="cases are forked")

HUNTS = ("texts", "networks", "holes", "training", "models", "runs", "data", "inputs", "commands")


def complaints(case: Case, seconds: float = 60) -> list[str]:
    """The first lines of what is found in a case."""
    child = Child("test", case, 0, seconds)
    try:
        while (found := child.outcome()) is None:
            time.sleep(0.002)
    finally:
        child.clean()
    return [finding.complaint.splitlines()[0] for finding in found]


def raising(seed: int) -> list[str]:
    raise ValueError("no such thing")


def dying(seed: int) -> list[str]:
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def leaving(seed: int) -> list[str]:
    os._exit(3)


def endless(seed: int) -> list[str]:
    while True:
        time.sleep(1)


def greedy(seed: int) -> list[str]:
    return [str(len(bytearray(2 * MEMORY)))]


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        (raising, "ValueError in test_hunt.py:raising: no such thing"),
        (dying, "died of SIGKILL"),
        (leaving, "ended with 3"),
        (endless, "still running after 1 seconds"),
        (greedy, "MemoryError in test_hunt.py:greedy: "),
        (lambda seed: [f"seed {seed}"], "seed 0"),
    ],
)
def test_what_a_case_must_not_do_is_found(case: Case, complaint: str) -> None:
    assert complaints(case, 1 if case is endless else 60) == [complaint]


def test_a_case_without_a_fault_finds_nothing() -> None:
    assert complaints(lambda seed: []) == []


@pytest.mark.parametrize(
    ("ended", "complaint"),
    [
        (Ended("cnndsl run x", 70, "", "internal error, x\n"), "exit 70"),
        (Ended("cnndsl run x", 1, "", "Traceback (most recent call last):\n"), "stderr says"),
        (Ended("cnndsl run x", 1, "", ""), "exit 1 without a word"),
        (Ended("cnndsl run x", 1, "", "error[CNN702]: it is so\n"), "no help with CNN702"),
        (Ended("cnndsl run x", 0, "  nan  a\n", ""), "a number that is none"),
    ],
)
def test_how_no_command_may_end_is_found(ended: Ended, complaint: str) -> None:
    assert any(found.startswith(complaint) for found in ended.complaints())


def test_a_command_that_ends_well_is_no_finding() -> None:
    refused = Ended("cnndsl run nan", 1, "", "error[CNN702]: `nan`\n  = help: name a file\n")
    assert refused.complaints() == []
    assert Ended("cnndsl check a.cnn", 0, "a.cnn: no problems\n", "").complaints() == []


@pytest.mark.slow
@pytest.mark.parametrize("hunt", HUNTS)
def test_the_first_cases_of_a_hunt_find_nothing(hunt: str) -> None:
    command = [sys.executable, "-m", "tests.hunt", "--only", hunt, "--seed", "0", "--count", "3"]
    done = subprocess.run(
        [*command, "--jobs", "1"], cwd=ROOT, capture_output=True, text=True, timeout=3_600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 cases, 0 findings of 0 kinds" in done.stdout
