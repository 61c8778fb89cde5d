"""CIFAR's binary batches."""

from collections.abc import Sequence
from pathlib import Path

import numpy
import pytest
from training_data import complaint, model_input, noise

from cnndsl.data.dataset import open_dataset
from cnndsl.diagnostics.model import UserError

RGB = model_input(3, 32, 32)
NAMES = ["airplane", "automobile", "bird"]


def write_batch(path: Path, *labels: Sequence[int], seed: int = 0) -> Path:
    """A batch of records with these label bytes."""
    pixels = noise(len(labels), 3072, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"".join(bytes(label) + row.tobytes() for label, row in zip(labels, pixels, strict=True))
    )
    return path


def ten(folder: Path, names: bool = True) -> Path:
    write_batch(folder / "data_batch_1.bin", [0], [2], seed=1)
    write_batch(folder / "data_batch_2.bin", [1], seed=2)
    write_batch(folder / "test_batch.bin", [2], seed=3)
    if names:
        (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return folder


def test_all_batches_are_trained_with_and_one_tests(tmp_path: Path) -> None:
    data = open_dataset(ten(tmp_path), [RGB])
    assert data.classes == tuple(NAMES)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 2, 1]
    pixels = numpy.concatenate([noise(2, 3072, seed=1), noise(1, 3072, seed=2)])
    assert (data.read(numpy.arange(3))["input"] == pixels.reshape(3, 3, 32, 32)).all()
    test = open_dataset(tmp_path, [RGB], split="test")
    assert (test.read(numpy.arange(1))["input"][0] == noise(3, 32, 32, seed=3)).all()


def test_colours_come_in_the_order_of_the_layout(tmp_path: Path) -> None:
    data = open_dataset(ten(tmp_path), [model_input(3, 32, 32, layout="bgr")], split="test")
    assert (data.read(numpy.arange(1))["input"][0] == noise(3, 32, 32, seed=3)[::-1]).all()


def test_classes_are_mapped_by_name(tmp_path: Path) -> None:
    data = open_dataset(ten(tmp_path), [RGB], classes=["bird", "airplane", "automobile"])
    assert data.labels is not None
    assert data.labels.tolist() == [1, 0, 2]
    assert [data.label_of(at) for at in range(3)] == ["airplane", "bird", "automobile"]


def test_without_the_file_of_names_numbers_count(tmp_path: Path) -> None:
    data = open_dataset(ten(tmp_path, names=False), [RGB], classes=["bird", "x", "y"])
    assert data.label_of(0) == "bird"


def test_of_cifar_100_the_fine_label_counts(tmp_path: Path) -> None:
    write_batch(tmp_path / "train.bin", [9, 1], [8, 0])
    (tmp_path / "fine_label_names.txt").write_text("apple\naquarium_fish\n")
    data = open_dataset(tmp_path, [RGB])
    assert [data.label_of(at) for at in range(2)] == ["aquarium_fish", "apple"]


class TestErrors:
    def test_other_classes(self, tmp_path: Path) -> None:
        with complaint(
            "CNN802",
            f"the classes of `{ten(tmp_path)}` are not the classes of the network:"
            " they lack `plane`"
            " and have also `airplane`",
            "let the classes and the network's classes agree, letter by letter",
            "the network has `plane`, `automobile`, `bird`",
        ):
            open_dataset(tmp_path, [RGB], classes=["plane", "automobile", "bird"])

    def test_a_gap_between_the_batches(self, tmp_path: Path) -> None:
        write_batch(ten(tmp_path) / "data_batch_4.bin", [0])
        with complaint(
            "CNN801",
            f"`{tmp_path}` has `data_batch_4.bin`, but not `data_batch_3.bin`",
            "put all the batches into the folder",
        ):
            open_dataset(tmp_path, [RGB])
        write_batch(tmp_path / "data_batch_3.bin", [0])
        assert len(open_dataset(tmp_path, [RGB])) == 5

    def test_no_test_batch(self, tmp_path: Path) -> None:
        (ten(tmp_path) / "test_batch.bin").unlink()
        with complaint(
            "CNN801",
            f"`{tmp_path}` has no part for testing: there is no `test_batch.bin`",
            "name data that has this part",
        ):
            open_dataset(tmp_path, [RGB], split="test")

    def test_no_training_batches(self, tmp_path: Path) -> None:
        write_batch(tmp_path / "test_batch.bin", [0])
        with complaint(
            "CNN801",
            f"`{tmp_path}` has no part for training: there is no `data_batch_1.bin`",
            "name data that has this part",
        ):
            open_dataset(tmp_path, [RGB])

    def test_it_has_no_part_for_validation(self, tmp_path: Path) -> None:
        with complaint(
            "CNN801",
            f"`{ten(tmp_path)}` has no part for validation: there is no such batch in CIFAR",
            "name data that has this part",
        ):
            open_dataset(tmp_path, [RGB], split="valid")

    def test_a_batch_cut_off(self, tmp_path: Path) -> None:
        file = ten(tmp_path) / "data_batch_1.bin"
        file.write_bytes(file.read_bytes()[:-1])
        with complaint(
            "CNN801",
            f"`{file}` is not a batch of CIFAR: its 6145 bytes are not a multiple of 3073",
            "download the file again",
        ):
            open_dataset(tmp_path, [RGB])

    def test_a_label_without_a_name(self, tmp_path: Path) -> None:
        write_batch(ten(tmp_path) / "data_batch_2.bin", [3])
        with complaint(
            "CNN801",
            f"`{tmp_path}` has the label 3, but `batches.meta.txt` names 3 classes",
            "download the files again",
        ):
            open_dataset(tmp_path, [RGB])

    def test_names_that_are_no_text(self, tmp_path: Path) -> None:
        file = ten(tmp_path) / "batches.meta.txt"
        file.write_bytes(b"\xff\xfe")
        with complaint(
            "CNN801", f"cannot read `{file}`: it is not text", "download the file again"
        ):
            open_dataset(tmp_path, [RGB])

    def test_batches_for_python_are_never_loaded(self, tmp_path: Path) -> None:
        (tmp_path / "data_batch_1").write_bytes(b"")
        with complaint(
            "CNN801",
            f"`{tmp_path}` holds CIFAR's batches for Python, which could run any program when"
            " loaded",
            "download the binary version of CIFAR",
        ):
            open_dataset(tmp_path, [RGB])


def test_an_empty_batch_is_said_to_be_empty(tmp_path: Path) -> None:
    folder = ten(tmp_path)
    (folder / "data_batch_1.bin").write_bytes(b"")
    file = folder / "data_batch_1.bin"
    with complaint("CNN801", f"`{file}` is empty", "download the file again"):
        open_dataset(str(folder), [RGB])


def test_batches_of_cifar_100_without_their_names_are_told_what_is_missing(tmp_path: Path) -> None:
    for name in ("train.bin", "test.bin"):
        write_batch(tmp_path / name, [1, 2], [3, 4])
    with complaint(
        "CNN801",
        f"`{tmp_path}` has `test.bin`, `train.bin`, which could be anything",
        "put CIFAR-100's `fine_label_names.txt` beside its batches",
    ):
        open_dataset(str(tmp_path), [RGB])


@pytest.mark.parametrize("count", [1, 2])
def test_the_folder_around_batches_points_to_them(tmp_path: Path, count: int) -> None:
    names = [f"cifar-{number}" for number in range(count)]
    for name in names:
        (tmp_path / name).mkdir()
        write_batch(tmp_path / name / "data_batch_1.bin", [1], [2])
    (tmp_path / "more").mkdir()
    with pytest.raises(UserError) as caught:
        open_dataset(tmp_path, [RGB])
    assert caught.value.code == "CNN801"
    assert caught.value.help.startswith("give ")
    assert caught.value.help.endswith(f" `{tmp_path / names[0]}`")
    assert len(open_dataset(tmp_path / names[0], [RGB])) == 2


@pytest.mark.parametrize("hundred", ["train.bin", "test.bin"])
@pytest.mark.parametrize("ten_s", ["data_batch_1.bin", "test_batch.bin"])
@pytest.mark.parametrize("named", [False, True])
def test_files_of_both_sets_are_refused_with_and_without_names(
    tmp_path: Path, ten_s: str, hundred: str, named: bool
) -> None:
    write_batch(tmp_path / ten_s, [1], [2])
    write_batch(tmp_path / hundred, [1, 2], [3, 4])
    if named:
        (tmp_path / "fine_label_names.txt").write_text("a\nb\nc\nd\ne\n")
    with complaint(
        "CNN801",
        f"`{tmp_path}` holds both batches of CIFAR-10 and batches of CIFAR-100",
        "give each set a folder of its own",
    ):
        open_dataset(tmp_path, [RGB])
