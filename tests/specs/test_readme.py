"""The README keeps up with the project; `REWRITE=1` writes anew what is made from elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from documents import ROOT, documents, fences, name_of

from cnndsl import resources
from cnndsl.diagnostics.render import render_text
from cnndsl.pipeline import check_text

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def holds(old: str, fresh: str) -> None:
    """Whether a part of the README is as it should be; makes it so on demand."""
    if os.environ.get("REWRITE"):
        text = README.read_text(encoding="utf-8")
        README.write_text(text.replace(old, fresh), encoding="utf-8")
    else:
        assert old == fresh, "run it once with REWRITE=1"


def test_the_spec_shown_is_the_one_that_is_shipped() -> None:
    shipped = (resources.specs() / "lenet5.cnn").read_text(encoding="utf-8")
    before = "as shipped ([specs/lenet5.cnn](specs/lenet5.cnn)):\n\n```cnn\n"
    shown = re.search(rf"{re.escape(before)}(.*?)```", TEXT, re.DOTALL)
    assert shown is not None
    holds(shown[0], f"{before}{shipped}```")


def test_the_first_command_installs_and_runs_the_second_tests() -> None:
    first, second = list(fences(README, "sh"))[:2]
    assert 'pip install --quiet ".[digits]"' in first.text
    assert "cnndsl train lenet5 --data digits" in first.text
    assert first.text.splitlines()[-1].startswith("cnndsl run ")
    assert '".[test]"' in second.text
    assert second.text.splitlines()[-1].startswith("pytest")


def test_resnet152_is_as_long_as_the_readme_says() -> None:
    lines = len((resources.specs() / "resnet152.cnn").read_text(encoding="utf-8").splitlines())
    assert f"ResNet-152 is [{lines} lines]" in TEXT


def test_the_error_shown_is_the_real_one() -> None:
    [spec] = [fence for fence in fences(README, "cnn") if fence.file == "alexnet.cnn"]
    [problem] = check_text(spec.text, "alexnet.cnn").diagnostics
    assert problem.code == "CNN301"
    assert render_text((problem,)) in TEXT


@pytest.mark.parametrize("page", documents(), ids=name_of)
def test_a_fence_ends_before_the_next_one_begins(page: Path) -> None:
    opened = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if (fence := re.match(r"(`{3,}|~{3,})([^`]*)$", line)) is None:
            continue
        if not opened:
            opened = fence[1]
        elif fence[1] == opened:
            assert not fence[2].strip(), f"{line} stands in a block that was not closed"
            opened = ""
    assert not opened


def links() -> list[tuple[str, str]]:
    """Every link to a file of ours, with the page it stands on."""
    pages = [README, *(ROOT / "docs").rglob("*.md"), ROOT / "CHANGELOG.md"]
    return [
        (page.relative_to(ROOT).as_posix(), target)
        for page in pages
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("page", "target"), links())
def test_a_link_leads_somewhere(page: str, target: str) -> None:
    assert (ROOT / page).parent.joinpath(target).exists()


def test_a_heading_that_is_linked_exists() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        headings = {
            re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
