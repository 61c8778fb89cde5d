"""`cnndsl run`: answers as text and JSON, results as a file, and what is told on the side."""

import io
import json
import sys
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.numpy import save_file

from cnndsl.cli import main
from cnndsl.runtime import device
from cnndsl.runtime.device import Driver, Trial

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


def test_untrained_weights_are_said_on_standard_error(tmp_path: Path) -> None:
    result = run(write_spec(tmp_path), write_pictures(tmp_path, 1), "--seed", "5")
    assert "weights are untrained (seed 5)" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "driver", "told"),
    [
        ([], Driver((13, 0), ()), True),
        ([], None, False),
        (["--device", "cpu"], Driver((13, 0), ()), False),
    ],
)
def test_why_the_processor_runs_it_is_told_where_there_is_a_driver_for_gpus(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    driver: Driver | None,
    told: bool,
) -> None:
    monkeypatch.setattr(device, "read_driver", lambda: driver)
    monkeypatch.setattr(device, "trial", lambda *_: Trial(works=False, reason="no CUDA"))
    result = run(write_spec(tmp_path), write_pictures(tmp_path, 1), *arguments)
    assert ("running on cpu: no CUDA" in result.stderr) is told


def write_numbers(folder: Path, count: int = 1) -> str:
    """Samples of a network that passes its input on, so that the answers are what a test wants."""
    path = folder / "x.npy"
    numpy.save(path, numpy.zeros((count, 4), numpy.float32))
    return str(path)


def passing(folder: Path, bias: list[float], rest: str = "") -> list[str]:
    """Arguments for a spec that answers with these numbers, whatever its input is."""
    path, weights = folder / "fixed.cnn", folder / "fixed.safetensors"
    path.write_text(f"network fixed\ninput 4\nL: dense {len(bias)}{rest}\n")
    arrays = {
        "L.weight": numpy.zeros((len(bias), 4), numpy.float32),
        "L.bias": numpy.array(bias, numpy.float32),
    }
    save_file(arrays, weights)
    return [str(path), "--weights", str(weights), "--device", "cpu", write_numbers(folder)]


BOX = "\ntrain {\n  loss mse\n}"


def shown(*arguments: str) -> list[str]:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout.splitlines()[1:]


def test_values_are_shown_in_order_and_all_of_them(tmp_path: Path) -> None:
    values = [3.0, -12.5, 40.25, 0.0, -0.00001, 7.0, 99.0]
    lines = shown(*passing(tmp_path, values, BOX))
    assert lines == [
        f"  {number:>10}  {at}"
        for at, number in enumerate(
            ["3.0000", "-12.5000", "40.2500", "0.0000", "0.0000", "7.0000", "99.0000"]
        )
    ]
    named = '\nclasses "x", "y"' + BOX
    assert shown(*passing(tmp_path, [2.0, 9.0], named)) == ["      2.0000  x", "      9.0000  y"]


def test_values_sum_to_one_and_are_still_no_probabilities(tmp_path: Path) -> None:
    result = run(*passing(tmp_path, [0.25, 0.75], BOX))
    assert result.stdout.splitlines()[0].endswith(": values")
    result = run(*passing(tmp_path, [0.25, 0.75]))
    assert result.stdout.splitlines()[0].endswith(": score")
    result = run(*passing(tmp_path, [-1.0, 0.0], " -> sigmoid"))
    assert result.stdout.splitlines()[0].endswith(": probability of each label")
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        ["0.2689", "0"],
        ["0.5000", "1"],
    ]


def test_huge_and_tiny_values_keep_their_columns(tmp_path: Path) -> None:
    lines = shown(*passing(tmp_path, [1e30, -2.5, 0.0], BOX))
    assert lines == ["  1.0000e+30  0", " -2.5000e+00  1".replace(" -", "  -"), "  0.0000e+00  2"]
    assert shown(*passing(tmp_path, [1e-5, 2e-6], BOX))[1] == "  2.0000e-06  1"


def test_many_values_are_their_range(tmp_path: Path) -> None:
    values = [float(number) for number in range(101)]
    arguments = passing(tmp_path, values, BOX)
    assert shown(*arguments) == ["  output 101: from 0 to 100, mean 50"]
    (found,) = json.loads(run(*arguments, "--format", "json").stdout)
    assert [answer["score"] for answer in found["answers"]] == values


def test_json_says_what_the_numbers_are(tmp_path: Path) -> None:
    arguments = passing(tmp_path, [3.0, -1.0], BOX)
    (found,) = json.loads(run(*arguments, "--format", "json").stdout)
    assert (found["kind"], found["ranked"], found["nan"]) == ("value", False, 0)
    assert found["answers"] == [
        {"index": 0, "class": None, "score": 3.0},
        {"index": 1, "class": None, "score": -1.0},
    ]


def test_top_is_said_not_to_apply_to_values(tmp_path: Path) -> None:
    result = run(*passing(tmp_path, [3.0, -1.0], BOX), "--top", "1")
    assert "`--top` does not apply" in result.stderr
    assert len(result.stdout.splitlines()) == 3
    assert run(*passing(tmp_path, [3.0, -1.0]), "--top", "1").stderr == ""


def test_answers_that_are_no_numbers_are_said(tmp_path: Path) -> None:
    # The square of the weights' sum overflows: the softmax of infinities is no number.
    arguments = passing(tmp_path, [3e38, 3e38, 0.0], " -> dense 3 bias no -> softmax")
    del arguments[1:3]
    weights = tmp_path / "two.safetensors"
    arrays = {
        "L.weight": numpy.zeros((3, 4), numpy.float32),
        "L.bias": numpy.array([3e38, 3e38, 0], numpy.float32),
        "dense1.weight": numpy.ones((3, 3), numpy.float32),
    }
    save_file(arrays, weights)
    arguments += ["--weights", str(weights)]
    lines = shown(*arguments)
    assert lines[:3] == ["         nan  0", "         nan  1", "         nan  2"]
    assert lines[3] == "  3 of 3 numbers of the answer are NaN"
    (found,) = json.loads(run(*arguments, "--format", "json").stdout)
    assert found["nan"] == 3
    result = run(*arguments, "--output", str(tmp_path / "out.npz"))
    assert (result.exit_code, result.stderr) == (0, "1 of 1 answers hold NaN\n")
    assert {answer["score"] for answer in found["answers"]} == {None}


def test_a_further_output_shows_its_few_numbers(tmp_path: Path) -> None:
    path = tmp_path / "two.cnn"
    path.write_text("input 4\nbox: dense 2\nrelu -> dense 9\noutput box\n")
    result = run(str(path), write_numbers(tmp_path))
    assert result.stdout.splitlines()[-1] == "  box 2: 0.0000  0.0000"  # the input is zero


def test_names_from_a_model_cannot_steer_the_terminal(tmp_path: Path) -> None:
    named = '\nclasses "a\x1b[31m", "b"' + BOX
    assert shown(*passing(tmp_path, [2.0, 9.0], named))[0] == "      2.0000  a␛[31m"


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


def folder_with_broken_pictures(folder: Path) -> str:
    pictures = Path(write_pictures(folder, 4))
    (pictures / "1.png").write_text("no picture")
    (pictures / "3.png").write_bytes((pictures / "2.png").read_bytes()[:40])
    return str(pictures)


def test_a_broken_picture_is_an_error_whose_help_leads_on(tmp_path: Path) -> None:
    pictures = folder_with_broken_pictures(tmp_path)
    result = run(write_spec(tmp_path), pictures)
    assert result.exit_code == 1
    result = run(write_spec(tmp_path), f"{pictures}/3.png")
    assert "go on without it: `--skip-broken`" in result.stderr


@pytest.mark.parametrize("style", ["text", "json"])
def test_broken_pictures_are_left_out_where_that_is_asked_for(tmp_path: Path, style: str) -> None:
    pictures = folder_with_broken_pictures(tmp_path)
    numpy.save(f"{pictures}/9.npy", numpy.full((2, 1, 8, 8), numpy.nan, numpy.float32))
    result = run(write_spec(tmp_path), pictures, "--skip-broken", "--format", style)
    assert result.exit_code == 0, result.output
    for name in ("0.png", "2.png"):
        assert name in result.stdout
    for name in ("1.png", "3.png"):
        assert name not in result.stdout
        assert f"left out: cannot read `{pictures}/{name}`: " in result.stderr
    for number in (0, 1):
        said = f"left out: `{pictures}/9.npy[{number}]` holds numbers that are not finite"
        assert said in result.stderr


def test_where_all_is_broken_that_is_the_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    (tmp_path / "b.png").write_text("no picture")
    result = run(
        write_spec(tmp_path), str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--skip-broken"
    )
    assert result.exit_code == 1
    assert "CNN702" in result.stderr


def test_what_does_not_fit_is_not_broken(tmp_path: Path) -> None:
    numpy.save(tmp_path / "a.npy", numpy.zeros((3, 5, 5), numpy.uint8))
    result = run(write_spec(tmp_path), str(tmp_path / "a.npy"), "--skip-broken")
    assert result.exit_code == 1
    assert "CNN703" in result.stderr


def test_what_is_no_picture_is_not_called_one(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    result = run(write_spec(tmp_path), str(tmp_path / "a.wav"))
    assert "it is no picture of a kind that is read" in result.stderr
    spec = tmp_path / "signal.cnn"
    spec.write_text("input 1x16\nconv 2@3\n")
    result = run(str(spec), str(tmp_path / "a.wav"))
    assert result.exit_code == 1
    assert "`a.wav` is neither an array nor called like a picture" in result.stderr.replace(
        f"{tmp_path}/", ""
    )
    assert "is a picture" not in result.stderr


@pytest.mark.parametrize("more", [[], ["--format", "json"], ["--output", "out.npz"]])
def test_what_is_passed_over_in_a_folder_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = write_spec(tmp_path)
    for folder, names in {"a": ("1.heic", "2.HEIC", "x", ".hidden"), "b": ()}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(b"?")
        Image.new("L", (4, 4)).save(tmp_path / folder / "1.png")
    result = run(spec, "a", "b", *more)
    assert result.exit_code == 0, result.output
    assert "note: passed over in `a`: 2 .heic, 1 without an ending\n" in result.stderr
    assert "`b`" not in result.stderr


def test_a_folder_of_other_files_is_said_to_have_these(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.heic").write_bytes(b"?")
    result = run(write_spec(tmp_path), str(tmp_path / "a"))
    assert result.exit_code == 1
    assert "it has 1 .heic" in result.stderr
