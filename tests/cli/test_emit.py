"""``cnndsl compile --emit``: each stage of the road as text, word for word."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from packaging.version import Version

import cnndsl
from cnndsl.cli import main
from cnndsl.emit import STAGES, TAKES

SPEC = """# two layers
network tiny

input 1x6x6 {
  scale 1/2
}
block unit(n) {
  conv n@3 bias no
}
unit(2) -> relu => 2x4x4
flatten -> dense 3 -> softmax
train {
  loss crossentropy
  optimizer sgd lr 0.1
  batch 2
}
"""

GOLDEN = Path(__file__).parents[1] / "golden" / "emit"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.cnn").write_text(SPEC, encoding="utf-8")


def emit(stage: str, *arguments: str, spec: str = "tiny.cnn") -> Result:
    return CliRunner().invoke(main, ["compile", spec, "--emit", stage, *arguments])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_shown_as_recorded(stage: str) -> None:
    """``CNNDSL_REWRITE=1`` writes the files in ``tests/golden/emit/`` anew."""
    if stage not in ("ast", "network") and Version(version("onnx")) < Version("1.23"):
        pytest.skip("the printer of older versions of onnx writes numbers with fewer digits")
    result = emit(stage)
    assert (result.exit_code, result.stderr) == (0, "")
    recorded = GOLDEN / f"{stage}.txt"
    text = result.stdout.replace(f'"{cnndsl.__version__}"', '"VERSION"')
    if os.environ.get("CNNDSL_REWRITE"):
        recorded.write_text(text, encoding="utf-8")
    assert text == recorded.read_text(encoding="utf-8")


def test_python_gives_the_same() -> None:
    network = cnndsl.load("tiny.cnn")
    for stage in STAGES:
        assert network.emit(stage) == emit(stage).stdout
    assert network.emit("forward", batch=3) == emit("forward", "--batch", "3").stdout
    assert network.emit("forward", batch=3) != network.emit("forward")
    with pytest.raises(ValueError, match="there is no stage `tree`, but ast, network, "):
        network.emit("tree")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the stage `ast` has no option `seed`"):
        network.emit("ast", seed=3)
    with pytest.raises(ValueError, match="`batch` must be 1 or more"):
        network.emit("step", batch=0)


def test_a_file_takes_the_text() -> None:
    result = emit("network", "-o", "tiny.txt")
    assert (result.exit_code, result.output) == (0, "")
    assert Path("tiny.txt").read_text("utf-8") == emit("network").stdout


def test_options_reach_the_stage() -> None:
    assert "float[4,1,6,6] input" in emit("forward", "--batch", "4").stdout
    assert "uint8[N,6,6,1] input" in emit("forward", "--raw").stdout
    assert '"" : 20' in emit("step", "--opset", "20").stdout
    assert '"cnndsl.seed": "7"' in emit("model", "--seed", "7").stdout
    assert emit("model", "--seed", "7").stdout != emit("model").stdout
    trained = CliRunner().invoke(main, ["compile", "tiny.cnn", "--seed", "7"])
    assert trained.exit_code == 0
    drawn, read = (
        emit("model", *words).stdout.partition("\nweights:")[2]
        for words in (("--seed", "7"), ("--weights", "tiny.onnx"))
    )
    assert drawn == read


OPTIONS = {
    "weights": ("--weights", "w.npz"),
    "verify": ("--no-verify",),
    "seed": ("--seed", "1"),
    "batch": ("--batch", "2"),
    "opset": ("--opset", "19"),
    "raw": ("--raw",),
    "target": ("--target", "cuda"),
    "training": ("--training",),
}


@pytest.mark.parametrize(
    ("stage", "option"),
    [(stage, name) for stage in STAGES for name in OPTIONS if name not in TAKES[stage]],
)
def test_an_option_that_changes_nothing_is_refused(stage: str, option: str) -> None:
    result = emit(stage, *OPTIONS[option])
    assert result.exit_code == 2
    assert f"{OPTIONS[option][0]} changes nothing in --emit {stage}: leave it out" in result.stderr


def test_options_are_checked_against_each_other_too() -> None:
    result = emit("model", "--weights", "w.npz", "--seed", "1")
    assert result.exit_code == 2
    assert "--seed is for random weights" in result.stderr


WRONG = "input 1x4x4\nconv 2@9\n"


def test_a_spec_with_mistakes_has_a_tree() -> None:
    Path("wrong.cnn").write_text(WRONG, encoding="utf-8")
    result = emit("ast", spec="wrong.cnn")
    assert result.exit_code == 1
    assert "        element: Phrase 2:1\n          head: Identifier 'conv' 2:1\n" in result.stdout
    checked = CliRunner().invoke(main, ["check", "wrong.cnn", "--format", "text"])
    assert result.stderr.strip() in checked.output
    assert "error[CNN302]" in result.stderr


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_spec_with_mistakes_has_nothing_behind_its_tree(stage: str) -> None:
    Path("wrong.cnn").write_text(WRONG, encoding="utf-8")
    result = emit(stage, spec="wrong.cnn")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("error[CNN302]") == 1


def test_a_text_that_no_parser_reads_has_a_tree_with_gaps() -> None:
    Path("broken.cnn").write_text("input 1x4x4 # one\nconv -> ->\nrelu\n", encoding="utf-8")
    result = emit("ast", spec="broken.cnn")
    assert result.exit_code == 1
    assert "  comments: '# one' 1:13\n  broken: Broken 2:" in result.stdout


def test_the_tree_of_a_spec_without_a_step_is_shown() -> None:
    Path("still.cnn").write_text("input 4\nrelu\n", encoding="utf-8")
    assert emit("forward", spec="still.cnn").exit_code == 0
    result = emit("step", spec="still.cnn")
    assert result.exit_code == 1
    assert "error[CNN808]" in result.stderr
    assert result.stdout == ""


def test_a_layer_that_shares_weights_says_whose() -> None:
    spec = "input 4\nF1: dense 4\ndense 4 share F1 -> relu\n"
    Path("shared.cnn").write_text(spec, encoding="utf-8")
    lines = emit("network", spec="shared.cnn").stdout.splitlines()
    assert lines[2] == "  F1: dense units 4 bias yes <- input => 4; weights weight 4x4, bias 4"
    assert lines[3] == "  dense1: dense units 4 bias yes share F1 <- F1 => 4"


def test_what_does_not_learn_is_a_buffer() -> None:
    Path("normal.cnn").write_text("input 2x4x4\nbatchnorm\n", encoding="utf-8")
    lines = emit("network", spec="normal.cnn").stdout.splitlines()
    assert lines[2].endswith("<- input => 2x4x4; weights scale 2, bias 2; buffers mean 2, var 2")


def test_a_file_of_blocks_has_a_tree_and_nothing_else() -> None:
    Path("blocks.cnn").write_text("block unit(n) {\n  conv n@3\n}\n", encoding="utf-8")
    assert emit("ast", spec="blocks.cnn").exit_code == 0
    result = emit("network", spec="blocks.cnn")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error[CNN630]: `blocks.cnn` has no network: it defines blocks only" in result.stderr
    with pytest.raises(cnndsl.UserError, match="defines blocks only"):
        cnndsl.load("blocks.cnn")
