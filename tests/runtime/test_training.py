"""What a caller of `cnndsl.train` gets, and what its options do."""

from pathlib import Path

import numpy
import pytest

import cnndsl
from cnndsl.runtime.events import EpochRecord, Outcome, Progress, Start

SPEC = """\
network tiny
input 1x4x4
classes "dark", "light"
flatten
OUTPUT: dense 2 -> softmax
train {
  optimizer sgd lr 0.1
  batch 8
  epochs 2
}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.cnn").write_text(SPEC)
    x = numpy.random.default_rng(1).normal(size=(40, 1, 4, 4)).astype(numpy.float32)
    numpy.savez("data.npz", x=x, y=(x.sum(axis=(1, 2, 3)) > 0).astype(numpy.int64))


class Watch:
    """An object with the methods that listeners had before there were ``best`` and ``close``."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def start(self, start: Start) -> None:
        self.seen.append(f"start {start.samples}")

    def progress(self, progress: Progress) -> None: ...

    def epoch(self, record: EpochRecord) -> None:
        self.seen.append(f"epoch {record.epoch}")

    def note(self, text: str) -> None: ...

    def end(self, outcome: Outcome) -> None:
        self.seen.append(outcome.how)


def test_training_gives_a_model_records_and_an_evaluation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    training = cnndsl.train("tiny.cnn", "data.npz", valid=0.25, out="x", device="cpu")
    assert (training.how, training.folder) == ("finished", Path("x"))
    assert [record.epoch for record in training.records] == [1, 2]
    assert training.best in training.records
    evaluation = training.evaluation
    assert evaluation is not None
    assert training.best is not None
    assert evaluation.count == 10
    assert evaluation.top1 == training.best.valid_accuracy
    assert evaluation.loss == pytest.approx(training.best.valid_loss)
    assert training.model.classes == ("dark", "light")
    assert training.model.run(numpy.zeros((3, 1, 4, 4), numpy.float32)).shape == (3, 2)
    assert capsys.readouterr() == ("", "")


def test_without_validation_there_is_no_evaluation() -> None:
    training = cnndsl.train("tiny.cnn", "data.npz", device="cpu")
    assert training.evaluation is None
    assert training.folder == Path("runs/tiny")


def test_a_listener_is_told() -> None:
    watch = Watch()
    cnndsl.train("tiny.cnn", "data.npz", watch, valid=0.25, device="cpu")  # type: ignore[arg-type]
    assert watch.seen == ["start 30", "epoch 1", "epoch 2", "finished"]


def test_own_options_go_before_settings() -> None:
    training = cnndsl.load("tiny.cnn").train(
        "data.npz", epochs=1, settings=["train.epochs=9", "train.optimizer.lr=0.5"], device="cpu"
    )
    (record,) = training.records
    assert record.lr == 0.5
    recipe = training.network.network.recipe
    assert recipe is not None
    assert recipe.epochs == 1


def test_a_run_is_resumed_with_yes_or_with_words() -> None:
    cnndsl.train("tiny.cnn", "data.npz", device="cpu")
    with pytest.raises(cnndsl.UserError) as caught:
        cnndsl.train("tiny.cnn", "data.npz", device="cpu")
    assert caught.value.code == "CNN810"
    longer = cnndsl.train("tiny.cnn", "data.npz", epochs=3, resume=True, device="cpu")
    again = cnndsl.train("tiny.cnn", "data.npz", epochs=3, resume="previous", device="cpu")
    assert [len(longer.records), len(again.records)] == [3, 3]
    assert longer.records[-1].loss == again.records[-1].loss


def test_a_network_is_loaded_from_a_compiled_model_and_evaluated_with_it() -> None:
    training = cnndsl.train("tiny.cnn", "data.npz", valid=0.25, device="cpu")
    path = training.folder / "model.onnx"
    network = cnndsl.load(path)
    assert network.text == (training.folder / "spec.cnn").read_text()
    found = network.evaluate("data.npz", path, valid=0.25, device="cpu")
    assert training.evaluation is not None
    assert found.loss == training.evaluation.loss
    of_file = network.evaluate(
        "data.npz", training.folder / "best.safetensors", valid=0.25, device="cpu"
    )
    assert of_file.loss == found.loss


def test_a_compiled_model_takes_no_parameters() -> None:
    training = cnndsl.train("tiny.cnn", "data.npz", epochs=1, device="cpu")
    with pytest.raises(cnndsl.UserError, match="parameters are settled"):
        cnndsl.load(training.folder / "model.onnx", width=3)


def test_an_option_that_there_is_not_is_refused(tmp_path: Path) -> None:
    network = cnndsl.parse("network t\ninput 1x4x4\nflatten\ndense 2\n")
    with pytest.raises(TypeError, match="no option `epoch`"):
        network.train("data.npz", epoch=3, out=tmp_path / "run")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="at least one"):
        network.train("data.npz", keep=0, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
