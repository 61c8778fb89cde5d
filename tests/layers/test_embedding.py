"""Embeddings: values and gradients against PyTorch, padding, ids that the vocabulary lacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from layer_oracle import compare_with_torch
from training_steps import StepTrainer

import cnndsl
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.layers.embedding import Embedding
from cnndsl.pipeline import check_text, typed
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.model import Model
from cnndsl.training.step import build_step
from cnndsl.types import DType, TensorType

torch: Any = pytest.importorskip("torch")

SENTENCES = """\
input tokens 6 vocabulary 20
embedding 5 layout image padding_id 0     => 1x6x5
conv 4@[3, 5] -> relu -> globalmaxpool -> dense 2 -> softmax
train {
    loss crossentropy
    optimizer sgd lr 0.5 momentum 0.9
    batch 4
    epochs 1
}
"""


def tokens(*dims: int, vocabulary: int = 7) -> TensorType:
    return TensorType(dims, DType.INT64, vocabulary)


def looked_up(layout: str, padding: int | None = None) -> Any:
    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        rows = torch.nn.functional.embedding(inputs[0], weights["weight"], padding_idx=padding)
        return rows.movedim(-1, 1) if layout == "signal" else rows.unsqueeze(1)

    return oracle


@pytest.mark.parametrize("padding", [None, 0, 3])
@pytest.mark.parametrize(
    ("layout", "dims"), [("signal", (9,)), ("image", (9,)), ("signal", (4, 3))]
)
def test_values_and_gradients_are_those_of_pytorch(
    layout: Any, dims: tuple[int, ...], padding: int | None
) -> None:
    layer = Embedding(size=4, layout=layout, padding_id=padding)
    oracle = looked_up(layout, padding)
    compare_with_torch(layer, [tokens(*dims)], oracle, lower=layer.lower_training)
    compare_with_torch(Embedding(size=4, layout=layout), [tokens(*dims)], looked_up(layout))


def test_a_table_has_a_row_for_each_id_and_that_of_the_padding_begins_at_zero() -> None:
    network = typed(check_text(SENTENCES))
    (table,) = network.weights[1]
    assert (table.shape, table.init) == ((20, 5), Init("uniform", 0.25))
    drawn = initialise(network, 0, Init("he"))["embedding1.weight"]
    assert not drawn[0].any()
    assert drawn[1:].all()
    assert 0.2 < abs(drawn).max() <= 0.25


def test_training_leaves_the_paddings_row_and_learns_the_others() -> None:
    network = typed(check_text(SENTENCES))
    recipe = network.network.recipe or Recipe()
    weights = initialise(network, 0, recipe.init)
    trainer = StepTrainer(build_step(network, recipe), weights)
    ids = numpy.tile([[0, 1, 2, 2, 0, 3]], (4, 1))
    for _ in range(5):
        trainer.step({"input": ids}, numpy.array([0, 1, 0, 1]), 0.5)
    moved = abs(trainer.values["embedding1.weight"] - weights["embedding1.weight"]).max(axis=1)
    assert [*numpy.flatnonzero(moved)] == [1, 2, 3]


def test_a_frozen_table_does_not_learn() -> None:
    text = SENTENCES.replace("epochs 1", "epochs 1\n    freeze embedding1")
    network = typed(check_text(text))
    step = build_step(network, network.network.recipe or Recipe())
    assert "embedding1.weight" in step.signature.weights
    assert "embedding1.weight" not in step.signature.updated


# --- what it cannot do ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input 3x8x8\nembedding 5", "`embedding` looks up token ids, but its input 3x8x8 are"),
        ("input tokens 4x5 vocabulary 9\nembedding 5 layout image", "lays a row of tokens out"),
        ("input tokens 4 vocabulary 9\nembedding 5 padding_id 9", "none of the vocabulary's 9 ids"),
    ],
)
def test_faults_say_what_is_wrong(text: str, message: str) -> None:
    (problem,) = check_text(f"{text}\n").diagnostics
    assert message in problem.message


def test_the_help_for_token_ids_without_an_embedding_works() -> None:
    text = "input tokens 56 vocabulary 20000\n{}conv 8@3\n"
    (problem,) = check_text(text.format("")).diagnostics
    assert "put `embedding 300` before it" in problem.help
    assert check_text(text.format("embedding 300 -> ")).diagnostics == ()


# --- ids --------------------------------------------------------------------------------------


@pytest.fixture
def model() -> Model:
    return cnndsl.parse(SENTENCES).compile(device="cpu")


@pytest.mark.parametrize("wrong", [20, -1, 2**40])
def test_a_foreign_id_is_refused_when_it_is_run(model: Model, wrong: int, tmp_path: Path) -> None:
    ids = numpy.ones((3, 6), numpy.int64)
    assert model.run(ids).shape == (3, 2)
    ids[1, 4] = wrong
    what = f"holds the token id {wrong} at 4, but the vocabulary of `input` has 20 ids: 0 to 19"
    with pytest.raises(UserError, match=rf"the array\[1\]` does not fit: it {what}"):
        model.run(ids)
    numpy.save(tmp_path / "ids.npy", ids)
    with pytest.raises(UserError, match=rf"ids.npy\[1\]` does not fit: it {what}"):
        list(model.predict(tmp_path / "ids.npy"))
    broken: list[UserError] = []
    left = list(model.predict(tmp_path / "ids.npy", on_broken=broken.append))
    assert (len(left), len(broken)) == (2, 1)


def test_ids_of_any_whole_type_give_the_same(model: Model) -> None:
    ids = numpy.arange(12).reshape(2, 6)
    expected = model.run(ids)
    for dtype in ("uint8", "int16", "uint64"):
        assert (model.run(ids.astype(dtype)) == expected).all()
    with pytest.raises(UserError, match="holds the token id 9223372036854775807 at 0"):
        model.run(numpy.full(6, 2**64 - 1, numpy.uint64))


def test_a_model_knows_its_vocabulary_from_its_file(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model.onnx")
    again = Model(tmp_path / "model.onnx", device="cpu")
    assert again.manifest.vocabularies == {"input": 20}
    assert again.inputs[0].type == tokens(6, vocabulary=20)
    with pytest.raises(UserError, match="vocabulary of `input` has 20 ids"):
        again.run(numpy.full(6, 20))


def test_foreign_ids_are_found_before_training_begins(tmp_path: Path) -> None:
    ids, labels = numpy.ones((30, 6), int), numpy.arange(30) % 2
    ids[7, 2], ids[29, 5] = 20, -3
    numpy.savez(tmp_path / "data.npz", x=ids, y=labels)
    spec = tmp_path / "sentences.cnn"
    spec.write_text(SENTENCES)
    with pytest.raises(UserError, match="2 of 30 samples") as raised:
        cnndsl.load(spec).train(tmp_path / "data.npz", out=tmp_path / "run", device="cpu")
    assert "[7]`: it holds the token id 20 at 2" in raised.value.notes[0]
    assert "[29]`: it holds the token id -3 at 5" in raised.value.notes[1]


def test_tokens_may_be_one_of_several_inputs() -> None:
    text = """\
input words tokens 6 vocabulary 20
input picture 1x4x4
words -> embedding 3 -> a: globalmaxpool
picture -> conv 3@3 -> b: globalavgpool
add(a, b) -> dense 2 -> softmax
"""
    model = cnndsl.parse(text).compile(device="cpu")
    given = {"words": numpy.ones((2, 6), int), "picture": numpy.zeros((2, 1, 4, 4), numpy.float32)}
    assert model.run(given).shape == (2, 2)
    given["words"][1, 0] = 20
    with pytest.raises(UserError, match="the vocabulary of `words` has 20 ids"):
        model.run(given)
