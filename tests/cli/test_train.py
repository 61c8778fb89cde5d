"""`cnndsl train`: what it shows, writes, refuses, and how it goes on after Ctrl-C."""

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnndsl.cli import main
from cnndsl.cli.progress import _Lines
from cnndsl.runtime.device import Driver
from cnndsl.runtime.events import EpochRecord

SPEC = """\
network tiny
param width = 4
input 1x4x4
classes "dark", "light"
C1: conv width@3 padding 1 -> relu
flatten
OUTPUT: dense 2 -> softmax

train {
  optimizer sgd lr 0.1 momentum 0.9
  batch 8
  epochs 3
}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a spec and 40 samples whose class is the sign of their sum."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.cnn").write_text(SPEC)
    generator = numpy.random.default_rng(1)
    x = generator.normal(size=(40, 1, 4, 4)).astype(numpy.float32)
    numpy.savez("data.npz", x=x, y=(x.sum(axis=(1, 2, 3)) > 0).astype(numpy.int64))
    return tmp_path


def train(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["train", *arguments])


def trained(*arguments: str) -> Result:
    result = train("tiny.cnn", "--data", "data.npz", "--device", "cpu", *arguments)
    assert result.exit_code == 0, result.output
    return result


def without_times(text: str) -> list[str]:
    """Lines with their durations and speeds struck out."""
    text = re.sub(r" +[0-9.:]+( s)?  +[0-9,.]+ samples/s", "  TIME", text)
    return re.sub(r" in [0-9.:]+( s)?;", " in TIME;", text).splitlines()


# --- a run --------------------------------------------------------------------------------------


def test_a_run_shows_its_epochs_and_says_what_to_do_next() -> None:
    result = trained("--valid", "0.25")
    lines = without_times(result.stdout)
    assert lines[0] == (
        "training tiny on cpu: 30 samples, 10 to validate; 3 epochs of 3 steps, 8 samples each"
    )
    for epoch, line in enumerate(lines[1:4], 1):
        assert re.fullmatch(
            rf"epoch {epoch}/3  loss \d\.\d{{4}}  accuracy [ \d.]{{4}}%"
            r"  valid \d\.\d{4} / [ \d.]{4}%  lr 0\.1000  TIME(  \*best)?",
            line,
        ), line
    assert re.fullmatch(
        r"finished after 3 epochs in TIME; the best is epoch \d: validation loss \d\.\d{4},"
        r" accuracy [\d.]+%",
        lines[4],
    ), lines[4]
    model = str(Path("runs/tiny/model.onnx"))
    assert lines[5:] == [
        f"the model is {model}; beside it are its weights, metrics.csv and curves.png",
        "",
        f"  cnndsl run {model} INPUT",
        f"  cnndsl eval {model} --data data.npz --valid 0.25",
    ]
    assert result.stderr == ""


def test_the_command_that_is_proposed_gives_the_numbers_of_the_best_epoch() -> None:
    proposed = trained("--valid", "0.25").stdout.splitlines()[-1]
    result = CliRunner().invoke(main, [*shlex.split(proposed)[1:], "--format", "json"])
    found = json.loads(result.stdout)
    records = [
        json.loads(line) for line in Path("runs/tiny/metrics.jsonl").read_text().splitlines()
    ]
    best = [record for record in records if record["best"]][-1]
    assert found["count"] == 10
    assert found["top1"] == pytest.approx(best["valid_accuracy"])
    assert found["loss"] == pytest.approx(best["valid_loss"], rel=1e-5)


def test_the_proposed_evaluation_names_the_validation_data_where_it_is_apart() -> None:
    Path("more.npz").write_bytes(Path("data.npz").read_bytes())
    with numpy.load("data.npz") as stored:
        numpy.savez("more.npz", x=stored["x"][:9], y=stored["y"][:9])
    lines = trained("--valid", "more.npz").stdout.splitlines()
    assert "40 samples, 9 to validate" in lines[0]
    assert lines[-1].endswith("model.onnx --data more.npz")


def test_the_folder_has_what_the_documentation_lists() -> None:
    trained("--valid", "0.25", "--out", "out")
    names = {path.name for path in Path("out").iterdir() if not path.name.startswith(".")}
    assert names == {
        "best.safetensors", "last.safetensors", "model.onnx", "metrics.csv", "metrics.jsonl",
        "curves.png", "confusion.csv", "confusion.png", "spec.cnn", "command.txt", "checkpoints",
    }  # fmt: skip
    assert Path("out/command.txt").read_text() == (
        "cnndsl train tiny.cnn --data data.npz --device cpu --valid 0.25 --out out\n"
    )


@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_figures_may_have_another_format(ending: str) -> None:
    trained("--valid", "0.25", "--out", "out", "--figures", ending)
    names = {path.name for path in Path("out").iterdir()}
    assert {f"curves.{ending}", f"confusion.{ending}"} <= names
    assert not any(name.endswith(".png") for name in names)


def test_options_go_before_settings_and_these_before_the_recipe() -> None:
    result = trained(
        "--epochs", "2", "--set", "train.epochs=5", "--set", "train.optimizer.lr=0.02",
        "--batch", "10", "--seed", "3",
    )  # fmt: skip
    assert "2 epochs of 4 steps, 10 samples each" in result.stdout
    assert "lr 0.0200" in result.stdout
    spec = Path("runs/tiny/spec.cnn").read_text()
    for line in ("optimizer sgd lr 0.02 momentum 0.9", "batch 10", "epochs 2", "seed 3"):
        assert line in spec


def test_parameters_of_the_spec_can_be_set() -> None:
    trained("--epochs", "1", "-D", "width=7")
    shown = CliRunner().invoke(main, ["show", "runs/tiny/model.onnx"])
    assert "param width = 7" in shown.stdout


def test_the_trained_model_answers() -> None:
    trained("--epochs", "1")
    numpy.save("x.npy", numpy.ones((1, 4, 4), numpy.float32))
    result = CliRunner().invoke(main, ["run", "runs/tiny/model.onnx", "x.npy"])
    assert "untrained" not in result.stderr
    assert result.stdout.splitlines()[1].split()[1] in ("dark", "light")


def test_without_validation_the_user_is_told_what_best_means() -> None:
    result = trained("--epochs", "1")
    assert result.stderr == (
        "note: without `--valid`, the best epoch is that of the least training loss\n"
    )
    assert re.search(r"; the best is epoch 1$", result.stdout.splitlines()[2])
    assert result.stdout.splitlines()[-1].endswith("model.onnx --data data.npz")


def test_why_a_device_was_chosen_is_told_where_it_was_not_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cnndsl.runtime.device.read_driver", lambda: Driver((13, 0), ()))
    result = train("tiny.cnn", "--data", "data.npz", "--epochs", "1")
    assert result.stderr.startswith("running on ")


# --- notes --------------------------------------------------------------------------------------


def test_fine_tuning_says_what_it_takes() -> None:
    trained("--epochs", "1", "--out", "a")
    result = trained(
        "--epochs", "1", "--out", "b", "-D", "width=5", "--weights", "a/best.safetensors"
    )
    notes = [line for line in result.stderr.splitlines() if "without" not in line]
    assert notes == [
        "note: 1 of 4 weights are taken from `a/best.safetensors`",
        "note: of another kind in the file, so they begin anew: `C1.weight` (4x1x3x3, not 5x1x3x3),"
        " `C1.bias` (4, not 5), `OUTPUT.weight` (2x64, not 2x80)",
    ]


def write_pictures() -> None:
    for name, value in (("dark", 40), ("light", 200)):
        folder = Path("pictures", name)
        folder.mkdir(parents=True)
        for number in range(4):
            Image.new("L", (4, 4), value + number).save(folder / f"{number}.png")
    Path("pictures/light/2.png").write_bytes(b"no picture")


def test_broken_pictures_stop_training_unless_they_are_to_be_skipped() -> None:
    write_pictures()
    result = train("tiny.cnn", "--data", "pictures", "--out", "a")
    assert result.exit_code == 1
    assert "error[CNN803]" in result.stderr
    assert "2.png" in result.stderr
    assert "--skip-broken" in result.stderr
    result = train(
        "tiny.cnn", "--data", "pictures", "--out", "b", "--skip-broken", "--device", "cpu"
    )
    assert result.exit_code == 0, result.output
    assert "7 samples" in result.stdout
    notes = result.stderr.splitlines()
    assert notes[0] == "note: 1 of 8 samples of `pictures` is left out: broken"
    assert "light/2.png" in notes[1]


# --- Ctrl-C and going on ------------------------------------------------------------------------


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C when the second epoch is over."""
    original = _Lines.epoch

    def epoch(self: _Lines, record: EpochRecord) -> None:
        original(self, record)
        if record.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_Lines, "epoch", epoch)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_saves_and_shows_the_whole_command_that_goes_on() -> None:
    trained_words = ["tiny.cnn", "--data", "data.npz", "--valid", "0.25", "--out", "my run"]
    result = train(*trained_words, "--device", "cpu")
    assert result.exit_code == 130
    assert result.stdout.splitlines()[-3:] == [
        "interrupted; everything up to here is saved in my run. Go on with",
        "",
        "  cnndsl train tiny.cnn --data data.npz --valid 0.25 --out 'my run' --device cpu --resume",
    ]
    assert "Aborted" not in result.output


def test_a_resumed_run_ends_with_the_bytes_of_one_never_interrupted(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained("--valid", "0.25", "--out", "whole")
    with monkeypatch.context():
        request.getfixturevalue("ctrl_c")
        first = train(
            "tiny.cnn", "--data", "data.npz", "--valid", "0.25", "--out", "part", "--device", "cpu"
        )
    assert first.exit_code == 130
    monkeypatch.undo()
    monkeypatch.chdir(request.getfixturevalue("place"))
    again = CliRunner().invoke(main, shlex.split(first.stdout.splitlines()[-1])[1:])
    assert again.exit_code == 0, again.output
    assert re.match(r"going on in epoch [23] after step \d", again.stdout.splitlines()[1])
    for name in ("best.safetensors", "last.safetensors", "model.onnx"):
        assert Path("part", name).read_bytes() == Path("whole", name).read_bytes()
    assert whole.stdout.splitlines()[-1].endswith("--data data.npz --valid 0.25")


def test_resuming_what_is_over_does_nothing_and_says_so() -> None:
    trained("--valid", "0.25")
    before = Path("runs/tiny/model.onnx").read_bytes()
    result = trained("--valid", "0.25", "--resume")
    assert "all epochs are done already" in result.stdout
    assert Path("runs/tiny/model.onnx").read_bytes() == before


def test_more_epochs_go_on_from_the_last() -> None:
    trained("--valid", "0.25")
    result = trained("--valid", "0.25", "--epochs", "4", "--resume")
    lines = [line for line in result.stdout.splitlines() if line.startswith("epoch")]
    assert [line[:9] for line in lines] == ["epoch 4/4"]


@pytest.mark.parametrize("words", [["--resume", "previous"], ["--resume=previous"]])
def test_the_previous_checkpoint_is_used_when_asked_for(words: list[str]) -> None:
    trained("--valid", "0.25")
    result = trained("--valid", "0.25", *words)
    assert [line[:9] for line in result.stdout.splitlines() if line.startswith("epoch")] == [
        "epoch 3/3"
    ]


def test_resume_may_stand_before_the_spec() -> None:
    trained()
    result = train("--resume", "tiny.cnn", "--data", "data.npz")
    assert result.exit_code == 0, result.output


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tiny.cnn"], "Missing option '--data'"),
        (["--data", "data.npz"], "Missing argument 'SPEC'"),
        (["tiny.cnn", "--data", "data.npz", "--valid", "1.5"], "neither data nor a share between"),
        (["tiny.cnn", "--data", "data.npz", "--valid", "0"], "neither data nor a share between"),
        (["tiny.cnn", "--data", "data.npz", "--valid", "nan"], "neither data nor a share between"),
        (["tiny.cnn", "--data", "data.npz", "--epochs", "0"], "0 is not in the range x>=1"),
        (["tiny.cnn", "--data", "data.npz", "--resume=last"], "neither 'previous' nor a .ckpt"),
        (["tiny.cnn", "--data", "data.npz", "--resume", "last"], "unexpected extra argument"),
    ],
)
def test_wrong_use_is_refused_with_exit_code_2(arguments: list[str], words: str) -> None:
    result = train(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no.cnn", "--data", "data.npz"], "CNN010"),
        (["tiny.cnn", "--data", "nothing"], "CNN801"),
        (["tiny.cnn", "--data", "data.npz", "--valid", "nothing"], "CNN801"),
        (["tiny.cnn", "--data", "data.npz", "--valid", "data.npz"], "CNN801"),
        (["tiny.cnn", "--data", "data.npz", "--weights", "nothing"], "CNN602"),
        (["tiny.cnn", "--data", "data.npz", "--device", "tpu"], "CNN701"),
        (["tiny.cnn", "--data", "data.npz", "--set", "train.lr=1"], "CNN812"),
        (["tiny.cnn", "--data", "data.npz", "--set", "optimizer.lr=1"], "CNN812"),
        (["tiny.cnn", "--data", "data.npz", "-D", "depth=1"], "CNN114"),
        (["tiny.cnn", "--data", "data.npz", "--resume", "no.ckpt"], "CNN806"),
        (["tiny.cnn", "--data", "wide.npz"], "CNN802"),
    ],
)
def test_what_a_user_can_mend_is_one_error_and_leaves_nothing_behind(
    arguments: list[str], code: str
) -> None:
    with numpy.load("data.npz") as stored:
        numpy.savez("wide.npz", x=stored["x"], y=stored["y"] * 5)
    before = sorted(Path.cwd().iterdir())
    result = train(*arguments)
    assert result.exit_code == 1
    assert f"error[{code}]" in result.stderr
    assert "help: " in result.stderr
    assert "epoch" not in result.stdout
    assert sorted(Path.cwd().iterdir()) == before


def test_a_folder_that_has_a_run_is_refused_and_untouched() -> None:
    trained()
    before = {path: path.read_bytes() for path in Path("runs/tiny").iterdir() if path.is_file()}
    result = train("tiny.cnn", "--data", "data.npz")
    assert result.exit_code == 1
    assert "error[CNN810]: the folder `runs/tiny` is taken by another run" in result.stderr
    assert "--resume" in result.stderr
    after = {path: path.read_bytes() for path in Path("runs/tiny").iterdir() if path.is_file()}
    after.pop(Path("runs/tiny/.lock"), None)
    before.pop(Path("runs/tiny/.lock"), None)
    assert before == after


def test_resuming_as_another_run_is_refused() -> None:
    trained("--valid", "0.25")
    result = train("tiny.cnn", "--data", "data.npz", "--valid", "0.25", "--resume", "--batch", "5")
    assert result.exit_code == 1
    assert "error[CNN807]" in result.stderr
    assert "train.batch is `8` in the checkpoint, `5` now" in result.stderr


# --- loading ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--help"],
        ["train", "tiny.cnn"],
        ["train", "tiny.cnn", "--data", "data.npz", "--valid", "7"],
        ["train", "no.cnn", "--data", "data.npz"],
        ["eval", "--help"],
        ["eval", "tiny.cnn", "--data", "data.npz"],
    ],
)
def test_nothing_heavy_is_loaded_before_the_arguments_are_right(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from cnndsl.cli import main\n"
        "try:\n"
        f"    main({arguments!r}, prog_name='cnndsl')\n"
        "finally:\n"
        "    print(sorted({'numpy', 'onnxruntime', 'onnx', 'rich'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
