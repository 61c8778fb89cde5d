"""Every code has its page, every page its code, and no source file uses a code without an entry."""

import re
from pathlib import Path

import pytest
from documents import fences

import cnndsl
from cnndsl import resources
from cnndsl.diagnostics.codes import CODES
from cnndsl.diagnostics.model import Severity

PAGES = resources.docs() / "errors"


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert {page.stem for page in PAGES.glob("CNN*.md")} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_page_begins_with_its_code_and_title(code: str) -> None:
    first = (PAGES / f"{code}.md").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# {code}: {CODES[code].title}"


@pytest.mark.parametrize("code", CODES)
def test_a_page_shows_what_is_wrong_and_what_is_right(code: str) -> None:
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    if "## Message" in page:
        assert f"error[{code}]: " in page
        assert "## What to do" in page
        return
    wrong, right = page.split("## Wrong", 1)[1].split("## Right", 1)
    assert code in wrong
    assert not re.search(r"# (error|warning): ", right)


@pytest.mark.parametrize("code", CODES)
def test_a_page_claims_only_its_own_code_with_its_severity(code: str) -> None:
    for fence in fences(PAGES / f"{code}.md", "cnn"):
        for kind, claimed in re.findall(r"# (error|warning): (CNN\d+)", fence.text):
            assert claimed == code
            assert kind == CODES[code].severity


def test_only_what_changes_no_result_is_a_warning_by_default() -> None:
    warnings = {code for code, entry in CODES.items() if entry.severity is Severity.WARNING}
    # fmt: off
    assert warnings == {
        "CNN120", "CNN121", "CNN122", "CNN123", "CNN125", "CNN126", "CNN213", "CNN311", "CNN312",
        "CNN325", "CNN504", "CNN505", "CNN506", "CNN840",
    }
    # fmt: on


def test_sources_use_only_codes_of_the_table() -> None:
    used: set[str] = set()
    for file in Path(str(cnndsl.__file__)).parent.rglob("*.py"):
        used |= set(re.findall(r"CNN\d{3}", file.read_text(encoding="utf-8")))
    assert len(used) > 40
    assert used <= set(CODES)


def test_titles_are_short_lower_case_and_without_a_period() -> None:
    for entry in CODES.values():
        assert len(entry.title) < 60
        assert entry.title[0].islower() or entry.title.startswith("ONNX")
        assert not entry.title.endswith(".")
