"""`cnndsl eval`: of a compiled model or of a spec with weights, as text and as JSON."""

import json
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.numpy import save_file

import cnndsl
from cnndsl.cli import main

SPEC = """\
network tiny
input 1x4x4
classes "dark", "light", "odd"
flatten
OUTPUT: dense 3
"""


def write_spec(folder: Path) -> str:
    path = folder / "tiny.cnn"
    path.write_text(SPEC)
    return str(path)


def write_weights(folder: Path) -> str:
    """A network that answers `light` where the sum is above zero, else `dark`; never `odd`."""
    weight = numpy.zeros((3, 16), numpy.float32)
    weight[0], weight[1] = -1, 1
    bias = numpy.array([0, 0, -1000], numpy.float32)
    save_file({"OUTPUT.weight": weight, "OUTPUT.bias": bias}, folder / "w.safetensors")
    return str(folder / "w.safetensors")


def write_data(folder: Path, labels: list[int], signs: list[int]) -> str:
    x = numpy.ones((len(signs), 1, 4, 4), numpy.float32)
    x *= numpy.array(signs, numpy.float32).reshape(-1, 1, 1, 1)
    numpy.savez(folder / "data.npz", x=x, y=numpy.array(labels))
    return str(folder / "data.npz")


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["eval", *arguments])


def compiled(folder: Path, *more: str) -> str:
    model = str(folder / "tiny.onnx")
    result = CliRunner().invoke(main, ["compile", write_spec(folder), "-o", model, *more])
    assert result.exit_code == 0, result.output
    return model


def test_a_spec_with_weights_is_evaluated(tmp_path: Path) -> None:
    data = write_data(tmp_path, labels=[0, 0, 1, 2], signs=[-1, 1, 1, -1])
    result = evaluate(
        write_spec(tmp_path), "--weights", write_weights(tmp_path), "--data", data,
        "--device", "cpu", "--batch", "3",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].endswith("top1 50.00%  4 samples")
    assert lines[2:] == [
        "class    samples  precision  recall      F1",
        "0 dark         2     50.00%  50.00%  50.00%",
        "1 light        1     50.00%    100%  66.67%",
        "2 odd          1          -   0.00%   0.00%",
        "",
        "taken for  0  1  2",
        "0 dark     1  1  .",
        "1 light    .  1  .",
        "2 odd      1  .  .",
    ]


def test_a_compiled_model_is_evaluated_as_its_spec_and_weights_are(tmp_path: Path) -> None:
    data = write_data(tmp_path, labels=[0, 1, 2], signs=[-1, 1, 1])
    weights = write_weights(tmp_path)
    model = compiled(tmp_path, "--weights", weights)
    of_model = evaluate(model, "--data", data, "--device", "cpu")
    of_spec = evaluate(
        write_spec(tmp_path), "--weights", weights, "--data", data, "--device", "cpu"
    )
    assert of_model.exit_code == 0, of_model.output
    assert of_model.stdout == of_spec.stdout
    assert of_model.stderr == ""


def test_json_carries_what_was_asked_and_found(tmp_path: Path) -> None:
    data = write_data(tmp_path, labels=[0, 0, 1, 2], signs=[-1, 1, 1, -1])
    model = compiled(tmp_path, "--weights", write_weights(tmp_path))
    result = evaluate(model, "--data", data, "--format", "json")
    found = json.loads(result.stdout)
    assert list(found) == [
        "model", "data", "split", "valid", "count", "loss", "top1", "top5", "accuracy",
        "exact_match", "mean_iou", "mae", "rmse", "r2", "nan", "classes", "confusion", "labels",
        "values",
    ]  # fmt: skip
    assert (found["model"], found["data"]) == (model, data)
    assert (found["split"], found["valid"]) == ("test", None)
    assert (found["count"], found["top1"], found["top5"]) == (4, 0.5, None)
    assert found["confusion"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert [one["class"] for one in found["classes"]] == ["dark", "light", "odd"]


def test_a_fraction_takes_what_training_keeps_aside(tmp_path: Path) -> None:
    data = write_data(tmp_path, labels=[0] * 10 + [1] * 10, signs=[-1] * 10 + [1] * 10)
    model = compiled(tmp_path, "--weights", write_weights(tmp_path))
    result = evaluate(model, "--data", data, "--valid", "0.2", "--format", "json")
    found = json.loads(result.stdout)
    assert (found["count"], found["split"], found["valid"]) == (4, "train", 0.2)
    assert found["confusion"] == [[2, 0, 0], [0, 2, 0], [0, 0, 0]]


def test_untrained_weights_are_told_on_standard_error(tmp_path: Path) -> None:
    data = write_data(tmp_path, labels=[0], signs=[1])
    result = evaluate(compiled(tmp_path, "--seed", "7"), "--data", data)
    assert "weights are untrained (seed 7)" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["MODEL"], "Missing option '--data'"),
        (["SPEC", "--data", "DATA"], "a spec has no weights"),
        (["MODEL", "--data", "DATA", "--weights", "W"], "has its weights and parameters in it"),
        (["MODEL", "--data", "DATA", "-D", "n=3"], "has its weights and parameters in it"),
        (["MODEL", "--data", "DATA", "--valid", "1"], "1.0 is not in the range 0<x<1"),
        (["MODEL", "--data", "DATA", "--valid", "0.2", "--split", "test"], "leave out --split"),
    ],
)
def test_wrong_use_is_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    places = {"MODEL": str(tmp_path / "no.onnx"), "SPEC": write_spec(tmp_path)}
    result = evaluate(*(places.get(word, word) for word in arguments))
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["MODEL", "--data", "nothing"], "CNN801"),
        (["nothing.onnx", "--data", "DATA"], "CNN604"),
        (["MODEL", "--data", "DATA", "--device", "tpu"], "CNN701"),
        (["SPEC", "--data", "DATA", "--weights", "nothing"], "CNN602"),
        (["nothing", "--data", "DATA", "--weights", "W"], "CNN010"),
        (["MODEL", "--data", "FAR"], "CNN802"),
    ],
)
def test_what_a_user_can_mend_is_one_error(tmp_path: Path, arguments: list[str], code: str) -> None:
    (tmp_path / "far").mkdir()
    places = {
        "MODEL": compiled(tmp_path),
        "SPEC": write_spec(tmp_path),
        "W": write_weights(tmp_path),
        "DATA": write_data(tmp_path, labels=[0], signs=[1]),
        "FAR": write_data(tmp_path / "far", labels=[3], signs=[1]),
    }
    result = evaluate(*(places.get(word, word) for word in arguments))
    assert result.exit_code == 1
    assert f"error[{code}]" in result.stderr
    assert "help: " in result.stderr
    assert result.stdout == ""


def pictures(folder: Path, *names: str) -> str:
    for at, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        Image.new("L", (4, 4), 100 * at).save(folder / name / "1.png")
        (folder / name / "2.heic").touch()
    return str(folder)


def test_what_is_passed_over_is_said_beside_the_numbers(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", "dark", "light", "odd")
    weights = write_weights(tmp_path)
    result = evaluate(write_spec(tmp_path), "--weights", weights, "--data", data, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert f"note: passed over in `{data}`: 3 .heic" in result.stderr
    assert "note" not in result.stdout


def test_names_of_which_no_index_is_known_are_not_guessed(tmp_path: Path) -> None:
    """A model that learnt from indices does not say which output is which name."""
    data = pictures(tmp_path / "data", "a", "b", "c")
    weights = write_weights(tmp_path)
    spec = tmp_path / "plain.cnn"
    spec.write_text(SPEC.replace('classes "dark", "light", "odd"\n', ""))
    model = tmp_path / "plain.onnx"
    network = cnndsl.load(spec)
    network.compile(weights, device="cpu").save(model)
    result = evaluate(str(model), "--data", data, "--device", "cpu")
    assert result.exit_code == 1
    assert "error[CNN802]" in result.stderr
    assert "which name is which index is not known" in result.stderr
    numbers = pictures(tmp_path / "numbers", "0", "1", "2")
    assert evaluate(str(model), "--data", numbers, "--device", "cpu").exit_code == 0
    assert network.evaluate(data, weights, device="cpu").classes == ("a", "b", "c")


def test_names_that_the_weights_have_count_where_the_spec_has_none(tmp_path: Path) -> None:
    spec = tmp_path / "plain.cnn"
    spec.write_text(SPEC.replace('classes "dark", "light", "odd"\n', ""))
    table = Path(pictures(tmp_path / "data", "a", "b", "c")) / "t.csv"
    table.write_text("a/1.png,b\nb/1.png,c\nc/1.png,a\n")
    network = cnndsl.load(spec)
    training = network.train(table, epochs=1, out=tmp_path / "run", device="cpu")
    table.write_text("a/1.png,c\n")
    for weights in ("model.onnx", "best.safetensors"):
        evaluation = network.evaluate(table, training.folder / weights, device="cpu")
        assert evaluation.classes == ("a", "b", "c")
        assert evaluation.confusion is not None
        assert evaluation.confusion.sum(axis=1).tolist() == [0, 0, 1]


def test_pictures_that_cannot_be_read_are_left_out_where_the_help_is_followed(
    tmp_path: Path,
) -> None:
    data = pictures(tmp_path / "data", "dark", "light", "odd")
    Path(data, "light", "2.png").write_bytes(b"broken")
    arguments = [write_spec(tmp_path), "--weights", write_weights(tmp_path), "--data", data]
    refused = evaluate(*arguments, "--device", "cpu")
    assert refused.exit_code == 1
    assert "go on without it: `--skip-broken`" in refused.stderr
    result = evaluate(*arguments, "--device", "cpu", "--skip-broken", "--format", "json")
    assert result.exit_code == 0, result.output
    whole = sum(1 for file in Path(data).rglob("*.png"))
    assert json.loads(result.stdout)["count"] == whole - 1
    assert f"note: 1 of {whole} samples of `{data}` is left out: broken" in result.stderr


def test_names_that_would_write_to_the_terminal_are_shown_as_they_are(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("a.png,dark\na.png,li\x1b[2Jght\n", encoding="utf-8")
    spec = write_spec(tmp_path)
    Path(spec).write_text(SPEC.replace('classes "dark", "light", "odd"\n', ""))
    weights = write_weights(tmp_path)
    result = evaluate(spec, "--weights", weights, "--data", str(tmp_path / "t.csv"))
    assert "␛[2J" in result.stderr
    assert "\x1b" not in result.output


def test_the_help_on_broken_samples_leads_on(tmp_path: Path) -> None:
    data = write_data(tmp_path, labels=[0, 0, 1, 1], signs=[-1, 1, 1, 1])
    arrays = dict(numpy.load(data))
    arrays["x"][3] = numpy.nan
    numpy.savez(data, **arrays)
    words = [write_spec(tmp_path), "--weights", write_weights(tmp_path), "--data", data]
    refused = evaluate(*words)
    assert refused.exit_code == 1
    assert "error[CNN803]" in refused.stderr
    assert "go on without it: `--skip-broken`" in refused.stderr
    result = evaluate(*words, "--skip-broken", "--format", "json")
    assert result.exit_code == 0, result.output
    assert (json.loads(result.stdout)["count"], json.loads(result.stdout)["top1"]) == (3, 2 / 3)
    assert f"note: `{data}[3]`: it holds NaN" in result.stderr
    # A share is of all samples, as in training: the broken one is in it, or is not.
    counts = []
    for seed in range(8):
        network = cnndsl.parse(SPEC + f"train {{\n  seed {seed}\n}}\n")
        found = network.evaluate(
            data, write_weights(tmp_path), valid=0.5, skip_broken=True, device="cpu"
        )
        counts.append(found.count)
    assert {*counts} == {1, 2}


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_what_is_mistaken_for_what_is_drawn(tmp_path: Path, ending: str) -> None:
    data = write_data(tmp_path, labels=[0, 0, 1, 2], signs=[-1, 1, 1, -1])
    figure = tmp_path / f"confusion.{ending}"
    result = evaluate(
        write_spec(tmp_path), "--weights", write_weights(tmp_path), "--data", data,
        "--confusion", str(figure),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert figure.stat().st_size > 1000
    assert "top1" in result.stdout


def test_a_figure_of_another_format_is_one_error(tmp_path: Path) -> None:
    data = write_data(tmp_path, labels=[0, 1], signs=[-1, 1])
    result = evaluate(
        write_spec(tmp_path), "--weights", write_weights(tmp_path), "--data", data,
        "--confusion", str(tmp_path / "confusion.jpg"),
    )  # fmt: skip
    assert result.exit_code == 1
    assert result.stderr.startswith("error[CNN609]: ")


def test_of_answers_that_are_no_classes_nothing_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "v.cnn").write_text(
        "network v\ninput 1x4x4\nflatten\nOUTPUT: dense 1\ntrain { loss mse }\n"
    )
    weights = {
        "OUTPUT.weight": numpy.ones((1, 16), numpy.float32),
        "OUTPUT.bias": numpy.zeros(1, numpy.float32),
    }
    save_file(weights, tmp_path / "v.safetensors")
    numpy.savez(tmp_path / "v.npz", x=numpy.ones((3, 1, 4, 4), numpy.float32), y=numpy.ones((3, 1)))
    result = evaluate(
        str(tmp_path / "v.cnn"), "--weights", str(tmp_path / "v.safetensors"),
        "--data", str(tmp_path / "v.npz"), "--confusion", str(tmp_path / "c.png"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "note: nothing is drawn: answers are not one class of several" in result.stderr
    assert not (tmp_path / "c.png").exists()


def test_several_models_and_views_say_what_each_gains(tmp_path: Path) -> None:
    data = str(tmp_path / "data.npz")
    pixels = numpy.random.default_rng(1).integers(0, 256, (20, 16, 16), numpy.uint8)
    numpy.savez(data, x=pixels, y=numpy.arange(20) % 3)
    models = []
    for seed in ("1", "2"):
        models.append(str(tmp_path / f"{seed}.onnx"))
        spec = tmp_path / "tiny.cnn"
        spec.write_text("input 1x16x16 { scale 1/255 }\nflatten -> dense 3 -> softmax\n")
        CliRunner().invoke(main, ["compile", str(spec), "--seed", seed, "-o", models[-1]])
    result = evaluate(*models, "--data", data, "--crops", "5", "--device", "cpu")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[2].split() == ["asked", "views", "loss", "top1", "gained"]
    assert [line.split()[-4] for line in lines[3:8]] == ["1", "5", "1", "5", "1"]
    assert lines[7].startswith("all 2 models")
    found = json.loads(evaluate(*models, "--data", data, "--flip", "--format", "json").stdout)
    assert found["models"] == models
    assert [(len(one["models"]), one["views"]) for one in found["parts"]] == [
        (1, 1),
        (1, 2),
        (1, 1),
        (1, 2),
        (2, 1),
    ]
    wrong = evaluate(models[0], str(spec), "--data", data)
    assert "only the first of several may be a spec" in wrong.stderr
