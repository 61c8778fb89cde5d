"""What the documentation shows of the command line is what the program prints.

In a `console` block a line that begins with `$ ` is a command; what follows it, up to the next
one, is its output. A line of `...` stands for any lines. Commands run in one folder, top to bottom,
which has the page's `file=` blocks and the digit of the README's first command. `REWRITE=1` writes
the outputs anew, all but those with a `...`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from documents import ROOT, Fence, documents, fences, name_of

Run = Callable[[str], str]


class Command(NamedTuple):
    """A command as the block shows it, with the output below it."""

    line: str
    output: str


def commands(fence: Fence) -> Iterator[Command]:
    for part in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        yield Command(line, output.strip("\n"))


def matches(shown: str, real: str) -> bool:
    """Whether an output is what is shown; a line of `...` stands for any lines."""
    pattern = r"(?:.*\n)*".join(
        re.escape(part) for part in re.split(r"^\.\.\.\n", f"{shown}\n", flags=re.MULTILINE)
    )
    return re.fullmatch(pattern, f"{real}\n") is not None


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command as a shell would, in a folder of its own; gives what it prints."""
    for name in ("CNNDSL_LIMITS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(line: str) -> str:
        program, *arguments = shlex.split(line, comments=True)
        start = {"cnndsl": [sys.executable, "-m", "cnndsl"], "python": [sys.executable]}[program]
        done = subprocess.run(
            [*start, *arguments], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode in (0, 1), done.stderr
        # Problems and answers; what else the program says of its work goes to stderr.
        text = done.stdout or done.stderr
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())

    return run


def prepare(page: Path, folder: Path, run: Run) -> None:
    for companion in fences(page):
        if companion.file:
            (folder / companion.file).write_text(companion.text, encoding="utf-8")
    if "seven.png" in page.read_text(encoding="utf-8"):
        pytest.importorskip("sklearn")
        first = next(fences(ROOT / "README.md", "sh"))
        run(next(line for line in first.text.splitlines() if line.startswith("python -c")))


PAGES = [page for page in documents() if any(fences(page, "console"))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path, run: Run) -> None:
    prepare(page, tmp_path, run)
    text = page.read_text(encoding="utf-8")
    for fence in fences(page, "console"):
        fresh = []
        for command in commands(fence):
            real = run(command.line)
            fits = matches(command.output, real)
            if os.environ.get("REWRITE") and not re.search(r"^\.\.\.$", command.output, re.M):
                fits, command = True, Command(command.line, real)
            assert fits, f"`{command.line}` prints\n\n{real}\n\nrun it once with REWRITE=1"
            fresh.append(f"$ {command.line}\n{command.output}\n" if command.output else "")
        text = text.replace(f"```console\n{fence.text}```", f"```console\n{''.join(fresh)}```")
    if os.environ.get("REWRITE"):
        page.write_text(text, encoding="utf-8")


def test_the_pages_with_commands_are_found() -> None:
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize(
    ("shown", "fits"),
    [("a\nb\nc", True), ("a\n...", True), ("...\nc", True), ("a\n...\nc", True)]
    + [("a\nb", False), ("a\n...\nb", False), ("b\n...", False), ("a\nb\nd", False)],
)
def test_an_output_can_differ(shown: str, fits: bool) -> None:
    assert matches(shown, "a\nb\nc") is fits
