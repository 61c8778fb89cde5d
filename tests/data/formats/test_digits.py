"""Scikit-learn's digits."""

import sys
from pathlib import Path

import numpy
import pytest
from sklearn.datasets import load_digits
from training_data import complaint, model_input

from cnndsl.data.dataset import open_dataset
from cnndsl.diagnostics.model import UserError

GRAY = model_input(1, 32, 32, scale=1 / 255)


def test_every_count_is_drawn_over_its_block() -> None:
    data = open_dataset("digits", [GRAY])
    assert len(data) == 1797
    counts = load_digits().images
    values = data.read(numpy.arange(1797))["input"]
    blocks = values.reshape(1797, 8, 4, 8, 4)
    assert (blocks.min(axis=(2, 4)) == blocks.max(axis=(2, 4))).all()
    assert numpy.abs(blocks[:, :, 0, :, 0] - counts / 16).max() <= 0.5 / 255 + 1e-6
    assert values.max() == 1


def test_labels_are_the_digits() -> None:
    data = open_dataset("digits", [GRAY])
    assert data.classes == tuple("0123456789")
    assert data.labels is not None
    assert (data.labels == load_digits().target).all()
    assert data.name_of(5) == "digits[5]"
    assert open_dataset("digits", [GRAY], classes=["zero", "one"]).label_of(1) == "one"


def test_they_are_fitted_as_the_spec_says() -> None:
    padded = open_dataset("digits", [model_input(1, 36, 36, fit="pad")]).read(numpy.arange(9))
    whole = open_dataset("digits", [model_input(1, 32, 32)]).read(numpy.arange(9))
    assert (padded["input"][:, :, 2:34, 2:34] == whole["input"]).all()


def test_without_scikit_learn_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with complaint(
        "CNN801",
        "the digits come with scikit-learn, which is not installed",
        'install it: `pip install "cnndsl[digits]"`',
    ):
        open_dataset("digits", [GRAY])


def test_a_folder_of_that_name_must_be_told_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    with complaint(
        "CNN801",
        "`digits` means scikit-learn's digits, but there is a file or folder of that name",
        "write `./digits` for what is there, or give it another name",
    ):
        open_dataset("digits", [GRAY])


def test_they_have_no_part_for_validation() -> None:
    with complaint(
        "CNN801",
        "`digits` has no part for validation: there is no division into parts",
        "name data that has this part",
    ):
        open_dataset("digits", [GRAY], split="valid")


def test_a_folder_that_training_wrote_is_no_data_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "digits"
    run.mkdir()
    for name in ("command.txt", "model.onnx"):
        with pytest.raises(UserError, match="there is a file or folder of that name"):
            open_dataset("digits", [GRAY])
        (run / name).touch()
    assert len(open_dataset("digits", [GRAY])) == 1797
