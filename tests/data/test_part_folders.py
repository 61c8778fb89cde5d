"""Folders of parts: whatever they are called, they never become classes."""

from pathlib import Path
from typing import ClassVar

import pytest
from training_data import complaint, content, model_input, tree

from cnndsl.data.dataset import open_dataset
from cnndsl.data.samples import Dataset
from cnndsl.data.splits import Split
from cnndsl.diagnostics.model import UserError

GRAY = model_input(1, 2, 2)
SPLITS: tuple[Split, ...] = ("train", "test")


def opened(folder: Path, split: Split = "train", classes: tuple[str, ...] = ()) -> Dataset:
    return open_dataset(folder, [GRAY], split=split, classes=classes)


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
                f"`{tmp_path}` has no part for validation: there is no folder such as `val/`",
                "name data that has this part",
            ):
                opened(tmp_path, "valid")

    def test_all_parts_have_the_classes_of_training(self, tmp_path: Path) -> None:
        tree(tmp_path, {**self.FILES, "test/b/1.png": 1})
        with complaint(
            "CNN802",
            f"the folders of `{tmp_path}/test` are not the classes of the network: they lack `a`",
            "let the folders and the network's classes agree, letter by letter",
            "the network has `a`, `b`",
        ):
            opened(tmp_path, "test")

    def test_without_a_folder_for_training_there_is_none(self, tmp_path: Path) -> None:
        tree(tmp_path, {"test/a/1.png": 1})
        assert len(opened(tmp_path, "test")) == 1
        with complaint(
            "CNN801",
            f"`{tmp_path}` has no part for training: there is no folder such as `train/`",
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

    @pytest.mark.parametrize(
        ("train", "test"),
        [
            ("Train", "Test"),
            ("TRAINING", "Testing"),
            ("training_set", "test_set"),
            ("trainset", "testset"),
            ("Train_data", "test-data"),
            ("TrainImages", "EvalImages"),
            ("train2017", "val2017"),
            ("train", "dev"),
            ("seg_train", "seg_test"),
            ("seg_train/seg_train", "seg_test/seg_test"),
            ("Training/training", "eval"),
            ("flowers train", "flowers-validation"),
        ],
    )
    def test_parts_have_many_names(self, tmp_path: Path, train: str, test: str) -> None:
        files = {f"{train}/cat/1.png": 1, f"{train}/dog/2.png": 2, f"{test}/dog/3.png": 3}
        tree(tmp_path, {**files, f"{test}/cat/4.png": 4})
        data = opened(tmp_path)
        assert data.classes == ("cat", "dog")
        assert content(data) == [(1, "cat"), (2, "dog")]
        assert content(opened(tmp_path, "test")) == [(4, "cat"), (3, "dog")]

    @pytest.mark.parametrize(
        ("names", "purpose"),
        [
            (("Train", "train"), "training"),
            (("train1", "train2"), "training"),
            (("train", "val", "validation"), "validation"),
            (("train", "eval", "test"), "testing"),
        ],
    )
    def test_two_folders_for_one_part_are_an_error(
        self, tmp_path: Path, names: tuple[str, ...], purpose: str
    ) -> None:
        tree(tmp_path, {f"{name}/{kind}/1.png": 1 for name in names for kind in ("a", "b")})
        for split in SPLITS:
            with pytest.raises(UserError) as caught:
                opened(tmp_path, split)
            assert caught.value.code == "CNN801"
            assert f"which both seem to be its part for {purpose}" in caught.value.message

    def test_classes_may_be_called_like_parts(self, tmp_path: Path) -> None:
        for number, names in enumerate(
            [("bullet train", "steam train"), ("test tube", "train station"), ("dev", "ops")]
        ):
            files = {f"{name}/deep/1.png": 1 for name in names}
            if names[0] == "dev":
                files = {f"{name}/1.png": 1 for name in names}
            assert opened(tree(tmp_path / str(number), files)).classes == names
        named = tree(tmp_path / "named", {"test/a/1.png": 1, "train/b/2.png": 2})
        assert content(opened(named, classes=("train", "test"))) == [(2, "train"), (1, "test")]

    @pytest.mark.parametrize("inner", ["train", "Training"])
    def test_parts_among_the_classes_of_a_part_are_an_error(
        self, tmp_path: Path, inner: str
    ) -> None:
        tree(tmp_path, {f"train/{inner}/a/1.png": 1, "train/test/b/2.png": 2})
        with pytest.raises(UserError, match="and is a part itself") as caught:
            opened(tmp_path)
        assert caught.value.help.startswith(f"give `{tmp_path}/train` as the data")

    def test_parts_within_classes_are_an_error(self, tmp_path: Path) -> None:
        tree(tmp_path, {f"{name}/{part}/1.png": 1 for name in "ab" for part in ("Train", "test")})
        for classes in ((), ("a", "b")):
            with complaint(
                "CNN801",
                f"`{tmp_path}` has its parts within the classes: `a/` holds `test/`, `Train/`",
                "put the classes into the parts: `test/a/`, `Train/a/`",
            ):
                opened(tmp_path, classes=classes)

    @pytest.mark.parametrize("names", [("cat", "dog"), ("train", "test")])
    def test_a_folder_around_the_data_is_an_error(
        self, tmp_path: Path, names: tuple[str, ...]
    ) -> None:
        tree(tmp_path, {f"pack/{name}/deep/1.png": 1 for name in names})
        listed = ", ".join(f"`{name}/`" for name in sorted(names))
        with complaint(
            "CNN801",
            f"`{tmp_path}` has only the folder `pack/`, and in it {listed}: whether `pack` is a"
            " class is not clear",
            f"give `{tmp_path}/pack` if the classes are in it",
        ):
            opened(tmp_path)
        assert len(opened(tmp_path / "pack")) in (1, 2)
        if names[0] == "cat":
            assert content(opened(tmp_path, classes=("pack",))) == [(1, "pack")] * 2
