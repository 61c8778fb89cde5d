"""A spec may come through standard input: each verb that reads one answers as for its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnndsl.cli import main

TEXT = "network piped\ninput 1x8x8\nconv 4@3 -> relu -> flatten -> dense 3\ntrain { epochs 1 }\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.cnn").write_text(TEXT, encoding="utf-8")


def cnndsl(*words: str, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, words, input=text)


@pytest.mark.parametrize(
    "words",
    [
        "summary SPEC",
        "summary SPEC --format json",
        "expand SPEC",
        "draw SPEC -o -",
        "compile SPEC --emit forward",
        "scale SPEC --bandwidth 10Gb --step 80ms",
    ],
)
def test_the_answer_is_that_for_a_file(words: str) -> None:
    of_file = cnndsl(*words.replace("SPEC", "net.cnn").split())
    of_text = cnndsl(*words.replace("SPEC", "-").split(), text=TEXT)
    assert (of_file.exit_code, of_text.exit_code) == (0, 0), of_text.output
    assert of_text.stdout == of_file.stdout


@pytest.mark.parametrize(
    ("text", "name"), [(TEXT, "piped.onnx"), ("input 1x8x8\nrelu\n", "network.onnx")]
)
def test_what_is_written_is_called_as_the_network(text: str, name: str) -> None:
    assert cnndsl("compile", "-", text=text).exit_code == 0
    assert Path(name).is_file()
    assert cnndsl("draw", "-", text=text).exit_code == 0
    assert Path(name).with_suffix(".svg").is_file()


@pytest.mark.parametrize("verb", ["summary", "expand", "draw", "compile", "profile", "selftest"])
def test_what_is_wrong_with_it_is_said(verb: str) -> None:
    result = cnndsl(verb, "-", text=TEXT.replace("relu", "rleu"))
    assert result.exit_code == 1
    assert "error[CNN101]: there is no layer or block `rleu`\n --> <stdin>:3:13" in result.stderr
    broken = cnndsl(verb, "-", text=b"\xff")
    assert "error[CNN005]: standard input is not UTF-8 text: byte 0 is 0xff" in broken.stderr


def test_a_model_is_no_spec_to_make_another_of() -> None:
    """Which would have random weights, and be written over the first."""
    assert cnndsl("compile", "net.cnn").exit_code == 0
    before = Path("net.onnx").read_bytes()
    assert cnndsl("summary", "net.onnx").stdout == cnndsl("summary", "net.cnn").stdout
    for verb in ("compile", "selftest"):
        assert cnndsl(verb, "net.onnx").exit_code == 1
    assert Path("net.onnx").read_bytes() == before
