"""A head that was trained for other classes is not taken, and one for the same is put in order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
from safetensors import safe_open
from training_runs import Array, ArrayData, Recorder, network, request, stripes

from cnndsl import pipeline
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.graph.weight_files import read_weights
from cnndsl.graph.weights import write_weights
from cnndsl.layers.base import Init
from cnndsl.pipeline import train
from cnndsl.runtime.fine_tuning import Start, start_from
from cnndsl.runtime.model import Model

DENSE = """input 2x6x6
{}
C1: conv 5@3 -> relu
flatten
F2: dense 3 -> softmax
"""

FULLY = """input 2x6x6
{}
C1: conv 5@3 -> relu
F2: conv 3@1 -> B: batchnorm -> leakyrelu -> D: depthwise 3
globalavgpool
softmax
"""

GROUPED = """input 3x6x6
{}
C1: conv 6@3 -> relu
F2: conv 3@1 groups 3
globalavgpool
softmax
"""


def typed(body: str, *classes: str) -> TypedNetwork:
    names = ", ".join(f'"{name}"' for name in classes)
    return network("batch 2", body.format(f"classes {names}" if classes else ""))


def drawn(body: str, seed: int) -> dict[str, Array]:
    weights = initialise(typed(body), seed, Init("normal", 0.5))
    random = numpy.random.default_rng(seed)
    # Biases and statistics that tell rows apart.
    return {
        name: random.uniform(0.5, 1.5, array.shape).astype(numpy.float32)
        if array.ndim == 1
        else array
        for name, array in weights.items()
    }


def begin(folder: Path, body: str, theirs: tuple[str, ...], ours: tuple[str, ...]) -> Start:
    path = folder / "w.safetensors"
    write_weights(path, drawn(body, 1), {"classes": json.dumps(theirs)})
    return start_from(path, drawn(body, 2), typed(body, *ours))


# --- other classes ----------------------------------------------------------------------------


def test_a_head_of_other_classes_begins_anew_and_that_is_said(tmp_path: Path) -> None:
    start = begin(tmp_path, DENSE, ("cat", "dog", "cow"), ("cat", "dog", "car"))
    old, fresh = drawn(DENSE, 1), drawn(DENSE, 2)
    for name, array in start.weights.items():
        assert (array == (fresh if name.startswith("F2") else old)[name]).all()
    path = tmp_path / "w.safetensors"
    assert list(start.notes(path)) == [
        f"2 of 4 weights are taken from `{path}`",
        "of other classes in the file (such as `cow`), so they begin anew: `F2.weight`, `F2.bias`",
    ]


def test_all_of_a_convolutional_head_begins_anew(tmp_path: Path) -> None:
    start = begin(tmp_path, FULLY, ("a", "b", "c"), ("x", "y", "z"))
    assert set(start.taken) == {"C1.weight", "C1.bias"}
    fresh = drawn(FULLY, 2)
    assert all((start.weights[f"{n}"] == fresh[n]).all() for n in fresh if not n.startswith("C1"))


def test_without_names_on_either_side_everything_is_taken(tmp_path: Path) -> None:
    for theirs, ours in (((), ("a", "b", "c")), (("a", "b", "c"), ()), (("a", "b", "c"),) * 2):
        start = begin(tmp_path, DENSE, theirs, ours)
        assert len(start.taken) == 4
        assert len(list(start.notes("w"))) == 1


# --- the same classes in another order --------------------------------------------------------


@pytest.mark.parametrize("body", [DENSE, FULLY])
def test_rows_in_another_order_give_the_same_answers_in_that_order(
    tmp_path: Path, body: str
) -> None:
    theirs, ours = ("a", "b", "c"), ("c", "a", "b")
    start = begin(tmp_path, body, theirs, ours)
    assert start.reordered
    write_weights(tmp_path / "new.safetensors", start.weights, {})
    before = pipeline.compile(typed(body, *theirs), weights=tmp_path / "w.safetensors")
    after = pipeline.compile(typed(body, *ours), weights=tmp_path / "new.safetensors")
    x = numpy.random.default_rng(0).normal(size=(7, 2, 6, 6)).astype(numpy.float32)
    old, new = (Model(one, device="cpu").run(x) for one in (before, after))
    assert (numpy.ptp(old, axis=1) > 0.05).any()
    for at, name in enumerate(ours):
        assert numpy.allclose(new[:, at], old[:, theirs.index(name)], atol=1e-6)
    notes = list(start.notes("w"))
    assert notes[1].startswith("for the same classes in another order in the file")
    assert "`F2.weight`" in notes[1]


def test_where_rows_are_not_classes_the_head_begins_anew(tmp_path: Path) -> None:
    """Each filter of groups sees other channels: elsewhere it would be another one."""
    start = begin(tmp_path, GROUPED, ("a", "b", "c"), ("c", "a", "b"))
    assert not start.reordered
    assert set(start.foreign) == {"`F2.weight`", "`F2.bias`"}


# --- whole runs -------------------------------------------------------------------------------


def striped(*classes: str) -> ArrayData:
    return stripes(30, classes=classes)


BODY = """input 1x6x6
classes {}
C1: conv 3@3x3 -> relu
flatten
F2: dense 3 -> softmax
"""


def run(folder: Path, *classes: str, weights: Path | None = None) -> Recorder:
    names = ", ".join(f'"{name}"' for name in classes)
    listener = Recorder()
    train(
        request(
            folder,
            network=network("optimizer sgd lr 0.1; batch 8; epochs 1", BODY.format(names)),
            data=striped(*classes),
            valid=striped(*classes),
            weights=weights,
        ),
        listener,
    )
    return listener


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors", "model.onnx"])
def test_what_a_run_writes_says_its_classes(tmp_path: Path, name: str) -> None:
    run(tmp_path / "a", "low", "middle", "grün")
    path = tmp_path / "a" / name
    if name.endswith("safetensors"):
        with safe_open(path, "numpy") as file:
            assert json.loads(file.metadata()["classes"]) == ["low", "middle", "grün"]
    same = run(tmp_path / "b", "low", "middle", "grün", weights=path)
    assert same.notes == [f"4 of 4 weights are taken from `{path}`"]
    other = run(tmp_path / "c", "low", "middle", "blau", weights=path)
    assert other.notes[0] == f"2 of 4 weights are taken from `{path}`"
    assert "(such as `grün`)" in other.notes[1]


def test_a_compiled_model_is_as_good_as_its_weights(tmp_path: Path) -> None:
    run(tmp_path / "a", "x", "y", "z")
    best, model = tmp_path / "a/best.safetensors", tmp_path / "a/model.onnx"
    mine = network("batch 8", BODY.format('"x", "y", "z"'))
    one, other = (read_weights(path, mine) for path in (best, model))
    assert list(one) == list(other)
    assert all((one[name] == other[name]).all() for name in one)
