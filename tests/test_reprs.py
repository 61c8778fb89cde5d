"""What the API hands out shows itself in one short line."""

from pathlib import Path

import numpy
import pytest

import cnndsl

SPEC = """network tiny
input 1x4x4
classes "a", "b"
flatten -> dense 2 -> softmax
train { epochs 30 }
"""


def is_short(shown: object) -> bool:
    text = repr(shown)
    return len(text) <= 160 and "\n" not in text and text.startswith("<")


def test_what_describes_a_network_is_short() -> None:
    network = cnndsl.load("resnet152")
    for shown in (network, network.summary()):
        assert is_short(shown), repr(shown)[:500]
    assert "11,689,512 parameters" in repr(cnndsl.load("resnet18").summary())


def test_diagnostics_are_short_whatever_the_text() -> None:
    text = "input 1x8x8\n" + "relu\n" * 5000 + "dens 3\ndens 4\n"
    first, *_ = cnndsl.check(text)
    assert repr(first).endswith("there is no layer or block `dens`>")
    assert is_short(first)
    with pytest.raises(cnndsl.CompileError) as caught:
        cnndsl.parse(text)
    assert repr(caught.value) == f"<CompileError: {first!r} and 1 more>"


def test_models_and_their_answers_are_short(tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", numpy.zeros((1, 4, 4), numpy.float32))
    model = cnndsl.parse(SPEC).compile(device="cpu", seed=1)
    [prediction] = model.predict([tmp_path / "x.npy"], layers=["flatten1"])
    for shown in (model, model.manifest, prediction):
        assert is_short(shown) or len(str(tmp_path)) > 50, repr(shown)[:500]
    assert "output 2, best a (0.5)" in repr(prediction)


def test_trainings_are_short(tmp_path: Path) -> None:
    x = numpy.zeros((12, 1, 4, 4), numpy.float32)
    numpy.savez(tmp_path / "data.npz", x=x, y=numpy.arange(12) % 2)
    training = cnndsl.parse(SPEC).train(tmp_path / "data.npz", out=tmp_path / "run", device="cpu")
    assert is_short(training), repr(training)[:500]
    assert repr(training).startswith("<Training of tiny: finished after 30 epochs, the best is ")
    assert is_short(training.model)


def test_evaluations_are_short(tmp_path: Path) -> None:
    network = cnndsl.parse(SPEC)
    network.compile(device="cpu", seed=1).save(tmp_path / "a.onnx")
    x = numpy.zeros((12, 1, 4, 4), numpy.float32)
    evaluation = network.evaluate((x, numpy.arange(12) % 2), tmp_path / "a.onnx", device="cpu")
    assert repr(evaluation) == "<Evaluation of 12 samples: loss 0.6931, top1 0.5>"


def test_the_network_of_a_training_is_short() -> None:
    from cnndsl.pipeline import load

    network = load("resnet152")
    assert repr(network) == f"<TypedNetwork resnet152: {len(network.network.nodes)} nodes>"
