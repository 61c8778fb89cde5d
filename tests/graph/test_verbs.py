"""``cnndsl compile`` and ``cnndsl show``, from the command line to the file."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result

from cnndsl.cli import main
from cnndsl.graph.artifact import read_artifact

SPEC = """\
network small
input 1x8x8 { scale 1/255 }
param classes = 3
C1: conv 2@3x3 -> relu
flatten
dense classes -> softmax
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.cnn"
    path.write_text(SPEC, encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_compile_writes_the_model_into_this_folder_and_says_what_it_is(spec: Path) -> None:
    done = run("compile", spec)
    assert done.exit_code == 0, done.output
    model = onnx.load("small.onnx")
    size = Path("small.onnx").stat().st_size
    assert done.stdout == f"small.onnx: {size / 1000:.1f} kB, 239 parameters, opset 18\n"
    assert [tensor.name for tensor in model.graph.initializer][:2] == ["C1.weight", "C1.bias"]


def test_compile_takes_its_options(spec: Path) -> None:
    options = ("--batch", 5, "--opset", 21, "--seed", 4, "-D", "classes=7", "-o", "other.onnx")
    done = run("compile", spec, *options)
    assert done.exit_code == 0, done.output
    model = onnx.load("other.onnx")
    assert model.opset_import[0].version == 21
    dims = model.graph.output[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [5, 7]
    assert read_artifact("other.onnx").seed == 4
    assert read_artifact("other.onnx").parameters == {"classes": "7"}


def test_compile_and_show_give_a_spec_that_compiles_to_the_same_bytes(spec: Path) -> None:
    run("compile", spec)
    shown = run("show", "small.onnx")
    assert shown.exit_code == 0, shown.output
    assert shown.stderr == ""
    assert shown.stdout.startswith("network small\n")
    Path("again").mkdir()
    Path("again/small.cnn").write_text(shown.stdout, encoding="utf-8")
    run("compile", "again/small.cnn", "-o", "again.onnx")
    assert run("show", "again.onnx").stdout == shown.stdout


def test_show_warns_of_a_spec_that_was_changed(spec: Path) -> None:
    run("compile", spec)
    model = onnx.load("small.onnx")
    for entry in model.metadata_props:
        if entry.key == "cnndsl.spec":
            entry.value += "# changed\n"
    onnx.save(model, "small.onnx")
    assert run("show", "small.onnx").stderr.startswith("error[CNN607]: ")
    done = run("show", "small.onnx", "--no-verify")
    assert done.exit_code == 0
    assert done.stdout.endswith("# changed\n")
    assert done.stderr.startswith("warning: the spec in `small.onnx` was changed")


@pytest.mark.parametrize("batch", ["0", "-1", "many", "1e3"])
def test_an_impossible_batch_is_a_mistake_in_use(spec: Path, batch: str) -> None:
    assert run("compile", spec, "--batch", batch).exit_code == 2
    assert not Path("small.onnx").exists()


def test_a_seed_with_weights_from_a_file_is_a_mistake_in_use(spec: Path) -> None:
    done = run("compile", spec, "--weights", "w.safetensors", "--seed", "3")
    assert done.exit_code == 2
    assert "--seed is for random weights" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("compile", "small.cnn", "--opset", "22"), "CNN605"),
        (("compile", "small.cnn", "--weights", "none.safetensors"), "CNN602"),
        (("compile", "small.cnn", "-o", "none/small.onnx"), "CNN603"),
        (("show", "small.cnn"), "CNN604"),
    ],
)
def test_what_the_user_can_mend_is_one_error_and_exit_code_1(
    spec: Path, arguments: tuple[str, ...], code: str
) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error[{code}]: ")
    assert done.stdout == ""
    assert not Path("small.onnx").exists()
