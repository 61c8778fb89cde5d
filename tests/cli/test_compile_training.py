"""``cnndsl compile --training``: two files, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result

from cnndsl import pipeline
from cnndsl.cli import main
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init

SPEC = """input 1x4x4
c: conv 2@3 -> relu -> flatten -> d: dense 3 -> softmax
train {
  optimizer adam
  batch 8
}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compile", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tiny.cnn").write_text(SPEC)
    return tmp_path


def test_it_writes_the_step_and_what_it_begins_with() -> None:
    result = run("tiny.cnn", "--training", "--seed", "4")
    size, initial = (Path(f"tiny.step{end}").stat().st_size for end in (".onnx", ".init.onnx"))
    assert result.output == (
        f"tiny.step.onnx: {size / 1000:.1f} kB, a training step for batches of 8\n"
        f"tiny.step.init.onnx: {initial / 1000:.1f} kB, 4 weights to begin with\n"
    )
    session = onnxruntime.InferenceSession("tiny.step.init.onnx")
    names = [output.name for output in session.get_outputs()]
    values = dict(zip(names, session.run(names, {}), strict=True))
    drawn = initialise(pipeline.load("tiny.cnn"), 4, Init("he"))
    assert names[:4] == ["c.weight", "c.bias", "d.weight", "d.bias"]
    for name, array in drawn.items():
        assert (values[name] == array).all()
    assert set(names[4:]) == {f"{name}.moment{n}" for name in drawn for n in (1, 2)}
    assert not any(values[name].any() for name in names[4:])


def test_both_models_pass_the_full_check_and_fit_each_other() -> None:
    run("tiny.cnn", "--training", "-o", "a.onnx", "--batch", "3")
    step, initial = onnx.load("a.onnx"), onnx.load("a.init.onnx")
    for model in (step, initial):
        onnx.checker.check_model(model, full_check=True)
    inputs = {value.name: value.type for value in step.graph.input}
    assert all(inputs[value.name] == value.type for value in initial.graph.output)
    assert inputs["labels"].tensor_type.shape.dim[0].dim_value == 3


def test_the_step_carries_the_spec() -> None:
    run("tiny.cnn", "--training")
    result = CliRunner().invoke(main, ["show", "tiny.step.onnx"])
    assert "c: conv 2@3" in result.output


def test_the_weights_of_a_file_are_what_training_begins_with() -> None:
    weights = initialise(pipeline.load("tiny.cnn"), 9, Init("he"))
    numpy.savez("w.npz", **weights)  # type: ignore[arg-type]  # names are names
    run("tiny.cnn", "--training", "--weights", "w.npz")
    session = onnxruntime.InferenceSession("tiny.step.init.onnx")
    assert (session.run(["d.weight"], {})[0] == weights["d.weight"]).all()


def test_the_same_spec_gives_the_same_bytes() -> None:
    for name in ("a.onnx", "b.onnx"):
        run("tiny.cnn", "--training", "-o", name)
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()
    assert Path("a.init.onnx").read_bytes() == Path("b.init.onnx").read_bytes()


def test_a_target_without_training_is_a_usage_error() -> None:
    result = run("tiny.cnn", "--target", "cuda")
    assert result.exit_code == 2
    assert "--target is for training steps: leave it out, or add --training" in result.output


def test_a_network_that_cannot_learn_leaves_no_file() -> None:
    Path("pool.cnn").write_text("input 1x4x4\nmaxpool 2 -> flatten\n")
    result = run("pool.cnn", "--training")
    assert result.exit_code == 1
    assert "error[CNN808]: nothing in `pool` learns: it has no weights" in result.output
    assert not [*Path().glob("*.onnx")]


# --- in two graphs ----------------------------------------------------------------------------


def test_split_writes_gradients_update_and_what_they_begin_with() -> None:
    result = run("tiny.cnn", "--training", "--split", "--seed", "4")
    sizes = {end: Path(f"tiny.{end}.onnx").stat().st_size for end in ("gradient", "update", "init")}
    assert result.output == (
        f"tiny.gradient.onnx: {sizes['gradient'] / 1000:.1f} kB,"
        " 47 numbers in 4 gradients of batches of 8\n"
        f"tiny.update.onnx: {sizes['update'] / 1000:.1f} kB, the update by the gradients\n"
        f"tiny.init.onnx: {sizes['init'] / 1000:.1f} kB, 4 weights to begin with\n"
    )
    run("tiny.cnn", "--training", "--seed", "4", "-o", "whole.onnx")
    assert Path("tiny.init.onnx").read_bytes() == Path("whole.init.onnx").read_bytes()


def test_all_of_a_split_step_passes_the_full_check_and_fits() -> None:
    run("tiny.cnn", "--training", "--split", "-o", "a.onnx", "--batch", "3")
    assert sorted(path.name for path in Path().glob("*.onnx")) == [
        *("a.gradient.onnx", "a.init.onnx", "a.update.onnx")
    ]
    models = {name: onnx.load(f"a.{name}.onnx") for name in ("init", "gradient", "update")}
    for model in models.values():
        onnx.checker.check_model(model, full_check=True)
    inputs = {name: {v.name: v.type for v in model.graph.input} for name, model in models.items()}
    begin = {value.name: value.type for value in models["init"].graph.output}
    assert begin.items() <= {**inputs["gradient"], **inputs["update"]}.items()
    made = {value.name: value.type for value in models["gradient"].graph.output}
    taken = {name: kind for name, kind in inputs["update"].items() if name not in begin}
    assert {*taken} - {*made} == {"lr", "step"}
    assert all(made[name] == kind for name, kind in taken.items() if name in made)
    assert inputs["gradient"]["labels"].tensor_type.shape.dim[0].dim_value == 3
    described = [
        json.loads({one.key: one.value for one in models[name].metadata_props}["cnndsl.training"])
        for name in ("gradient", "update")
    ]
    assert described[0]["gradients"] == described[1]["gradients"]
    assert [one["weight"] for one in described[0]["gradients"]][-1].startswith("c.")


def test_the_models_of_a_split_step_carry_the_spec() -> None:
    run("tiny.cnn", "--training", "--split")
    for name in ("gradient", "update"):
        result = CliRunner().invoke(main, ["show", f"tiny.{name}.onnx"])
        assert "c: conv 2@3" in result.output


def test_two_files_train_with_nothing_but_onnx_runtime_and_numpy() -> None:
    """Two workers with half a batch each, their gradients summed, against one with all of it."""
    for name, batch in (("half", "4"), ("whole", "8")):
        run("tiny.cnn", "--training", "--split", "-o", f"{name}.onnx", "--batch", batch)
    whole, half, update, first = (
        onnxruntime.InferenceSession(f"{name}.onnx")
        for name in ("whole.gradient", "half.gradient", "whole.update", "whole.init")
    )

    def call(session: Any, values: dict[str, Any]) -> dict[str, Any]:
        names = [output.name for output in session.get_outputs()]
        feeds = {one.name: values[one.name] for one in session.get_inputs()}
        return dict(zip(names, session.run(names, feeds), strict=True))

    random = numpy.random.default_rng(0)
    alone = together = call(first, {})
    for number in range(3):
        scalars = {"step": numpy.array(number), "seed": numpy.array(0)}
        scalars["lr"] = numpy.array(0.01, numpy.float32)
        pictures = random.normal(size=(8, 1, 4, 4)).astype(numpy.float32)
        labels = random.integers(3, size=8)
        made = call(whole, {**alone, **scalars, "input": pictures, "labels": labels})
        new = call(update, {**alone, **scalars, **made})
        alone = {name.removesuffix(".next"): array for name, array in new.items()}
        parts = [
            call(half, {**together, **scalars, "input": pictures[at], "labels": labels[at]})
            for at in (slice(4), slice(4, 8))
        ]
        mean = {name: (parts[0][name] + parts[1][name]) / 2 for name in parts[0]}
        assert sum(part["correct"] for part in parts) == made["correct"]
        for name in mean:
            if name != "correct":
                numpy.testing.assert_allclose(mean[name], made[name], rtol=1e-4, atol=1e-6)
        new = call(update, {**together, **scalars, **mean})
        together = {name.removesuffix(".next"): array for name, array in new.items()}
        for name, array in alone.items():
            numpy.testing.assert_allclose(together[name], array, rtol=1e-3, atol=1e-5)


def test_split_without_training_is_a_usage_error() -> None:
    result = run("tiny.cnn", "--split")
    assert result.exit_code == 2
    assert "--split is for training steps: leave it out, or add --training" in result.output
    assert not [*Path().glob("*.onnx")]


def test_a_network_that_cannot_learn_leaves_no_half_either() -> None:
    Path("pool.cnn").write_text("input 1x4x4\nmaxpool 2 -> flatten\n")
    result = run("pool.cnn", "--training", "--split")
    assert result.exit_code == 1
    assert "error[CNN808]: nothing in `pool` learns: it has no weights" in result.output
    assert not [*Path().glob("*.onnx")]
