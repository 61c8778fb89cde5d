"""`cnndsl run`: answers as text and JSON, results as a file, and what is told on the side."""

import io
import json
import sys
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnndsl.cli import main

SPEC = """\
network tiny
input 1x8x8 {{ scale 1/255 }}
{classes}
C1: conv 3@3 padding 1 -> relu
flatten
OUTPUT: dense 3{last}
"""


def write_spec(folder: Path, classes: str = 'classes "cat", "dog", "cow"', last: str = "") -> str:
    path = folder / "tiny.cnn"
    path.write_text(SPEC.format(classes=classes, last=last))
    return str(path)


def write_pictures(folder: Path, count: int) -> str:
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("L", (10, 9), 20 * number).save(pictures / f"{number}.png")
    return str(pictures)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


def test_a_picture_is_answered_with_class_names(tmp_path: Path) -> None:
    result = run(
        write_spec(tmp_path, last=" -> softmax"), write_pictures(tmp_path, 2), "--top", "2"
    )
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].endswith("0.png: probability")
    assert lines[3].endswith("1.png: probability")
    assert len(lines) == 6
    scores = [float(line.split()[0]) for line in lines[1:3]]
    assert scores == sorted(scores, reverse=True)
    assert {line.split()[1] for line in lines[1:3]} < {"cat", "dog", "cow"}


def test_without_softmax_scores_are_called_scores(tmp_path: Path) -> None:
    result = run(write_spec(tmp_path), write_pictures(tmp_path, 1))
    assert result.stdout.splitlines()[0].endswith("0.png: score")


def test_untrained_weights_and_the_device_are_said_on_standard_error(tmp_path: Path) -> None:
    result = run(write_spec(tmp_path), write_pictures(tmp_path, 1), "--seed", "5")
    assert "weights are untrained (seed 5)" in result.stderr
    assert "running on " in result.stderr
    result = run(write_spec(tmp_path), write_pictures(tmp_path, 1), "--device", "cpu")
    assert "running on " not in result.stderr


def test_json_is_a_list_with_an_object_for_each_input(tmp_path: Path) -> None:
    spec, pictures = write_spec(tmp_path, last=" -> softmax"), write_pictures(tmp_path, 3)
    result = run(spec, pictures, "--format", "json", "--layers", "C1", "--batch", "2")
    objects = json.loads(result.stdout)
    assert [Path(one["input"]).name for one in objects] == ["0.png", "1.png", "2.png"]
    for one in objects:
        assert one["kind"] == "probability"
        assert sum(answer["score"] for answer in one["answers"]) == pytest.approx(1)
        assert one["answers"][0]["class"] in ("cat", "dog", "cow")
        assert one["outputs"]["output"]["shape"] == [3]
        assert one["layers"]["C1"]["shape"] == [3, 8, 8]


def test_json_stays_valid_where_an_input_is_broken(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path, 2)
    Path(pictures, "9.png").write_bytes(b"broken")
    result = run(write_spec(tmp_path), pictures, "--format", "json", "--batch", "1")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)) == 2
    assert "CNN702" in result.stderr
    assert "9.png" in result.stderr


def test_without_class_names_the_index_stands(tmp_path: Path) -> None:
    result = run(write_spec(tmp_path, classes=""), write_pictures(tmp_path, 1), "--format", "json")
    (one,) = json.loads(result.stdout)
    assert {answer["class"] for answer in one["answers"]} == {None}
    assert {answer["index"] for answer in one["answers"]} == {0, 1, 2}


def test_all_outputs_go_into_a_file(tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    spec, pictures = write_spec(tmp_path), write_pictures(tmp_path, 5)
    result = run(spec, pictures, "--output", str(out), "--layers", "C1,OUTPUT", "--batch", "2")
    assert result.exit_code == 0, result.output
    assert "5 inputs" in result.stdout
    with numpy.load(out) as stored:
        assert stored["output"].shape == (5, 3)
        assert stored["C1"].shape == (5, 3, 8, 8)
        assert (stored["OUTPUT"] == stored["output"]).all()
        assert [Path(name).name for name in stored["names"]] == [f"{at}.png" for at in range(5)]


def test_a_compiled_model_answers_as_its_spec_does(tmp_path: Path) -> None:
    spec, pictures = write_spec(tmp_path), write_pictures(tmp_path, 3)
    model = str(tmp_path / "tiny.onnx")
    compiled = CliRunner().invoke(main, ["compile", spec, "-o", model, "--batch", "2"])
    assert compiled.exit_code == 0, compiled.output
    assert run(model, pictures).stdout == run(spec, pictures).stdout
    result = run(model, pictures, "--seed", "3")
    assert result.exit_code == 2


def test_arrays_are_taken_like_pictures(tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", numpy.full((2, 8, 8), 40, numpy.uint8))
    pictures = Path(write_pictures(tmp_path, 3))
    array = run(write_spec(tmp_path), str(tmp_path / "x.npy"))
    picture = run(write_spec(tmp_path), str(pictures / "2.png"))
    assert array.stdout.splitlines()[1:4] == picture.stdout.splitlines()[1:4]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nothing.png"], "CNN702"),
        (["PICTURES", "--layers", "C9"], "CNN704"),
        (["PICTURES", "--device", "tpu"], "CNN701"),
        (["PICTURES", "--weights", "nothing.safetensors"], "CNN602"),
        (["PICTURES", "--output", "no/such/folder/out.npz"], "CNN603"),
        (["EMPTY"], "CNN706"),
    ],
)
def test_what_a_user_can_mend_is_one_error(tmp_path: Path, arguments: list[str], code: str) -> None:
    (tmp_path / "empty").mkdir()
    places = {"PICTURES": write_pictures(tmp_path, 1), "EMPTY": str(tmp_path / "empty")}
    result = run(write_spec(tmp_path), *(places.get(word, word) for word in arguments))
    assert result.exit_code == 1
    assert f"error[{code}]" in result.stderr
    assert "help: " in result.stderr


def test_many_inputs_get_a_bar_on_a_terminal_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnndsl.cli.run import _progress

    pictures = write_pictures(tmp_path, 3)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with _progress((pictures,)) as watch:
        assert watch.__name__ == "<lambda>"
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    with _progress((pictures,)) as watch:
        assert watch.__name__ == "watch"
    assert "running" in stream.getvalue()
