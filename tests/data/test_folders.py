"""A folder with a folder per class, with and without parts, and Tiny-ImageNet's layout."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy
import pytest
from training_data import complaint, model_input, write_picture

from cnndsl.data.dataset import open_dataset
from cnndsl.data.parts import Split
from cnndsl.data.samples import Dataset

GRAY = model_input(1, 2, 2)


def tree(folder: Path, files: Mapping[str, int]) -> Path:
    """Pictures by their paths, each filled with its number."""
    folder.mkdir(exist_ok=True)
    for name, number in files.items():
        write_picture(folder / name, numpy.full((2, 2), number))
    return folder


def content(data: Dataset) -> list[tuple[float, str]]:
    values = data.read(numpy.arange(len(data)))["input"][:, 0, 0, 0]
    return [(value, data.label_of(at)) for at, value in enumerate(values.tolist())]


def opened(folder: Path, split: Split = "train", classes: tuple[str, ...] = ()) -> Dataset:
    return open_dataset(folder, [GRAY], split=split, classes=classes)


class TestClasses:
    FILES: ClassVar = {"c10/1.png": 1, "c10/deep/2.png": 2, "c9/10.png": 10, "c9/9.JPG.png": 9}

    def test_the_natural_order_of_the_folders_is_that_of_the_classes(self, tmp_path: Path) -> None:
        data = opened(tree(tmp_path, self.FILES))
        assert data.classes == ("c9", "c10")
        assert content(data) == [(9, "c9"), (10, "c9"), (1, "c10"), (2, "c10")]
        assert data.name_of(3) == f"{tmp_path}/c10/deep/2.png"

    def test_the_spec_orders_them_by_name(self, tmp_path: Path) -> None:
        data = opened(tree(tmp_path, self.FILES), classes=("c10", "c9"))
        assert data.labels is not None
        assert data.labels.tolist() == [0, 0, 1, 1]
        assert content(data)[0] == (1, "c10")

    def test_other_files_and_hidden_ones_are_passed_over(self, tmp_path: Path) -> None:
        tree(tmp_path, self.FILES)
        tree(tmp_path, {".cache/a.png": 0, "c9/.a.png": 0})
        (tmp_path / "README.md").touch()
        (tmp_path / "c9" / "notes.txt").touch()
        assert len(opened(tmp_path)) == 4

    def test_a_class_may_be_a_link(self, tmp_path: Path) -> None:
        tree(tmp_path / "data", {"a/1.png": 1})
        tree(tmp_path / "other", {"2.png": 2})
        (tmp_path / "data" / "b").symlink_to(tmp_path / "other")
        assert content(opened(tmp_path / "data")) == [(1, "a"), (2, "b")]

    def test_one_picture_is_enough(self, tmp_path: Path) -> None:
        assert content(opened(tree(tmp_path, {"a/1.png": 1}))) == [(1, "a")]

    def test_other_classes_than_the_specs_are_an_error(self, tmp_path: Path) -> None:
        with complaint(
            "CNN802",
            f"the folders of `{tmp_path}` are not the classes of the spec: they lack `c8` and have"
            " also `c10`",
            "make the spec's `classes` and the folders agree, letter by letter",
            "the spec has `c8`, `c9`",
        ):
            opened(tree(tmp_path, self.FILES), classes=("c8", "c9"))

    def test_an_empty_class_is_an_error_in_training_only(self, tmp_path: Path) -> None:
        tree(tmp_path, {"a/1.png": 1})
        (tmp_path / "b").mkdir()
        with complaint(
            "CNN808",
            f"the class `b` of `{tmp_path}` is empty: there are no pictures in `{tmp_path}/b`",
            "put pictures into the folder, or take it away",
        ):
            opened(tmp_path)
        data = opened(tmp_path, "test")
        assert (len(data), data.classes) == (1, ("a", "b"))
        (tmp_path / "b").rmdir()
        opened(tmp_path)

    def test_pictures_beside_the_folders_are_an_error(self, tmp_path: Path) -> None:
        tree(tmp_path, {"a/1.png": 1, "x.png": 1})
        help = "move every picture into the folder of its class"
        with complaint(
            "CNN801",
            f"`{tmp_path}` has the picture `x.png` beside the folders of its classes",
            help,
        ):
            opened(tmp_path)
        tree(tmp_path, {"y.png": 1})
        with complaint(
            "CNN801", f"`{tmp_path}` has 2 pictures beside the folders of its classes", help
        ):
            opened(tmp_path)

    def test_pictures_without_folders_are_an_error(self, tmp_path: Path) -> None:
        with complaint(
            "CNN801",
            f"`{tree(tmp_path, {'1.png': 1})}` has pictures, but no folder for each class",
            f"make a folder for each class in `{tmp_path}`, and move its pictures there",
        ):
            opened(tmp_path)

    def test_an_empty_folder_is_an_error(self, tmp_path: Path) -> None:
        with complaint(
            "CNN801",
            f"the folder `{tmp_path}` has no training data in it",
            "give a folder with a folder of pictures for each class; see docs/data.md for others",
        ):
            opened(tmp_path)

    def test_a_folder_that_cannot_be_listed_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree(tmp_path, self.FILES)
        real = os.scandir
        locked: list[Path] = []

        def scan(path: Path) -> object:
            if path in locked:
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "scandir", scan)
        for path in (tmp_path, tmp_path / "c9"):
            locked[:] = [path]
            with complaint(
                "CNN801",
                f"cannot list the folder `{path}`: permission denied",
                "check its permissions",
            ):
                opened(tmp_path)

    def test_a_network_that_takes_no_pictures_is_an_error(self, tmp_path: Path) -> None:
        with complaint(
            "CNN703",
            f"`{tree(tmp_path, self.FILES)}` holds pictures, but the input `input` takes `4`",
            "give the data as arrays of that shape in a `.npz` file",
        ):
            open_dataset(tmp_path, [model_input(4)])


class TestParts:
    FILES: ClassVar = {"train/b/1.png": 1, "train/a/2.png": 2}

    @pytest.mark.parametrize(
        ("folders", "test", "valid"),
        [
            (("test",), "test", None),
            (("val",), "val", "val"),
            (("valid", "test"), "test", "valid"),
            (("validation",), "validation", "validation"),
        ],
    )
    def test_each_part_has_its_folder(
        self, tmp_path: Path, folders: tuple[str, ...], test: str, valid: str | None
    ) -> None:
        tree(tmp_path, self.FILES)
        for folder in folders:
            tree(tmp_path, {f"{folder}/b/{folder}.png": 1, f"{folder}/a/x.png": 2})
        assert content(opened(tmp_path)) == [(2, "a"), (1, "b")]
        assert opened(tmp_path, "test").name_of(1) == f"{tmp_path}/{test}/b/{test}.png"
        if valid:
            assert opened(tmp_path, "valid").name_of(1) == f"{tmp_path}/{valid}/b/{valid}.png"
        else:
            with complaint(
                "CNN801",
                f"`{tmp_path}` has no part for validation: there is no `val/` or `valid/` or"
                " `validation/`",
                "name data that has this part",
            ):
                opened(tmp_path, "valid")

    def test_all_parts_have_the_classes_of_training(self, tmp_path: Path) -> None:
        tree(tmp_path, {**self.FILES, "test/b/1.png": 1})
        with complaint(
            "CNN802",
            f"the folders of `{tmp_path}/test` are not the classes of the spec: they lack `a`",
            "make the spec's `classes` and the folders agree, letter by letter",
            "the spec has `a`, `b`",
        ):
            opened(tmp_path, "test")

    def test_without_a_folder_for_training_there_is_none(self, tmp_path: Path) -> None:
        tree(tmp_path, {"test/a/1.png": 1})
        assert len(opened(tmp_path, "test")) == 1
        with complaint(
            "CNN801",
            f"`{tmp_path}` has no part for training: there is no `train/`",
            "name data that has this part",
        ):
            opened(tmp_path)

    def test_a_class_may_be_called_train(self, tmp_path: Path) -> None:
        assert opened(tree(tmp_path, {"car/1.png": 1, "train/2.png": 2})).classes == (
            "car",
            "train",
        )

    def test_parts_and_classes_side_by_side_are_an_error(self, tmp_path: Path) -> None:
        with complaint(
            "CNN801",
            f"`{tree(tmp_path, {**self.FILES, 'cat/1.png': 1})}` holds both `train/` with folders"
            " in it and `cat/`: whether these are parts or classes is not clear",
            "move `cat/` elsewhere, or the folders in `train/`",
        ):
            opened(tmp_path)

    def test_parts_without_classes_are_an_error(self, tmp_path: Path) -> None:
        with complaint(
            "CNN801",
            f"`{tree(tmp_path, {'train/1.png': 1, 'test/1.png': 1})}` has `test/` and `train/`, but"
            " no folders of classes in them",
            "make a folder for each class in each of them, and move its pictures there",
        ):
            opened(tmp_path)

    def test_data_without_parts_has_none_for_validation(self, tmp_path: Path) -> None:
        with complaint(
            "CNN801",
            f"`{tree(tmp_path, {'a/1.png': 1})}` has no part for validation: there is no division"
            " into parts",
            "name data that has this part",
        ):
            opened(tmp_path, "valid")


class TestTinyImageNet:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        tree(
            tmp_path,
            {
                "train/n02/images/n02_0.JPEG.png": 2,
                "train/n01/images/n01_0.png": 1,
                "val/images/val_0.png": 3,
                "val/images/val_1.png": 4,
                "test/images/test_0.png": 5,
            },
        )
        (tmp_path / "wnids.txt").write_text("n02\nn01")
        (tmp_path / "words.txt").write_text("n00\tentity\nn01\tgoldfish, Carassius\nn02\tshark\n")
        (tmp_path / "val" / "val_annotations.txt").write_text(
            "val_0.png\tn02\t0\t32\t44\t62\nval_1.png\tn01\t0\t0\t63\t63\n"
        )
        return tmp_path

    def test_classes_are_called_by_their_words_in_the_order_of_their_ids(
        self, folder: Path
    ) -> None:
        assert content(opened(folder)) == [(1, "goldfish"), (2, "shark")]
        splits: tuple[Split, ...] = ("test", "valid")
        for split in splits:
            part = opened(folder, split)
            assert content(part) == [(3, "shark"), (4, "goldfish")]
            assert part.classes == ("goldfish", "shark")

    def test_the_spec_may_call_them_by_id(self, folder: Path) -> None:
        assert content(opened(folder, classes=("n02", "n01"))) == [(1, "n01"), (2, "n02")]
        assert content(opened(folder, classes=("shark", "goldfish")))[0] == (1, "goldfish")

    def test_words_that_are_alike_are_written_whole(self, folder: Path) -> None:
        words = folder / "words.txt"
        words.write_text("n01\tcrane, bird\nn02\tcrane, machine\n")
        assert opened(folder).classes == ("crane, bird", "crane, machine")
        words.write_text("n01\tcrane\nn02\tcrane\n")
        assert opened(folder).classes == ("n01", "n02")
        words.unlink()
        assert opened(folder).classes == ("n01", "n02")

    def test_other_classes_are_an_error(self, folder: Path) -> None:
        with complaint(
            "CNN802",
            f"the classes of `{folder}` are not the classes of the spec: they lack `whale` and have"
            " also `shark`",
            "make the spec's `classes` and the classes agree, letter by letter",
            "the spec has `goldfish`, `whale`",
        ):
            opened(folder, classes=("goldfish", "whale"))

    def test_an_empty_class_is_an_error(self, folder: Path) -> None:
        (folder / "train/n01/images/n01_0.png").unlink()
        with complaint(
            "CNN808",
            f"the class `n01` of `{folder}` is empty: there are no pictures in"
            f" `{folder}/train/n01`",
            "put pictures into the folder, or take it away",
        ):
            opened(folder)

    def test_a_class_that_is_not_listed_is_an_error(self, folder: Path) -> None:
        (folder / "wnids.txt").write_text("n01\n")
        with complaint(
            "CNN801",
            f"`{folder}` has pictures of `n02`, which its `wnids.txt` does not list",
            "unpack the data again",
        ):
            opened(folder, "test")

    def test_missing_annotations_are_an_error(self, folder: Path) -> None:
        (folder / "val" / "val_annotations.txt").unlink()
        with complaint(
            "CNN801",
            f"cannot read `{folder}/val/val_annotations.txt`: no such file or directory",
            "unpack the data again",
        ):
            opened(folder, "test")
