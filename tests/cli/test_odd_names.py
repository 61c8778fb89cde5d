"""Files whose names are no UTF-8 are files like others."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner

import cnndsl
from cnndsl.cli import main
from cnndsl.diagnostics.model import UserError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")

ODD = os.fsdecode(b"\xff")
BODY = "input 1x4x4\nflatten -> dense 2 -> softmax\ntrain { batch 4 }\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path(f"n{ODD}.cnn").write_text("network n\n" + BODY)
    Path(f"m{ODD}.cnn").write_text(BODY)
    numpy.savez(f"d{ODD}.npz", x=numpy.zeros((8, 1, 4, 4), numpy.uint8), y=numpy.arange(8) % 2)
    numpy.save(f"p{ODD}.npy", numpy.zeros((1, 4, 4), numpy.uint8))
    return tmp_path


@pytest.mark.parametrize("stem", ["n", "m"])
def test_every_verb_takes_them(place: Path, stem: str) -> None:
    spec, model, data = f"{stem}{ODD}.cnn", f"o{ODD}.onnx", f"d{ODD}.npz"
    cpu = ["--device", "cpu"]
    for words in (
        ["check", spec],
        ["check", spec, "--format", "json"],
        ["summary", spec],
        ["compile", spec, "-o", model],
        ["compile", spec, "--training", "-o", f"step{ODD}.onnx"],
        ["show", model],
        ["run", model, f"p{ODD}.npy", *cpu],
        ["run", model, f"p{ODD}.npy", "--output", f"r{ODD}.npz", *cpu],
        ["train", spec, "--data", data, "--out", f"t{ODD}", "--epochs", "1", *cpu],
        ["train", spec, "--data", data, "--out", f"t{ODD}", "--resume", "--epochs", "1", *cpu],
        ["eval", f"t{ODD}/model.onnx", "--data", data, "--split", "train", *cpu],
        ["eval", spec, "--weights", f"t{ODD}/best.safetensors", "--data", data, "--split", "train"],
    ):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, (words, done.output)
    command = Path(f"t{ODD}/command.txt").read_bytes()
    assert b"d\xff.npz" in command


def test_half_a_character_in_a_text_is_an_error(place: Path) -> None:
    for text in (
        'import "a\udcff"\ninput 3\nrelu\n',
        'input 3\nclasses from "a\udcff"\nrelu\n',
        'input 2\nclasses "a\udcff", "b"\nrelu\n',
        "input 3\nrelu # \ud800\n",
    ):
        with pytest.raises(UserError) as caught:
            cnndsl.parse(text)
        assert caught.value.code == "CNN005"
