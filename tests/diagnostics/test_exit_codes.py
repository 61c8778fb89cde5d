"""What commands exit with is what the page for scripts says."""

from __future__ import annotations

import re
from pathlib import Path

from cnndsl.diagnostics import exit_codes

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"


def test_the_page_has_each_of_them_and_no_other() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## In scripts\n")[2].partition("\n## ")[0]
    said = [int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]
    assert said == [0, *sorted(getattr(exit_codes, name) for name in exit_codes.__all__)]
