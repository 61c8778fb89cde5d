"""A parameter may have any name: none is mistaken for an argument of what a verb calls."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import cnndsl
from cnndsl.cli import main

NAMES = ("spec", "model", "old", "new", "name", "text", "verify", "training")

COMMANDS = (
    *("check net.cnn", "summary net.cnn", "compile net.cnn -o net.onnx", "expand net.cnn"),
    *("draw net.cnn -o net.mmd", "explain net.cnn:3", "diff net.cnn net.cnn", "selftest net.cnn"),
    "profile net.cnn --seconds 0.01 --device cpu",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_parameter_has_any_name(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"param {name} = 2\ninput 1x4x4\nflatten -> dense {name} -> softmax\n"
    (tmp_path / "net.cnn").write_text(text)
    arguments = [*command.split(), "-D", f"{name}=3"]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0


@pytest.mark.parametrize("verb", ["draw", "explain", "diff", "profile"])
def test_the_parameters_of_a_model_are_settled(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = cnndsl.parse("param n = 2\ninput 1x4x4\nflatten -> dense n -> softmax\n")
    network.compile(device="cpu").save("net.onnx")
    words = {"explain": ["net.onnx:dense1"], "diff": ["net.onnx", "net.onnx"]}
    result = CliRunner().invoke(main, [verb, *words.get(verb, ["net.onnx"]), "-D", "n=3"])
    assert "error[CNN114]: `net.onnx` is a compiled model" in result.output


def test_a_model_beside_a_spec_leaves_the_parameter_to_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "param n = 2\ninput 1x4x4\nflatten -> dense n -> softmax\n"
    (tmp_path / "net.cnn").write_text(text)
    cnndsl.parse(text).compile(device="cpu").save("net.onnx")
    result = CliRunner().invoke(main, ["diff", "net.onnx", "net.cnn", "-D", "n=3"])
    assert "units: 2 -> 3" in result.output
    result = CliRunner().invoke(main, ["diff", "net.onnx", "net.cnn", "-D", "m=3"])
    assert "error[CNN114]: neither network has a parameter `m`" in result.output
