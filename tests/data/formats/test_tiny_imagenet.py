"""Tiny-ImageNet's folder."""

import unicodedata
from pathlib import Path

import pytest
from training_data import complaint, content, model_input, tree

from cnndsl.data.dataset import open_dataset
from cnndsl.data.samples import Dataset
from cnndsl.data.splits import Split

GRAY = model_input(1, 2, 2)
SPLITS: tuple[Split, ...] = ("train", "test")


def opened(folder: Path, split: Split = "train", classes: tuple[str, ...] = ()) -> Dataset:
    return open_dataset(folder, [GRAY], split=split, classes=classes)


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
            f"the classes of `{folder}` are not the classes of the network:"
            " they lack `whale` and have"
            " also `shark`",
            "let the classes and the network's classes agree, letter by letter",
            "the network has `goldfish`, `whale`",
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

    @pytest.mark.parametrize("name", ["a\0b", "..", "a/b", "/etc", "\x1b[31m"])
    def test_an_id_that_is_no_name_of_a_folder_is_an_error(self, folder: Path, name: str) -> None:
        (folder / "wnids.txt").write_text(f"n01\n{name}\n")
        with complaint(
            "CNN801",
            f"`{folder}/wnids.txt` lists {name!a}, which is no name of a file",
            "unpack the data again",
        ):
            opened(folder)

    def test_an_annotation_of_a_file_elsewhere_is_an_error(self, folder: Path) -> None:
        path = folder / "val" / "val_annotations.txt"
        path.write_text("../../x.png\tn02\n")
        with complaint(
            "CNN801",
            f"`{path}` lists '../../x.png', which is no name of a file",
            "unpack the data again",
        ):
            opened(folder, "test")

    def test_an_id_that_is_listed_twice_is_an_error(self, folder: Path) -> None:
        (folder / "wnids.txt").write_text("n01\nn02\nn01\n")
        with complaint(
            "CNN801", f"`{folder}/wnids.txt` lists `n01` twice", "unpack the data again"
        ):
            opened(folder)

    def test_words_are_compared_in_one_form_of_unicode(self, folder: Path) -> None:
        one, other = (unicodedata.normalize(form, "Z\u00fcrich") for form in ("NFC", "NFD"))
        (folder / "words.txt").write_text(f"n01\t{one}\nn02\tBern\n", encoding="utf-8")
        assert content(opened(folder, classes=("Bern", other))) == [(1, other), (2, "Bern")]

    def test_an_id_without_a_folder_is_an_error(self, folder: Path) -> None:
        ids = (folder / "wnids.txt").read_text(encoding="utf-8")
        (folder / "wnids.txt").write_text(ids + "\nn09\n", encoding="utf-8")
        with complaint(
            "CNN801",
            f"`{folder}` has no folder `train/n09`, but its `wnids.txt` lists `n09`",
            "unpack the data again",
        ):
            opened(folder)

    def test_a_mark_of_the_byte_order_is_no_part_of_an_id(self, folder: Path) -> None:
        before = opened(folder).classes
        for name in ("wnids.txt", "words.txt"):
            (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
        assert opened(folder).classes == before

    def test_a_picture_that_is_listed_without_a_class_is_an_error(self, folder: Path) -> None:
        file = folder / "val" / "val_annotations.txt"
        file.write_text(file.read_text(encoding="utf-8") + "\nval_9.JPEG\n", encoding="utf-8")
        with complaint(
            "CNN801", f"`{file}` gives no class for `val_9.JPEG`", "unpack the data again"
        ):
            opened(folder, "test")
