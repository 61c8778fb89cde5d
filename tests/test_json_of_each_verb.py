"""Each verb that prints JSON is run once for each of its schemas, and what it prints follows it.

The verbs are read from the command line itself, and the schemas from their table: a new one without
an example here fails.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import cnndsl
from cnndsl.cli import main
from cnndsl.cli.verbs import VERBS
from cnndsl.schemas import SCHEMAS

jsonschema: Any = import_module("jsonschema")

SPEC = "input 1x6x6 { scale 1/255 }\nC1: conv 4@3 padding 1\nflatten -> dense 3 -> softmax\n"

EXAMPLES = {
    "check": "check wrong.cnn",
    "diff": "diff net.cnn other.cnn",
    "doctor": "doctor",
    "eval": "eval model.onnx --data data.npz",
    "expand": "expand net.cnn --defaults",
    "explain": "explain net.cnn:C1",
    "profile": "profile net.cnn --seconds 0.01",
    "run": "run model.onnx one.png",
    "run-draw": "run model.onnx one.png --layers C1 --draw maps.png",
    "run-explain": "run model.onnx one.png --explain gradient -o heat.png",
    "run-output": "run model.onnx one.png -o answers.npz",
    "scale": "scale net.cnn --bandwidth 10Gb --step 80ms",
    "specs": "specs",
    "summary": "summary net.cnn",
    "sweep": "sweep net.cnn --data data.npz --epochs 1 --set train.batch=2,3 --device cpu",
    "weights": "weights net.cnn weights.npz -o new.safetensors",
    "weights-export": "weights net.cnn weights.npz --export pytorch -o new.pt.safetensors",
}
"""A command for each schema, in a folder that has what it names."""


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def verbs_with_json() -> set[str]:
    context = main.make_context("cnndsl", ["explain"])
    found = set()
    for verb in VERBS:
        command = main.get_command(context, verb)
        assert command is not None
        options = [one for one in command.params if "--format" in one.opts]
        if any("json" in getattr(one.type, "choices", ()) for one in options):
            found.add(verb)
    return found


def test_each_has_an_example() -> None:
    assert EXAMPLES.keys() == SCHEMAS.keys()
    assert {words.split()[0] for words in EXAMPLES.values()} == verbs_with_json()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.cnn").write_text(SPEC)
    (tmp_path / "other.cnn").write_text(SPEC.replace("4@3", "8@3") + "expect params <= 9\n")
    (tmp_path / "wrong.cnn").write_text("input 3x224x224\nconv 96@11 stride 4\n")
    Image.new("L", (6, 6), 100).save(tmp_path / "one.png")
    random = numpy.random.default_rng(0)
    pictures = random.integers(0, 256, (6, 1, 6, 6)).astype(numpy.uint8)
    numpy.savez(tmp_path / "data.npz", x=pictures, y=numpy.arange(6) % 3)
    network = cnndsl.load("net.cnn")
    weights = {name: random.normal(size=shape) for name, shape in network.weights.items()}
    numpy.savez(tmp_path / "weights.npz", **weights)  # type: ignore[arg-type]
    assert run("compile", "net.cnn", "-o", "model.onnx").exit_code == 0
    return tmp_path


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_it_prints_follows_its_schema(folder: Path, name: str) -> None:
    result = run(*EXAMPLES[name].split(), "--format", "json")
    assert result.exit_code in (0, 1), result.output
    data = json.loads(result.stdout)
    assert data
    made = json.loads(run("schema", name).stdout)
    jsonschema.Draft202012Validator(made).validate(data)
    # Of several schemas of a verb, the right one is meant: the others do not hold.
    others = {one for one in SCHEMAS if one.partition("-")[0] == name.partition("-")[0]} - {name}
    for other in others:
        schema = json.loads(run("schema", other).stdout)
        assert not jsonschema.Draft202012Validator(schema).is_valid(data), other
