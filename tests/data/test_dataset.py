"""What training data is, is told from what is there; what is not clear is an error."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from training_data import complaint, model_input, noise, write_idx, write_picture

from cnndsl.data.dataset import open_dataset
from cnndsl.data.splits import NoPartError, Split
from cnndsl.diagnostics.model import UserError

GRAY = model_input(1, 4, 4)


def fails(path: Path, message: str, help: str, *notes: str) -> None:
    with complaint("CNN801", message, help, *notes):
        open_dataset(path, [GRAY])


def test_what_is_not_there_is_named_with_what_could_be() -> None:
    with complaint(
        "CNN801",
        "there is no training data `mnist`: no such file or directory",
        "give a folder, a `.npz` file, a CSV file, or `digits`",
    ):
        open_dataset("mnist", [GRAY])


def test_a_path_that_cannot_be_is_an_error() -> None:
    with complaint(
        "CNN801",
        "there is no training data `a\0b`: embedded null byte",
        "give a folder, a `.npz` file, a CSV file, or `digits`",
    ):
        open_dataset("a\0b", [GRAY])


@pytest.mark.parametrize(
    ("name", "what", "help"),
    [
        ("a.npy", "has no labels", "put samples and labels into a `.npz` file, as `x` and `y`"),
        (
            "a.PNG",
            "is a single picture",
            "give a folder with a folder of pictures for each class",
        ),
        ("train-images-idx3-ubyte", "is one of several idx files", "give their folder: `{}`"),
        ("data_batch_1.bin", "is one of several batches of CIFAR", "give their folder: `{}`"),
        (
            "a.bin",
            "is not data of a kind that is known",
            "give a folder, a `.npz` file, a CSV file (`.csv`), or `digits`",
        ),
    ],
)
def test_a_file_that_is_no_data_set_is_an_error(
    tmp_path: Path, name: str, what: str, help: str
) -> None:
    (tmp_path / name).write_bytes(b"\x93something")
    fails(tmp_path / name, f"`{tmp_path / name}` {what}", help.format(tmp_path))


def test_an_archive_is_known_by_its_content(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", x=noise(3, 4, 4), y=numpy.zeros(3, int))
    (tmp_path / "a.npz").rename(tmp_path / "data")
    assert len(open_dataset(tmp_path / "data", [GRAY])) == 3


def test_a_text_may_stand_for_a_path(tmp_path: Path) -> None:
    write_picture(tmp_path / "a" / "1.png")
    assert len(open_dataset(str(tmp_path), [GRAY])) == 1


@pytest.mark.parametrize(("split", "kind"), [("valid", NoPartError), ("train", UserError)])
def test_a_part_that_lacks_is_told_from_data_that_is_damaged(
    tmp_path: Path, split: Split, kind: type[UserError]
) -> None:
    idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        open_dataset(tmp_path, [GRAY], split=split)
    assert type(caught.value) is kind


def idx(folder: Path) -> None:
    write_idx(folder / "train-images-idx3-ubyte", noise(1, 4, 4))
    write_idx(folder / "train-labels-idx1-ubyte", noise(1) % 2)


def cifar(folder: Path) -> None:
    (folder / "data_batch_1.bin").write_bytes(bytes(3073))


def cifar100(folder: Path) -> None:
    (folder / "train.bin").write_bytes(bytes(3074))
    (folder / "fine_label_names.txt").write_text("apple\n")


def classes(folder: Path) -> None:
    write_picture(folder / "cat" / "1.png")


def parts(folder: Path) -> None:
    write_picture(folder / "train" / "cat" / "1.png")


def tiny(folder: Path) -> None:
    (folder / "wnids.txt").write_text("n01\n")


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (idx, cifar, "idx files and batches of CIFAR-10"),
        (idx, classes, "idx files and folders of pictures"),
        (cifar, parts, "batches of CIFAR-10 and parts"),
        (cifar, cifar100, "batches of CIFAR-10 and batches of CIFAR-100"),
        (cifar100, idx, "idx files and batches of CIFAR-100"),
        (cifar, tiny, "batches of CIFAR-10 and Tiny-ImageNet"),
    ],
)
def test_two_kinds_in_one_folder_are_an_error(
    tmp_path: Path, one: Callable[[Path], None], other: Callable[[Path], None], said: str
) -> None:
    one(tmp_path)
    other(tmp_path)
    fails(tmp_path, f"`{tmp_path}` holds both {said}", "give each set a folder of its own")


def test_folders_without_pictures_do_not_matter_beside_other_data(tmp_path: Path) -> None:
    idx(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    assert len(open_dataset(tmp_path, [GRAY])) == 1
