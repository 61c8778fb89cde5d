"""The layer table of `cnndsl check`: what is shown after an error, and how wide it is."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnndsl.cli import main
from cnndsl.cli.columns import WIDTH
from cnndsl.elaborate.modules import shipped_specs


def cnndsl(*arguments: str | Path, input: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return tmp_path / "tiny.cnn"


def deep(faulty: bool) -> str:
    """A network of a hundred layers; one in the middle does not fit, where asked."""
    wrong = "conv 4@9 stride 4 padding 0" if faulty else "relu"
    body = ["conv 4@3 padding 1 -> relu"] * 24 + [wrong] + ["conv 4@3 padding 1 -> relu"] * 24
    return "input 3x32x32\n" + "\n".join(body) + "\n"


def names(table: str) -> list[str]:
    return [line.split()[0] for line in table.splitlines()]


def test_after_an_error_the_neighbourhood_of_the_fault_is_shown(spec: Path) -> None:
    spec.write_text(deep(faulty=True))
    table = cnndsl("check", spec).stdout.split("\n\n")[-2]
    assert names(table) == [
        *("name", "...", "relu23", "conv24", "relu24", "conv25", "conv26", "relu25", "conv27"),
        "...",
    ]
    assert [line for line in table.splitlines() if line.endswith("<- fault")] == [
        line for line in table.splitlines() if line.startswith("conv25")
    ]


def test_the_whole_table_is_shown_where_it_is_asked_for(spec: Path) -> None:
    for faulty in (False, True):
        spec.write_text(deep(faulty))
        table = cnndsl("check", spec, "--table", "all").stdout.split("\n\n")[-2]
        assert len(table.splitlines()) == 1 + 1 + 97
        assert "..." not in names(table)
    assert "conv1" not in cnndsl("check", spec, "--table", "none").stdout
    spec.write_text(deep(faulty=False))
    assert "..." in names(cnndsl("check", spec).stdout.split("\n\n")[0])


LONG_LISTS = {"lenet1989", "lenet5-1998"}
"""Networks with tables and codes, of which only the beginning is shown."""


@pytest.mark.parametrize("name", shipped_specs())
def test_the_table_is_no_wider_than_a_terminal(name: str) -> None:
    lines = cnndsl("check", name, "--table", "all").stdout.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "…" not in "".join(lines) or name in LONG_LISTS


def test_long_names_and_layers_of_a_fault_go_on_in_further_lines(spec: Path) -> None:
    name = "n" * 50
    text = "conv 8@9 stride 4 padding [0, 1, 0, 1] dilation 1 bias no groups 1"
    spec.write_text(f"input 3x32x32\n{name}: {text}\n")
    table = cnndsl("check", spec).stdout.split("\n\n")[-2]
    assert name in table.splitlines()
    assert max(map(len, table.splitlines())) <= WIDTH
    for words in ("conv 8@9", "stride 4", "padding [0, 1, 0, 1]", "bias no"):
        assert words in table
