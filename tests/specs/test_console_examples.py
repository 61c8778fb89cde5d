"""What the documentation shows of the command line is what the program prints.

In a `console` block a line that begins with `$ ` is a command; what follows it, up to the next
one, is its output. A line of `...` stands for any lines. Commands run in one folder, top to bottom,
which has the page's `file=` blocks, its photographs and the digit of the README's first command.
`REWRITE=1` writes the outputs anew, all but those with a `...`. The pages about errors have a test
of their own.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from console import Command, commands, matches, run
from documents import ROOT, documents, fences, name_of

PAGES = [
    page for page in documents() if page.parent.name != "errors" and any(fences(page, "console"))
]


def prepare(page: Path, folder: Path) -> None:
    for companion in fences(page):
        if companion.file:
            (folder / companion.file).write_text(companion.text, encoding="utf-8")
    for photograph in (ROOT / "docs" / "images" / page.stem).glob("*.jpg"):
        shutil.copy(photograph, folder)
    if "seven.png" in page.read_text(encoding="utf-8"):
        pytest.importorskip("sklearn")
        first = next(fences(ROOT / "README.md", "sh"))
        run(next(line for line in first.text.splitlines() if line.startswith("python -c")), folder)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    prepare(page, tmp_path)
    text = page.read_text(encoding="utf-8")
    for fence in fences(page, "console"):
        fresh = ""
        for command in commands(fence):
            real = run(command.line, tmp_path)
            fits = matches(command.output, real)
            if os.environ.get("REWRITE") and "..." not in command.output.splitlines():
                fits, command = True, Command(command.line, real)
            assert fits, f"`{command.line}` prints\n\n{real}\n\nrun it once with REWRITE=1"
            fresh += f"$ {command.line}\n{command.output}\n"
        text = text.replace(f"```console\n{fence.text}```", f"```console\n{fresh}```")
    if os.environ.get("REWRITE"):
        page.write_text(text, encoding="utf-8")


def test_the_pages_with_commands_are_found() -> None:
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("shown", ["a\nb\nc", "a\n...", "...\nc", "a\n...\nc"])
def test_an_output_can_be_as_shown(shown: str) -> None:
    assert matches(shown, "a\nb\nc")


@pytest.mark.parametrize("shown", ["a\nb", "a\n...\nb", "b\n...", "a\nb\nd"])
def test_an_output_can_differ(shown: str) -> None:
    assert not matches(shown, "a\nb\nc")
