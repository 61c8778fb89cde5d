"""``docs/networks.md`` has what ``cnndsl specs`` says; `REWRITE=1` writes its table anew."""

from __future__ import annotations

import os
import re

from click.testing import CliRunner
from documents import ROOT

from cnndsl.cli import main

PAGE = ROOT / "docs" / "networks.md"
HEAD = "| name | network |"


def test_the_page_has_the_table_of_the_program() -> None:
    printed = CliRunner().invoke(main, ["specs", "--format", "markdown"]).stdout
    table = re.sub(r"(?m)^\| `([^`]+)` \|", r"| [`\1`](../specs/\1.cnn) |", printed)
    text = PAGE.read_text(encoding="utf-8")
    before, _, _ = text.partition(HEAD)
    fresh = before + table
    if os.environ.get("REWRITE"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert text == fresh, "run it once with REWRITE=1"
