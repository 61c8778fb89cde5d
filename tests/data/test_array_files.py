"""Archives of labelled samples, read for answers: the samples that ``eval`` takes, the same way."""

from pathlib import Path

import numpy
import pytest
from training_data import model_input, noise

from cnndsl.data.array_files import read_npz
from cnndsl.data.dataset import open_dataset
from cnndsl.diagnostics.model import UserError


@pytest.mark.parametrize(
    ("arrays", "taken"),
    [
        (("x", "y"), "x"),
        (("x_train", "y_train", "x_test", "y_test"), "x_test"),
        (
            ("train_images", "train_labels", "val_images", "val_labels", "test_images"),
            "test_images",
        ),
        (("train_images", "train_labels", "val_images", "val_labels"), "val_images"),
    ],
)
@pytest.mark.parametrize("shape", [(9, 9), (9, 9, 3), (3, 9, 9), (6, 6)], ids=str)
def test_labelled_samples_are_those_of_eval(
    tmp_path: Path, arrays: tuple[str, ...], taken: str, shape: tuple[int, ...]
) -> None:
    file = tmp_path / "chest.npz"
    samples = {
        name: noise(4, *shape, seed=at) if name[0] == "x" or "images" in name else noise(4) % 2
        for at, name in enumerate(arrays)
    }
    samples.setdefault(taken.replace("images", "labels"), noise(4) % 2)
    numpy.savez_compressed(file, **samples)  # type: ignore[arg-type]
    for channels in (1, 3):
        one = model_input(channels, 6, 6, scale=1 / 255)
        read = list(read_npz(file, [one]))
        assert [name for name, _ in read] == [f"{file}:{taken}[{at}]" for at in range(4)]
        expected = open_dataset(file, [one], split="test").read(numpy.arange(4))["input"]
        assert (numpy.stack([take()["input"] for _, take in read]) == expected).all()


def test_an_array_named_after_the_input_comes_first(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", input=noise(2, 6, 6), x=noise(3, 6, 6), y=noise(3))
    assert len(list(read_npz(tmp_path / "a.npz", [model_input(1, 6, 6)]))) == 2


def test_two_kinds_of_names_are_not_guessed_between(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", x=noise(2, 6, 6), test_images=noise(3, 6, 6))
    with pytest.raises(UserError, match="has no array called `input`"):
        list(read_npz(tmp_path / "a.npz", [model_input(1, 6, 6)]))


def test_samples_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", x=noise(2, 5, 6, 7), y=noise(2))
    with pytest.raises(UserError, match="but the input `input` takes") as caught:
        list(read_npz(tmp_path / "a.npz", [model_input(1, 6, 6)]))
    assert caught.value.code == "CNN703"
