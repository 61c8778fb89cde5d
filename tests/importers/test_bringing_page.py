"""The specs that the page on bringing networks shows are those that its commands write."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from documents import ROOT, Fence, fences

from cnndsl.network_import import import_network

PAGE = ROOT / "docs" / "bringing-networks.md"


def shown() -> list[tuple[str, Fence]]:
    """The commands that a spec is shown behind, each with it."""
    every = list(fences(PAGE))
    return [
        (first.text.splitlines()[0], second)
        for first, second in pairwise(every)
        if first.language == "console" and second.language == "cnn"
    ]


def test_there_is_one_for_each_format_of_text() -> None:
    assert len(shown()) == 3


@pytest.mark.parametrize(("command", "spec"), shown())
def test_the_spec_is_what_the_command_writes(command: str, spec: Fence, tmp_path: Path) -> None:
    for one in fences(PAGE):
        if one.file:
            (tmp_path / one.file).write_text(one.text, encoding="utf-8")
    words = shlex.split(command)
    sizes = words[words.index("--input") + 1] if "--input" in words else ""
    given = {"": tuple(map(int, sizes.split("x")))} if sizes else {}
    assert import_network(tmp_path / words[3], sizes=given).text == spec.text
