"""``cnndsl explain``: the page of a code, offline."""

import pytest
from click.testing import CliRunner, Result

from cnndsl import resources
from cnndsl.cli import main
from cnndsl.diagnostics.codes import CODES


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str) -> None:
    result = explain(code)
    assert result.exit_code == 0
    page = (resources.docs() / "errors" / f"{code}.md").read_text(encoding="utf-8")
    assert result.stdout == page


@pytest.mark.parametrize("code", ["cnn301", "301", "[CNN301]"])
def test_a_code_may_be_written_as_it_is_remembered(code: str) -> None:
    assert explain(code).stdout.startswith("# CNN301: ")


def test_without_a_code_all_are_listed() -> None:
    result = explain()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"{code}  {CODES[code].title}" for code in CODES]


def test_an_unknown_code_is_refused_with_what_may_be_meant() -> None:
    result = explain("CNN3011")
    assert result.exit_code == 2
    assert "did you mean CNN301" in result.stderr
    assert result.stdout == ""


def test_what_is_no_code_at_all_leads_to_the_list() -> None:
    result = explain("convolution")
    assert result.exit_code == 2
    assert "`cnndsl explain` lists them all" in result.stderr
