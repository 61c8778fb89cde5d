"""What each verb prints as JSON follows the schema that `cnndsl schema` prints, key by key."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result
from documents import ROOT
from PIL import Image

import cnndsl
from cnndsl.cli import main
from cnndsl.cli.verbs import VERBS
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.modules import shipped_specs
from cnndsl.runtime import doctor, library
from cnndsl.runtime.device import Driver
from cnndsl.schemas import SCHEMAS

jsonschema: Any = import_module("jsonschema")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def validator(name: str) -> Any:
    result = run("schema", name)
    assert result.exit_code == 0
    made = json.loads(result.stdout)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def fits(name: str, *arguments: str) -> Any:
    """What a command prints as JSON, once it has been held against a schema."""
    result = run(*arguments, "--format", "json")
    assert result.exit_code in (0, 1), result.output
    data = json.loads(result.stdout)
    validator(name).validate(data)
    return data


def objects(schema: object) -> Iterator[dict[str, Any]]:
    """All parts of a schema that describe objects."""
    match schema:
        case dict():
            if schema.get("type") == "object":
                yield schema
            for value in schema.values():
                yield from objects(value)
        case list():
            for value in schema:
                yield from objects(value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_objects_have_no_keys_but_those_of_their_schema(name: str) -> None:
    made = cnndsl.schema(name)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    found = list(objects(made))
    assert found
    for one in found:
        assert one["additionalProperties"] is not True
        assert one.get("properties") or isinstance(one["additionalProperties"], dict)


def test_all_names_are_listed_and_others_refused() -> None:
    assert run("schema").stdout.splitlines() == list(SCHEMAS)
    result = run("schema", "sumary")
    assert result.exit_code == 1
    assert "did you mean `summary`?" in result.stderr
    with pytest.raises(UserError, match="`nothing`"):
        cnndsl.schema("nothing")


def test_each_verb_that_prints_json_has_a_schema() -> None:
    context = main.make_context("cnndsl", ["explain"])
    verbs = set()
    for verb in VERBS:
        command = main.get_command(context, verb)
        assert command is not None
        for option in command.params:
            if "--format" in option.opts and "json" in getattr(option.type, "choices", ()):
                verbs.add(verb)
    assert verbs == {name.partition("-")[0] for name in SCHEMAS}


def test_another_key_and_a_missing_one_are_told(tmp_path: Path) -> None:
    data = fits("summary", "summary", "lenet5")
    schema = validator("summary")
    assert not schema.is_valid({**data, "parms": 1})
    assert not schema.is_valid({key: data[key] for key in data if key != "params"})
    assert not schema.is_valid({**data, "params": "61706"})


# --- what needs no model ------------------------------------------------------------------------


def test_what_is_wrong_with_specs() -> None:
    every = sorted(str(path) for path in (ROOT / "tests" / "ui").glob("*.cnn"))
    found = fits("check", "check", *every, "missing.cnn")
    assert len({one["code"] for one in found}) > 50
    assert any(one["fixes"] for one in found)
    assert any(one["labels"] for one in found)
    assert any(one["file"] is None for one in found)
    assert fits("check", "check", "lenet5") == []


@pytest.mark.parametrize("name", shipped_specs())
def test_summaries(name: str) -> None:
    assert fits("summary", "summary", name)["layers"]


@pytest.mark.parametrize("training", [False, True])
def test_a_profile(training: bool) -> None:
    words = ["--training", "--batch", "2"] if training else []
    data = fits("profile", "profile", "lenet5", "--seconds", "0.01", *words)
    assert data["what"] == ("training step" if training else "answer")


def test_a_summary_of_shared_weights_and_a_vector(tmp_path: Path) -> None:
    spec = tmp_path / "shared.cnn"
    spec.write_text("input 8\na: dense 8\nb: dense 8 share a\n")
    layers = fits("summary", "summary", str(spec))["layers"]
    assert [one.get("weights_of") for one in layers] == [None, "a"]


def test_the_shipped_specs() -> None:
    assert len(fits("specs", "specs")) == len(shipped_specs())


def test_the_checkup(monkeypatch: pytest.MonkeyPatch) -> None:
    fits("doctor", "doctor")
    monkeypatch.setattr(doctor, "read_driver", lambda: Driver((12, 4), ("one", "two")))
    monkeypatch.setattr(library, "installed_wheels", lambda: {"a": "1", "b": "2"})
    found = fits("doctor", "doctor")
    assert found["driver"]["cuda"] == [12, 4]
    assert found["problems"]


def test_explanations_of_layers(tmp_path: Path) -> None:
    for name in ("lenet5:C3", "resnet18:layer1", "googlenet:inception3a"):
        assert fits("explain", "explain", name)
    holes, odd = tmp_path / "holes.cnn", tmp_path / "odd.cnn"
    holes.write_text("input 1x20x20\na: conv 4@? padding ? => 4x18x18\n")
    [a] = fits("explain", "explain", f"{holes}:a")
    assert a["holes"]["families"][0]["count"] is None
    odd.write_text("input 1x18x18\nb: conv 5@6 stride 5\nc: relu\nd: convv 3\ne: dense 3\n")
    b, _, d, e = (fits("explain", "explain", f"{odd}:{name}")[0] for name in "bcde")
    assert (b["output"], d["output"], e["inputs"]) == ([5, None, None], None, [None])


# --- answers ------------------------------------------------------------------------------------

ANSWERS = {
    "classes": 'classes "a", "b", "c"\nflatten -> dense 3 -> softmax',
    "unnamed": "flatten -> dense 3 -> softmax",
    "labels": "flatten -> dense 3 -> sigmoid\ntrain { loss binarycrossentropy }",
    "single": "flatten -> dense 1 -> sigmoid\ntrain { loss binarycrossentropy }",
    "values": "flatten -> dense 3\ntrain { loss mse }",
    "maps": "conv 2@3 padding 1\ntrain { loss mse }",
    "places": "conv 4@1 -> softmax",
    "outputs": "output C1\nflatten -> dense 3 -> softmax",
}


def spec_of(folder: Path, kind: str) -> str:
    path = folder / f"{kind}.cnn"
    path.write_text(f"input 1x6x6 {{ scale 1/255 }}\nC1: conv 4@3 padding 1\n{ANSWERS[kind]}\n")
    return str(path)


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "one.png"
    Image.new("L", (6, 6), 100).save(path)
    return str(path)


@pytest.mark.parametrize("kind", ANSWERS)
def test_answers(tmp_path: Path, picture: str, kind: str) -> None:
    found = fits("run", "run", spec_of(tmp_path, kind), picture, "--layers", "C1")
    assert found[0]["layers"]["C1"]["shape"] == [4, 6, 6]
    assert fits("run-output", "run", spec_of(tmp_path, kind), picture, "-o", f"{tmp_path}/r.npz")
    drawn = f"{tmp_path}/maps.png"
    assert fits(
        "run-draw", "run", spec_of(tmp_path, kind), picture, "--layers", "C1", "--draw", drawn
    )


def test_answers_that_are_no_numbers(tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", numpy.full((1, 6, 6), 3e38, numpy.float32))
    found = fits("run", "run", spec_of(tmp_path, "classes"), str(tmp_path / "x.npy"))
    assert found[0]["nan"] == 3
    assert found[0]["answers"][0]["score"] is None


@pytest.mark.parametrize("method", ["gradient", "smoothgrad", "gradcam", "occlusion"])
def test_explanations(tmp_path: Path, picture: str, method: str) -> None:
    spec = spec_of(tmp_path, "classes")
    heat = str(tmp_path / "heat.png")
    assert fits("run-explain", "run", spec, picture, "--explain", method, "-o", heat)


# --- evaluations --------------------------------------------------------------------------------


def labels_of(kind: str) -> Any:
    draw = numpy.random.default_rng(0)
    match kind:
        case "labels":
            return draw.integers(0, 2, (8, 3)).astype(numpy.float32)
        case "single":
            return draw.integers(0, 2, 8)
        case "values":
            return draw.normal(size=(8, 3)).astype(numpy.float32)
        case "maps":
            return draw.normal(size=(8, 2, 6, 6)).astype(numpy.float32)
        case "places":
            return draw.integers(0, 4, (8, 6, 6))
    return draw.integers(0, 3, 8)


@pytest.mark.parametrize("kind", ANSWERS)
def test_evaluations(tmp_path: Path, kind: str) -> None:
    x = numpy.random.default_rng(1).integers(0, 256, (8, 1, 6, 6)).astype(numpy.uint8)
    data = tmp_path / "data.npz"
    numpy.savez(data, x=x, y=labels_of(kind))
    model = str(tmp_path / "model.onnx")
    spec = spec_of(tmp_path, kind)
    assert run("compile", spec, "-o", model).exit_code == 0
    found = fits("eval", "eval", model, "--data", str(data))
    assert found["count"] == 8
    assert found["model"] == model
    other = str(tmp_path / "other.onnx")
    assert run("compile", spec, "-o", other, "--seed", "1").exit_code == 0
    found = fits("eval", "eval", model, other, "--data", str(data))
    assert len(found["parts"]) == 2


def test_evaluations_of_several_losses(tmp_path: Path) -> None:
    spec = tmp_path / "heads.cnn"
    spec.write_text(
        "input 1x6x6\nflatten\nside = dense 3\ndense 3 -> softmax\noutput side\n"
        "train {\n  loss crossentropy\n  loss side mse weight 0.5\n}\n"
    )
    data = tmp_path / "data.npz"
    x = numpy.zeros((4, 1, 6, 6), numpy.float32)
    numpy.savez(data, x=x, y=numpy.arange(4) % 3, side=numpy.ones((4, 3), numpy.float32))
    model = str(tmp_path / "model.onnx")
    assert run("compile", str(spec), "-o", model).exit_code == 0
    found = fits("eval", "eval", model, "--data", str(data))
    assert len(found["outputs"]) == 2
