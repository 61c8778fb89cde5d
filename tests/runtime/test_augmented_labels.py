"""Training with moved samples learns their labels at the places where these are then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from training_runs import Array, ArrayData, Recorder, network, refused, request

from cnndsl.pipeline import train

CLASSES = "input 1x8x8\nconv 8@3 padding 1 -> relu -> conv 2@1 -> softmax\n"
NUMBERS = "input 1x8x8\nconv 8@3 padding 1 -> relu -> conv 1@1 -> sigmoid\n"
SETTINGS = "optimizer adam lr 0.02; batch 16; epochs 12"


def pictures(count: int = 96) -> tuple[Array, Array]:
    """Noise with bright cells, and where these are."""
    random = numpy.random.default_rng(3)
    masks = random.random((count, 8, 8)) < 0.5
    noise = random.normal(0, 0.2, (count, 1, 8, 8))
    return (noise + 2 * masks[:, None]).astype(numpy.float32), masks


def accuracy(folder: Path, body: str, settings: str, **answers: Any) -> float:
    """That of the last epoch on samples that are not augmented."""
    x, _ = pictures()
    data = ArrayData({"input": x}, **answers)
    wanted = request(folder, network=network(settings, body), data=data, valid=data)
    last = train(wanted, Recorder()).records[-1]
    assert last.valid_accuracy is not None
    return last.valid_accuracy


@pytest.mark.parametrize(
    "change", ["flip probability 1", "flip both -> shift 2", "crop padding 2", "rotate 180"]
)
def test_masks_of_classes_are_learnt_from_moved_pictures(tmp_path: Path, change: str) -> None:
    labels = pictures()[1].astype(numpy.int64)
    assert accuracy(tmp_path, CLASSES, f"{SETTINGS}; augment {change}", labels=labels) > 0.95


@pytest.mark.parametrize("loss", ["mse", "binarycrossentropy"])
def test_masks_of_numbers_are_learnt_from_moved_pictures(tmp_path: Path, loss: str) -> None:
    settings = f"{SETTINGS}; loss {loss}; augment flip probability 1"
    x, masks = pictures()
    data = ArrayData({"input": x}, targets=masks[:, None].astype(numpy.float32))
    body = NUMBERS if loss == "binarycrossentropy" else NUMBERS.replace(" -> sigmoid", "")
    wanted = request(tmp_path, network=network(settings, body), data=data, valid=data)
    last = train(wanted, Recorder()).records[-1]
    assert last.valid_loss is not None
    # A network that knows nothing has 0.25 and 0.69.
    assert last.valid_loss < (0.1 if loss == "mse" else 0.2)


def test_it_is_said_that_labels_move(tmp_path: Path) -> None:
    x, masks = pictures(20)
    data = ArrayData({"input": x}, labels=masks.astype(numpy.int64))
    listener = Recorder()
    settings = "batch 8; epochs 1; augment shift 2 -> noise"
    train(request(tmp_path, network=network(settings, CLASSES), data=data), listener)
    assert listener.notes[0] == (
        "the labels of `arrays` move along with the samples (`shift`);"
        " what comes in from outside has the label 0"
    )


def test_coordinates_are_refused_before_training_unless_they_are_said_to_stay(
    tmp_path: Path,
) -> None:
    x, _ = pictures(20)
    boxes = numpy.random.default_rng(0).uniform(0, 8, (20, 4)).astype(numpy.float32)
    data = ArrayData({"input": x}, targets=boxes)
    body = "input 1x8x8\nflatten -> dense 4\n"
    settings = "loss mse; batch 8; epochs 1; augment flip"
    error = refused(request(tmp_path, network=network(settings, body), data=data), "CNN830")
    assert "targets, 4 numbers each" in error.message
    listener = Recorder()
    fixed = network(f"{settings} labels fixed", body)
    train(request(tmp_path, network=fixed, data=data), listener)
    assert not [note for note in listener.notes if "move along" in note]


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        ("conv 1@2 stride 2 -> sigmoid -> flatten", "mask"),
        ("conv 1@2 stride 2 -> flatten -> sigmoid", "mask"),
        ("conv 1@2 stride 2 -> flatten", "mask"),
        ("conv 1@1 -> sigmoid -> flatten", "whole mask"),
        ("conv 1@2 stride 2 -> flatten -> softmax", "place"),
    ],
)
def test_labels_of_places_row_by_row_are_refused_whatever_their_size(
    tmp_path: Path, body: str, labels: str
) -> None:
    x, masks = pictures(20)
    coarse = masks[:, ::2, ::2].reshape(20, 16)
    data = {
        "mask": ArrayData({"input": x}, targets=coarse.astype(numpy.float32)),
        "whole mask": ArrayData({"input": x}, targets=masks.reshape(20, 64).astype(numpy.float32)),
        "place": ArrayData({"input": x}, labels=numpy.arange(20) % 16),
    }[labels]
    loss = "crossentropy" if labels == "place" else "binarycrossentropy"
    settings = f"loss {loss}; batch 8; epochs 1; augment flip"
    spec = f"input 1x8x8\n{body}\n"
    error = refused(request(tmp_path, network=network(settings, spec), data=data), "CNN830")
    assert "belong to the places of a" in error.message
    fixed = network(f"{settings} labels fixed", spec)
    assert train(request(tmp_path, network=fixed, data=data), Recorder()).records


def test_a_vector_behind_dense_stays_and_that_is_said(tmp_path: Path) -> None:
    x, masks = pictures(20)
    data = ArrayData({"input": x}, targets=masks[:, 0].astype(numpy.float32))
    settings = "loss binarycrossentropy; batch 8; epochs 1; augment flip"
    spec = "input 1x8x8\nconv 8@8 -> flatten -> dense 8 -> sigmoid\n"
    listener = Recorder()
    train(request(tmp_path, network=network(settings, spec), data=data), listener)
    assert "8 zeros and ones each, stay" in listener.notes[0]
