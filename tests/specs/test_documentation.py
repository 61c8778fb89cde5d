"""Every fenced `cnn` block of the documentation does what it says.

A block gives exactly the problems that its comments claim: `# error: CNN301 "54.25"` at the end of
a line claims an error that begins on that line, with that text in its message; `# warning:` a
warning. A block without such comments is clean. Behind the fence, `file=blocks.cnn` makes a block a
file of that name for the other blocks of its page, whatever its language; `fails` says that it has
errors, which a `console` block on the same page shows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from documents import Fence, documents, fences, name_of

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.pipeline import check_text

_CLAIM = re.compile(r'# (error|warning): (CNN\d{3})(?: "([^"]*)")?')


class Found(NamedTuple):
    """One problem, claimed or real."""

    line: int
    severity: str
    code: str
    message: str


def claimed(text: str) -> list[Found]:
    return [
        Found(number, *claim.groups(default=""))
        for number, line in enumerate(text.splitlines(), start=1)
        for claim in _CLAIM.finditer(line)
    ]


def found_in(diagnostics: tuple[Diagnostic, ...]) -> list[Found]:
    return [
        Found(item.span.first.line, str(item.severity), item.code, item.message)
        for item in diagnostics
    ]


def differences(claims: list[Found], problems: list[Found]) -> list[str]:
    """What is claimed and not there, and what is there and not claimed."""
    left = list(problems)
    wrong: list[str] = []
    for claim in claims:
        match = next((p for p in left if p[:3] == claim[:3] and claim.message in p.message), None)
        if match is None:
            wrong.append(f"claimed, but not found: {claim}")
        else:
            left.remove(match)
    return wrong + [f"found, but not claimed: {problem}" for problem in left]


def checked(fence: Fence, folder: Path) -> list[str]:
    """Check a block in a folder that has the files of its page."""
    for companion in fences(fence.page):
        if companion.file:
            (folder / companion.file).write_text(companion.text, encoding="utf-8")
    name = fence.file or "spec.cnn"
    result = check_text(fence.text, str(folder / name))
    if "fails" in fence.words:
        return [] if result.network is None else ["has no errors"]
    return differences(claimed(fence.text), found_in(result.diagnostics))


SPECS = [fence for page in documents() for fence in fences(page, "cnn")]


@pytest.mark.parametrize("fence", SPECS, ids=lambda fence: f"{name_of(fence.page)}:{fence.line}")
def test_a_spec_in_the_documentation_does_what_it_says(fence: Fence, tmp_path: Path) -> None:
    assert checked(fence, tmp_path) == []


def test_the_documentation_is_found() -> None:
    assert len(SPECS) > 100


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("input 1x8x8\nconv 4@9  # error: CNN302\n", 0),
        ('input 1x8x8\nconv 4@9  # error: CNN302 "9 > 8"\n', 0),
        ('input 1x8x8\nconv 4@9  # error: CNN302 "9 > 7"\n', 2),
        ("input 1x8x8\nconv 4@9\n", 1),
        ("input 1x8x8  # error: CNN302\nconv 4@9\n", 2),
        ("input 1x8x8\nconv 4@9  # error: CNN301\n", 2),
        ("input 1x8x8\nconv 4@9  # warning: CNN302\n", 2),
        ("input 1x8x8\nconv 4@3  # error: CNN302\n", 1),
    ],
)
def test_a_claim_can_fail(text: str, wrong: int) -> None:
    assert len(differences(claimed(text), found_in(check_text(text).diagnostics))) == wrong
