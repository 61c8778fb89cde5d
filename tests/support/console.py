"""Reads `console` blocks of the documentation, and runs the commands in them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from documents import Fence

__all__ = ["Command", "commands", "matches", "run"]


class Command(NamedTuple):
    """A command as a block shows it, with the output below it."""

    line: str
    output: str


def commands(fence: Fence) -> Iterator[Command]:
    """The commands of a block: the lines that begin with `$ `, each with what follows it."""
    for part in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        yield Command(line, output.strip("\n"))


def matches(shown: str, real: str) -> bool:
    """Whether an output is what is shown; a line of `...` stands for any lines."""
    pattern = r"(?:.*\n)*".join(
        re.escape(part) for part in re.split(r"^\.\.\.\n", f"{shown}\n", flags=re.MULTILINE)
    )
    return re.fullmatch(pattern, f"{real}\n") is not None


def run(line: str, folder: Path) -> str:
    """Run a command as a shell would; gives what it prints.

    That is stdout, where problems and answers go; stderr where that is empty.
    """
    program, *arguments = shlex.split(line, comments=True)
    start = {"cnndsl": [sys.executable, "-m", "cnndsl"], "python": [sys.executable]}[program]
    changed = ("CNNDSL_LIMITS", "CNNDSL_DEBUG", "FORCE_COLOR")
    done = subprocess.run(
        [*start, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in changed},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    text = done.stdout or done.stderr
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
