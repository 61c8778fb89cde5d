"""``run`` and ``eval`` of several workers give what one process gives, to the byte."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy
import pytest
from launched import Started, need_mpi
from training_data import write_picture

import cnndsl
from cnndsl.cli.scores_json import as_json
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.inference import Paths
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.runtime.workers.threads import together

SPEC = """\
network small
input 1x8x8
conv 4@3x3 -> relu -> maxpool 2x2 -> flatten -> dense 3 -> softmax
train { loss crossentropy }
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, and a folder of pictures and arrays, of which some are broken."""
    folder = tmp_path_factory.mktemp("answering")
    (folder / "small.cnn").write_text(SPEC)
    for seed in (1, 2):
        network = cnndsl.load(folder / "small.cnn")
        network.compile(seed=seed).save(folder / f"{seed}.onnx")
    draw, numbers = random.Random(5), numpy.random.default_rng(5)
    for kind in ("a", "b", "c"):
        (folder / "pictures" / kind).mkdir(parents=True)
        for at in range(9):
            write_picture(folder / "pictures" / kind / f"{at}.png", [[draw.randrange(256)] * 8] * 8)
    (folder / "pictures" / "a" / "4.png").write_bytes(b"no picture")
    floats = numbers.random((7, 1, 8, 8), dtype="float32")
    numpy.save(folder / "pictures" / "d.npy", floats)
    whole = (folder / "pictures" / "d.npy").read_bytes()
    (folder / "pictures" / "e.npy").write_bytes(whole[:-300])
    numpy.savez_compressed(folder / "pictures" / "f.npz", input=floats)
    labels = numbers.integers(0, 3, 40)
    numpy.savez(folder / "labelled.npz", x=numbers.random((40, 1, 8, 8), dtype="float32"), y=labels)
    return folder


Answered = tuple[list[tuple[str, Path, dict[str, bytes]]], list[str], list[str]]


def answered(
    model: cnndsl.Model | cnndsl.Ensemble, paths: Paths, workers: Communicator
) -> Answered:
    """All that comes out, the answers as bytes."""
    broken: list[str] = []
    notes: list[str] = []
    found = [
        (one.name, one.source, {name: array.tobytes() for name, array in one.outputs.items()})
        for one in model.predict(
            paths,
            batch=4,
            on_broken=lambda error: broken.append(error.message),
            tell=notes.append,
            workers=workers,
        )
    ]
    return found, broken, notes


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("several", [False, True])
def test_predictions_are_those_of_one(place: Path, count: int, several: bool) -> None:
    paths = [place / "pictures", place / "pictures" / "b" / "3.png"]

    def ask(workers: Communicator) -> Answered:
        models = [cnndsl.Model(place / f"{seed}.onnx", device="cpu") for seed in (1, 2)]
        return answered(cnndsl.Ensemble(models) if several else models[0], paths, workers)

    alone = ask(ALONE)
    first, *others = together(count, ask)
    assert first == alone
    assert others == [([], [], [])] * (count - 1)
    found, broken, _ = alone
    assert len(found) == 26 + 7 + 5 + 7 + 1
    assert len(broken) == 2


def test_an_error_of_one_is_that_of_all(place: Path) -> None:
    def ask(workers: Communicator) -> str:
        model = cnndsl.Model(place / "1.onnx", device="cpu")
        with pytest.raises(UserError) as caught:
            list(model.predict(place / "pictures", batch=2, workers=workers))
        return caught.value.message

    alone = ask(ALONE)
    assert "a/4.png" in alone
    assert together(3, ask) == [alone] * 3


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("names", [("1",), ("1", "2")])
@pytest.mark.parametrize("flip", [False, True])
def test_measures_are_those_of_one(
    place: Path, count: int, names: tuple[str, ...], flip: bool
) -> None:
    models = [place / f"{name}.onnx" for name in names]

    def measured(workers: Communicator) -> object:
        found = cnndsl.evaluate(
            models, place / "labelled.npz", batch=6, flip=flip, workers=workers, device="cpu"
        )
        return as_json(found)

    alone = measured(ALONE)
    assert together(count, measured) == [alone] * count


def test_workers_with_another_model_are_told(place: Path) -> None:
    def measured(workers: Communicator) -> str:
        model = place / f"{workers.worker.rank + 1}.onnx"
        given = (cnndsl.load(place / "small.cnn"), model, "the model")
        with pytest.raises(UserError) as caught:
            cnndsl.evaluate([given], place / "labelled.npz", workers=workers, device="cpu")
        assert caught.value.code == "CNN878"
        return caught.value.message

    first, second = together(2, measured)
    assert first == second
    assert " measures something else than worker 0 on " in first
    assert "the fingerprint of the model `the model` is `" in first


@pytest.mark.parametrize("several", [False, True])
def test_a_list_is_not_answered_by_different_models(place: Path, several: bool) -> None:
    def asked(workers: Communicator) -> str:
        own = place / f"{workers.worker.rank + 1}.onnx"
        ensemble = cnndsl.Ensemble([place / "1.onnx", own], device="cpu")
        model = ensemble if several else cnndsl.Model(own, device="cpu")
        with pytest.raises(UserError) as caught:
            list(model.predict(place / "pictures" / "b", workers=workers))
        assert caught.value.code == "CNN878"
        return caught.value.message

    first, second = together(2, asked)
    assert first == second
    number = 2 if several else 1
    assert " asks another model than worker 0 on " in first
    assert f": the fingerprint of model {number} is `" in first


# --- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["run", "1.onnx", "pictures", "--skip-broken", "--batch", "4", "-o", "out.npz"],
        ["run", "1.onnx", "pictures", "--batch", "4", "--format", "json"],
        ["eval", "1.onnx", "2.onnx", "--data", "labelled.npz", "--batch", "6"],
    ],
)
def test_commands_write_the_same_bytes(place: Path, words: list[str]) -> None:
    need_mpi()
    found = []
    for workers in ([], ["--workers", "3"]):
        command = [sys.executable, "-m", "cnndsl", *words, *workers]
        with Started(command, folder=place) as job:
            ended = job.end()
        written = (place / "out.npz").read_bytes() if "out.npz" in words else b""
        found.append((*ended, written))
    assert found[0] == found[1]
    assert found[0][0] == (1 if "json" in words else 0)
    assert found[0][1]
