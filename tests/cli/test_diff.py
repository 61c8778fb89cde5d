"""``cnndsl diff``: two networks in, what changed out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import TypeAdapter

import cnndsl
from cnndsl.analysis.change_records import DiffJson
from cnndsl.cli import main

OLD = "input 1x8x8\nc: conv 2@3 -> relu\nflatten -> dense 4\n"
NEW = OLD.replace("2@3", "3@3")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.cnn").write_text(OLD)
    (tmp_path / "new.cnn").write_text(NEW)
    (tmp_path / "same.cnn").write_text(f"# a comment\n{OLD}")
    return tmp_path


def diff(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["diff", *arguments])


def test_the_example_of_the_help_works() -> None:
    *_, example = diff("--help").stdout.rstrip().splitlines()
    assert example.strip() == "cnndsl diff resnet18 resnet34"
    result = diff("resnet18", "resnet34")
    assert result.exit_code == 0
    assert "+ layer3.basic3 to layer3.basic6: 4 times 8 layers" in result.stdout


@pytest.mark.parametrize(
    ("new", "options", "code"),
    [
        ("new.cnn", [], 0),
        ("new.cnn", ["--exit-code"], 1),
        ("same.cnn", ["--exit-code"], 0),
        ("new.cnn", ["--exit-code", "--format", "json"], 1),
        ("nowhere.cnn", ["--exit-code"], 1),
    ],
)
def test_the_exit_code_is_that_of_git(
    folder: Path, new: str, options: list[str], code: int
) -> None:
    assert diff("old.cnn", new, *options).exit_code == code


def test_what_is_the_same_is_said_to_be(folder: Path) -> None:
    assert diff("old.cnn", "same.cnn").stdout == "old.cnn -> same.cnn\n\nno change in meaning\n"


def test_json_is_what_its_schema_says(folder: Path) -> None:
    for new in ("new.cnn", "same.cnn", "lenet5"):
        data = json.loads(diff("old.cnn", new, "--format", "json").stdout)
        TypeAdapter(DiffJson).validate_python(data, strict=True, extra="forbid")
        assert data["changed"] is (new != "same.cnn")


def test_markdown_is_fit_for_a_review(folder: Path) -> None:
    text = diff("old.cnn", "new.cnn", "--format", "markdown").stdout
    assert text.startswith("### `old.cnn` → `new.cnn`\n\n| | old | new | change | |\n")
    assert "- changed `c`: filters `2` → `3`; output 2x6x6 → 3x6x6" in text
    assert text.count("<details>") == text.count("</details>") == 2


def test_models_are_compared(folder: Path) -> None:
    cnndsl.load("old.cnn").compile().save(folder / "old.onnx")
    assert diff("old.onnx", "same.cnn", "--exit-code").exit_code == 0
    assert diff("old.onnx", "new.cnn", "--exit-code").exit_code == 1


def test_a_spec_that_is_wrong_is_told_as_by_check(folder: Path) -> None:
    (folder / "new.cnn").write_text("input 1x8x8\nconv 2@9\n")
    result = diff("old.cnn", "new.cnn")
    assert result.exit_code == 1
    assert "error[CNN302]" in result.stderr
    assert result.stdout == ""


def test_what_a_network_costs_beyond_its_budget_is_compared(folder: Path) -> None:
    """That a change passes a budget is when a review wants to see what it costs."""
    (folder / "old.cnn").write_text(f"{OLD}expect params 300\n")
    (folder / "new.cnn").write_text(f"{NEW}expect params <= 400\nexpect depth 3\n")
    result = diff("old.cnn", "new.cnn")
    assert result.exit_code == 0
    assert "\n      filters: 2 -> 3\n" in result.stdout
    assert (
        "\nnot as expected\n"
        "  old, line 4: `params` is 312, not 300\n"
        "  new, line 4: `params` is 466, above the budget of 400 by 66 (16.5%)\n"
        "  new, line 5: `depth` is 2, not 3\n\n"
    ) in result.stdout
    data = json.loads(diff("old.cnn", "new.cnn", "--format", "json").stdout)
    assert [(one["network"], one["code"], one["line"]) for one in data["unmet"]] == [
        ("old", "CNN402", 4), ("new", "CNN407", 4), ("new", "CNN402", 5),
    ]  # fmt: skip
    text = diff("old.cnn", "new.cnn", "--format", "markdown").stdout
    assert "**Not as expected**\n\n- old, line 4: `params` is 312, not 300\n- new, line 4: " in text
    (folder / "new.cnn").write_text(f"{NEW}expect params <= 400\nexpect size 3\n")
    assert diff("old.cnn", "new.cnn").exit_code == 1, "another error is one"


def test_networks_are_compared_from_python(folder: Path) -> None:
    found = cnndsl.diff(cnndsl.load("old.cnn"), cnndsl.load("new.cnn"))
    assert found
    assert repr(found) == "<NetworkDiff old -> new: 1 changed, 2 shape>"
    assert str(found) == found.text()
    assert not cnndsl.diff("old.cnn", Path("same.cnn"))


def test_parameters_are_those_of_both() -> None:
    assert diff("resnet18", "resnet18", "-D", "classes=7", "--exit-code").exit_code == 0


def test_parameters_are_set_where_a_network_has_them(folder: Path) -> None:
    (folder / "with.cnn").write_text(f"param width = ?\n{OLD}".replace("2@3", "width@3"))
    assert diff("old.cnn", "with.cnn", "-D", "width=2", "--exit-code").exit_code == 0
    assert diff("with.cnn", "old.cnn", "-D", "width=3", "--exit-code").exit_code == 1
    result = diff("old.cnn", "with.cnn", "-D", "width=2", "-D", "deep=yes")
    assert result.exit_code == 1
    assert "error[CNN114]: neither network has a parameter `deep`" in result.stderr
    cnndsl.load("with.cnn", width=2).compile().save(folder / "with.onnx")
    assert diff("with.onnx", "with.cnn", "-D", "width=2", "--exit-code").exit_code == 0
