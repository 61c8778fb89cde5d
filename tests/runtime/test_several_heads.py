"""Runs with a loss for each of several heads: what is fed, measured, written and resumed."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from typing_extensions import override

import cnndsl
from cnndsl.cli.progress import epoch_line
from cnndsl.cli.scores import as_text
from cnndsl.cli.scores_json import as_json
from cnndsl.data.formats.memory import ArrayData
from cnndsl.diagnostics.model import UserError

SPEC = """\
input 1x6x6
stem: conv 4@3 -> relu
flatten -> aux: dense 3 -> a: softmax
stem -> globalavgpool -> box: dense 2
stem -> flatten -> dense 3 -> softmax
output box
train {
  batch 10
  epochs 2
  optimizer sgd lr 0.05
  loss crossentropy
  loss a crossentropy weight 0.3
  loss box mse weight 2
}
"""


def arrays(count: int = 40) -> dict[str, Any]:
    random = numpy.random.default_rng(0)
    x = random.standard_normal((count, 1, 6, 6)).astype(numpy.float32)
    y = random.integers(3, size=count)
    box = numpy.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], 1)
    return {"x": x, "y": y, "box": box}


def train(folder: Path, spec: str = SPEC, data: ArrayData | None = None, **options: Any) -> Any:
    options = {"valid": 0.25, "device": "cpu", "threads": 1, "out": folder, **options}
    return cnndsl.parse(spec).train(arrays() if data is None else data, **options)


def answers(folder: Path) -> dict[str, Any]:
    """All outputs of a run's model, by the runtime alone."""
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": arrays()["x"]}), strict=True))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return [*csv.DictReader(file)]


def test_the_metrics_of_each_head_are_in_the_table(tmp_path: Path) -> None:
    train(tmp_path / "run")
    (first, second) = rows(tmp_path / "run")
    assert [*first][10:] == [
        *("loss.output", "valid_loss.output"),
        *("loss.a", "accuracy.a"),
        *("loss.box", "mae.box", "rmse.box", "valid_loss.box", "valid_mae.box", "valid_rmse.box"),
    ]
    for row in (first, second):
        own = [float(row[name]) for name in ("loss.output", "loss.a", "loss.box")]
        assert float(row["loss"]) == pytest.approx(own[0] + 0.3 * own[1] + 2 * own[2], rel=1e-5)
        valid = [float(row[name]) for name in ("valid_loss.output", "valid_loss.box")]
        assert float(row["valid_loss"]) == pytest.approx(valid[0] + 2 * valid[1], rel=1e-6)
        assert float(row["rmse.box"]) == pytest.approx(float(row["loss.box"]) ** 0.5)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["loss.a"] == float(first["loss.a"])


def test_one_loss_has_the_columns_that_it_always_had(tmp_path: Path) -> None:
    spec = SPEC.replace("  loss a crossentropy weight 0.3\n  loss box mse weight 2\n", "")
    train(
        tmp_path / "run", spec.replace("output box", "freeze").replace("freeze\n", "output box\n")
    )
    header = (tmp_path / "run" / "metrics.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ("epoch,step,loss,accuracy,valid_loss,valid_accuracy,lr,seconds,rate,best")


def test_the_model_has_no_part_for_a_head_that_only_training_has(tmp_path: Path) -> None:
    train(tmp_path / "run")
    assert set(answers(tmp_path / "run")) == {"output", "box"}
    weights = {one.name for one in onnx.load(tmp_path / "run" / "model.onnx").graph.initializer}
    assert "aux.weight" not in weights
    network = cnndsl.parse(SPEC)
    found = network.evaluate(arrays(), tmp_path / "run" / "best.safetensors", device="cpu")
    assert set(found.outputs) == {"output", "box"}


def test_evaluation_says_what_each_output_is_worth(tmp_path: Path) -> None:
    train(tmp_path / "run", valid=None)
    network = cnndsl.parse(SPEC)
    data = arrays()
    found = network.evaluate(data, tmp_path / "run" / "best.safetensors", device="cpu")
    main, box = found.outputs["output"], found.outputs["box"]
    assert found.loss == pytest.approx(main.loss + 2 * box.loss)
    assert (found.top1, found.mae) == (main.top1, None)
    given = answers(tmp_path / "run")
    error = numpy.abs(given["box"] - data["box"]).mean()
    assert box.mae == pytest.approx(float(error), rel=1e-4)
    right = (given["output"].argmax(1) == data["y"]).mean()
    assert main.top1 == pytest.approx(float(right))
    assert set(as_json(found)["outputs"]) == {"output", "box"}
    assert "outputs" not in as_json(main)
    text = as_text(found)
    assert text.startswith("loss ")
    assert "output: loss" in text
    assert "box: loss" in text


def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    train(tmp_path / "straight")
    assert train(tmp_path / "cut", listener=_Cutter()).how == "interrupted"
    train(tmp_path / "cut", resume=True)
    for name in ("last.safetensors", "best.safetensors"):
        ends = [(tmp_path / run / name).read_bytes() for run in ("straight", "cut")]
        assert ends[0] == ends[1]
    for one, other in zip(rows(tmp_path / "straight"), rows(tmp_path / "cut"), strict=True):
        for name in ("loss", "loss.a", "accuracy.a", "loss.box", "valid_loss.box"):
            assert one[name] == other[name]


class _Cutter:
    """Ends a run within an epoch, as Ctrl-C does."""

    def start(self, start: object) -> None:
        pass

    def progress(self, progress: Any) -> None:
        if progress.epoch == 2 and progress.step == 2:
            signal.raise_signal(signal.SIGINT)

    def epoch(self, record: object) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def end(self, outcome: object) -> None:
        pass


def test_another_weight_is_another_run(tmp_path: Path) -> None:
    train(tmp_path / "run")
    with pytest.raises(UserError, match="another run"):
        train(tmp_path / "run", SPEC.replace("0.3", "0.4").replace("s 2", "s 3"), resume=True)


def test_an_auxiliary_classifier_learns_the_main_labels(tmp_path: Path) -> None:
    borrowed = train(tmp_path / "borrowed")
    data = arrays()
    named = (data["x"], {"output": data["y"], "a": data["y"], "box": data["box"]})
    own = train(tmp_path / "own", data=named)
    runs = [rows(tmp_path / name) for name in ("borrowed", "own")]
    assert [row["loss.a"] for row in runs[0]] == [row["loss.a"] for row in runs[1]]
    assert borrowed.records[-1].outputs == own.records[-1].outputs
    other = (data["x"], {"output": data["y"], "a": 2 - data["y"], "box": data["box"]})
    train(tmp_path / "other", data=other)
    assert rows(tmp_path / "other")[0]["loss.a"] != runs[0][0]["loss.a"]


def test_a_head_that_asks_something_else_needs_labels_of_its_own(tmp_path: Path) -> None:
    data = arrays()
    with pytest.raises(UserError, match="no labels for `box`") as caught:
        train(tmp_path / "run", data=(data["x"], data["y"]))
    assert caught.value.code == "CNN845"


@pytest.mark.parametrize("head", ["x", "y"])
@pytest.mark.parametrize("loss", ["mse", "crossentropy"])
def test_no_head_learns_what_is_called_so_and_is_something_else(
    tmp_path: Path, head: str, loss: str
) -> None:
    spec = SPEC.replace("box", head).replace("dense 2", "dense 3").replace("mse", loss)
    data = arrays()
    numpy.savez(tmp_path / "data.npz", x=data["x"], y=data["y"])
    by_name = (data["x"], {"output": data["y"], head: data["x"][:, 0, 0, :3]})
    for given in (tmp_path / "data.npz", {"x": data["x"], "y": data["y"]}, by_name):
        with pytest.raises(UserError, match=f"of the head `{head}` would be `{head}`") as caught:
            train(tmp_path / "run", spec, given)  # type: ignore[arg-type]
        assert caught.value.code == "CNN845"


def test_labels_of_a_head_must_fit_it(tmp_path: Path) -> None:
    data = arrays()
    wrong = {**data, "a": data["y"] + 5}
    with pytest.raises(UserError, match="labels 0 to 2"):
        train(tmp_path / "run", data=wrong)
    with pytest.raises(UserError, match="but the loss takes"):
        train(tmp_path / "run", data={**data, "box": data["box"][:, :1].repeat(3, 1)})
    with pytest.raises(UserError, match="has 40 samples in `x`, but 39 labels in `box`"):
        train(tmp_path / "run", data={**data, "box": data["box"][1:]})


def test_what_is_wrong_with_the_labels_of_a_head_is_said_of_it(tmp_path: Path) -> None:
    data, shares = arrays(), SPEC.replace("loss a crossentropy", "loss a binarycrossentropy")

    def wrong(spec: str = SPEC, **arrays: Any) -> tuple[str, str]:
        with pytest.raises(UserError) as caught:
            train(tmp_path / "run", spec, {**data, **arrays})
        return str(caught.value), caught.value.help

    assert wrong(a=data["y"] * 2) == (
        "the labels for `a` in `arrays` go from 0 to 4, but `a` tells 3 classes apart:"
        " labels 0 to 2",
        "number the 3 different labels from 0 to 2: `numpy.unique(y, return_inverse=True)[1]`",
    )
    assert wrong(a=numpy.arange(40) % 5)[1] == "let `a` give 5 units"
    # Names in `classes` are those of the main output's classes.
    assert wrong(a=data["y"] - 1)[1] == "count the labels from 0: add 1"
    assert wrong(a=data["y"] / 2) == (
        "`arrays` has targets (floating-point numbers) for `a`, but the loss takes classes",
        "save the classes as whole numbers, or write `loss a mse` in the spec's recipe",
    )
    assert wrong(box=data["box"][:, [0, 0, 1]]) == (
        "the targets for `box` in `arrays` are `3` for each sample, but the loss takes `2`",
        "give labels of that shape, or let `box` answer in theirs",
    )
    assert wrong(shares, a=numpy.linspace(0, 2, 120).reshape(40, 3))[1].endswith(
        "or write `loss a mse` in the spec"
    )


def test_labels_by_name_need_the_main_outputs(tmp_path: Path) -> None:
    data = arrays()
    with pytest.raises(UserError, match="none are called `output`"):
        train(tmp_path / "run", data=(data["x"], {"box": data["box"]}))


def test_validation_needs_no_labels_of_a_head_that_only_training_has(tmp_path: Path) -> None:
    data = {**arrays(), "a": arrays()["y"]}
    valid = {name: one for name, one in data.items() if name != "a"}
    train(tmp_path / "run", data=data, valid={name: one[::2] for name, one in valid.items()})
    assert len(rows(tmp_path / "run")) == 2


def test_files_of_named_arrays_have_labels_for_heads(tmp_path: Path) -> None:
    data = arrays()
    parts = {"train": slice(0, 30), "val": slice(30, 40)}
    for pattern in ("{name}_{part}", "{part}_{name}"):
        words = {"x": "images", "y": "labels"} if pattern.startswith("{part}") else {}
        named = {
            pattern.format(name=words.get(name, name), part=part): one[where]
            for name, one in data.items()
            for part, where in parts.items()
        }
        file = tmp_path / f"{len(words)}.npz"
        numpy.savez(file, **named)
        run = tmp_path / f"run{len(words)}"
        train(run, data=file, valid=None)  # type: ignore[arg-type]
        assert "valid_loss.box" in rows(run)[0]


def test_a_weight_of_a_single_loss_scales_it(tmp_path: Path) -> None:
    spec = "input 1x6x6\nflatten -> dense 2\ntrain {\nbatch 10\nepochs 1\nloss mse weight 4\n}\n"
    data = arrays()
    train(tmp_path / "run", spec, (data["x"], data["box"]))
    (row,) = rows(tmp_path / "run")
    assert float(row["rmse"]) == pytest.approx((float(row["loss"]) / 4) ** 0.5, rel=1e-5)
    assert float(row["valid_rmse"]) == pytest.approx((float(row["valid_loss"]) / 4) ** 0.5)


def test_labels_of_places_move_along_for_every_head(tmp_path: Path) -> None:
    spec = """\
input 1x6x6
stem: conv 4@3 padding 1 -> relu
conv 2@1 -> mask: softmax
stem -> globalavgpool -> dense 3 -> softmax
output mask
train {
  batch 10
  epochs 1
  augment flip
  loss crossentropy
  loss mask crossentropy
}
"""
    data = arrays()
    masks = (data["x"][:, 0] > 0).astype(numpy.int64)
    train(tmp_path / "run", spec, (data["x"], {"output": data["y"], "mask": masks}))
    with pytest.raises(UserError, match="labels"):
        train(tmp_path / "no", spec, (data["x"], {"output": data["y"], "mask": masks[:, :3]}))


def test_labels_that_stay_for_the_sake_of_another_head_are_told_of(tmp_path: Path) -> None:
    heads = "stem -> mask: conv 2@3 padding 2\nstem -> globalavgpool"
    spec = SPEC.replace("stem -> globalavgpool", heads)
    spec = spec.replace("loss box", "augment flip FIXED\n  loss mask crossentropy\n  loss box")
    data = {**arrays(), "mask": (arrays()["x"][:, 0] > 0).astype(numpy.int64)}

    def notes(spec: str, **options: Any) -> list[str]:
        listener = _Reader()
        train(tmp_path / f"run{len(spec)}", spec, data, listener=listener, **options)
        return [note for note in listener.notes if "stay where samples are moved" in note]

    (note,) = notes(spec.replace("FIXED", "labels fixed"))
    assert note == (
        "the labels of `mask`, of the samples' size, stay where samples are moved (`flip`):"
        " `labels fixed` is said of every head"
    )
    moving = spec.replace("FIXED", "").replace("  loss box mse weight 2\n", "")
    assert notes(moving) == []


class _Reader(_Cutter):
    """Keeps the notes of a run."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @override
    def progress(self, progress: Any) -> None:
        pass

    @override
    def note(self, text: str) -> None:
        self.notes.append(text)


def test_the_line_of_an_epoch_has_every_head(tmp_path: Path) -> None:
    record = train(tmp_path / "run").records[0]
    line = epoch_line(record, 2)
    assert f"a {record.outputs['a']['loss']:.4f} / " in line
    assert "box " in line
    assert "a " not in epoch_line(record, 2, narrow=True).split("accuracy")[1][:8]
