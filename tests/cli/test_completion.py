"""Completion at a shell's prompt: shipped networks, files that fit, codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from cnndsl.cli import main
from cnndsl.emit import STAGES


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine.cnn", "mine.onnx", "best.safetensors", "notes.txt", ".hidden.cnn"):
        (tmp_path / name).touch()
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "deep.cnn").touch()
    monkeypatch.chdir(tmp_path)


def offered(*words: str) -> list[str]:
    """What is offered for the last of these words."""
    *before, typed = words
    found = ShellComplete(main, {}, "cnndsl", "_CNNDSL_COMPLETE").get_completions(before, typed)
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in found]


def test_specs_are_shipped_networks_and_cnn_files() -> None:
    everything = offered("check", "")
    assert {"lenet5", "resnet50", "mine.cnn", "nets/"} <= set(everything)
    assert not {"mine.onnx", "notes.txt", ".hidden.cnn"} & set(everything)
    assert offered("train", "shuff") == ["shufflenetv2"]
    assert offered("summary", "mi") == ["mine.cnn"]
    assert offered("compile", "nets/") == ["nets/deep.cnn"]
    assert offered("check", "lenet5", "mi") == ["mine.cnn"]
    assert offered("check", ".h") == [".hidden.cnn"]


def test_where_only_a_folder_fits_the_shell_goes_on() -> None:
    assert offered("check", "net") == ["<dir>"]
    assert offered("check", "nowhere/x") == []


def test_models_are_offered_where_they_are_taken() -> None:
    assert offered("run", "mine") == ["mine.cnn", "mine.onnx"]
    assert offered("eval", "mine") == ["mine.cnn", "mine.onnx"]
    assert offered("show", "mi") == ["mine.onnx"]


def test_files_behind_options_are_those_that_fit() -> None:
    assert offered("train", "lenet5", "--data", "d") == ["digits"]
    assert offered("eval", "mine.onnx", "--data", "no") == ["notes.txt"]
    assert offered("run", "lenet5", "--weights", "b") == ["best.safetensors"]
    assert offered("run", "lenet5", "not") == ["notes.txt"]


def test_stages_are_offered() -> None:
    assert offered("compile", "lenet5", "--emit", "") == list(STAGES)
    assert offered("compile", "lenet5", "--emit", "f") == ["forward"]


def test_codes_are_offered_however_they_are_typed() -> None:
    assert "CNN301" in offered("explain", "cnn3") == offered("explain", "3")
    assert offered("explain", "CNN301") == ["CNN301"]
    assert len(offered("explain", "")) > 80


@pytest.mark.parametrize("shell", ["zsh", "fish"])  # for bash, click asks it for its version
def test_each_shell_gets_its_script(shell: str) -> None:
    result = CliRunner().invoke(
        main, prog_name="cnndsl", env={"_CNNDSL_COMPLETE": f"{shell}_source"}
    )
    assert result.exit_code == 0
    assert "_CNNDSL_COMPLETE" in result.stdout


def test_pages_are_offered_where_they_are_taken(tmp_path: Path) -> None:
    page = (
        "```cnn\ninput 1x8x8\nC1: conv 2@3\n```\n\n```cnn\ninput 4\nC1: dense 3 -> C2: relu\n```\n"
    )
    (tmp_path / "page.md").write_text(page)
    for verb in ("check", "fmt", "explain"):
        assert offered(verb, "pa") == ["page.md"]
    assert offered("draw", "pa") == []
    assert offered("explain", "page.md:C") == ["page.md:C1", "page.md:C2"]
