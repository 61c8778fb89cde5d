"""A folder with a folder per class, what is passed over in it, and what is no such folder."""

import inspect
import os
import sys
import unicodedata
from pathlib import Path
from typing import ClassVar

import pytest
from training_data import complaint, content, model_input, tree

from cnndsl.data.dataset import open_dataset
from cnndsl.data.samples import Dataset
from cnndsl.data.splits import Split

GRAY = model_input(1, 2, 2)
SPLITS: tuple[Split, ...] = ("train", "test")


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
            f"the folders of `{tmp_path}` are not the classes of the network:"
            " they lack `c8` and have"
            " also `c10`",
            "let the folders and the network's classes agree, letter by letter",
            "the network has `c8`, `c9`",
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


class TestPassedOver:
    def test_what_is_passed_over_is_counted_by_kind(self, tmp_path: Path) -> None:
        tree(tmp_path, {"a/1.png": 1, "b/more/2.png": 2, "__MACOSX/a/x.png": 0, ".git/a.png": 0})
        for name in ("a/1.HEIC", "a/2.heic", "b/more/3.heic", "b/LICENSE", "notes.txt"):
            (tmp_path / name).touch()
        (tmp_path / "a" / "link").symlink_to(tmp_path / "b")
        data = opened(tmp_path)
        assert data.classes == ("a", "b")
        assert data.notes == (
            f"passed over in `{tmp_path}`: 3 .heic, 1 without an ending, 1 .txt, 1 link to a"
            " folder",
        )

    def test_nothing_is_said_where_nothing_is(self, tmp_path: Path) -> None:
        assert opened(tree(tmp_path, {"a/1.png": 1})).notes == ()

    def test_folders_without_any_picture_are_said_to_have_none(self, tmp_path: Path) -> None:
        for name in ("a/1.wav", "a/2.wav", "b/c/x.txt"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        for classes in ((), ("cat", "dog")):
            for split in SPLITS:
                with complaint(
                    "CNN801",
                    f"there are no pictures in the folders of `{tmp_path}`: `a/`, `b/`",
                    "give a folder with a folder of pictures (PNG, JPEG, \u2026) for each class;"
                    " see docs/data.md for others",
                    "there are 2 .wav, 1 .txt",
                ):
                    opened(tmp_path, split, classes)

    def test_a_class_of_other_files_is_said_to_have_these(self, tmp_path: Path) -> None:
        tree(tmp_path, {"a/1.png": 1})
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "1.heic").touch()
        with complaint(
            "CNN808",
            f"the class `b` of `{tmp_path}` is empty: there are no pictures in `{tmp_path}/b`",
            "put pictures into the folder, or take it away",
            "it has 1 .heic",
        ):
            opened(tmp_path, classes=("a", "c"))

    def test_a_table_in_a_folder_is_pointed_to(self, tmp_path: Path) -> None:
        (tmp_path / "train.csv").touch()
        tree(tmp_path, {"1.png": 1})
        with complaint(
            "CNN801",
            f"`{tmp_path}` has no folder for each class, but `train.csv`",
            f"give the file itself: `{tmp_path}/train.csv`",
        ):
            opened(tmp_path)

    def test_folders_may_lie_as_deep_as_a_path_is_long(self, tmp_path: Path) -> None:
        deep = os.sep.join("d" * 200)
        tree(tmp_path, {"b/1.png": 1, "a/2.png": 2, f"a/{deep}/3.png": 3})
        limit, depth = sys.getrecursionlimit(), len(inspect.stack())
        sys.setrecursionlimit(depth + 100)
        try:
            assert len(opened(tmp_path)) == 3
        finally:
            sys.setrecursionlimit(limit)

    def test_numbers_that_name_folders_are_said_in_their_order(self, tmp_path: Path) -> None:
        data = opened(tree(tmp_path, {f"{name}/1.png": name for name in (1, 10, 9)}))
        assert content(data) == [(1, "1"), (9, "9"), (10, "10")]
        assert data.notes == (
            f"the folders of `{tmp_path}` are names of classes, in this order: `1`, `9`, `10`",
        )

    def test_folders_are_found_in_every_form_of_unicode(self, tmp_path: Path) -> None:
        one, other = (unicodedata.normalize(form, "Z\u00fcrich") for form in ("NFC", "NFD"))
        data = tree(tmp_path, {f"train/{one}/1.png": 1, f"test/{other}/2.png": 2})
        assert content(opened(data, "test")) == [(2, one)]
        assert content(opened(data, classes=(other,))) == [(1, other)]
