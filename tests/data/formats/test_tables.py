"""A CSV of paths and labels."""

import os
import unicodedata
from pathlib import Path

import numpy
import pytest
from training_data import complaint, model_input, write_picture

from cnndsl.data.dataset import open_dataset
from cnndsl.data.samples import Dataset
from cnndsl.data.splits import Split
from cnndsl.diagnostics.model import UserError

GRAY = model_input(1, 2, 2)
SAVE = "save it as CSV in UTF-8: a path and a label a line"
LINES = (
    "write a path, a comma and a label a line; of more columns, name these two in the first line:"
    " `path,label`"
)


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    """A table beside three pictures of 0, 1 and 2."""
    for number, name in enumerate(("a.png", "sub/b.png", "c, d.png")):
        write_picture(folder / name, numpy.full((2, 2), number))
    (folder / "set.csv").write_text(text, encoding=encoding)
    return folder / "set.csv"


def opened(file: Path, *classes: str) -> Dataset:
    return open_dataset(file, [GRAY], classes=classes)


def content(data: Dataset) -> list[tuple[float, str]]:
    values = data.read(numpy.arange(len(data)))["input"][:, 0, 0, 0]
    return [(value, data.label_of(at)) for at, value in enumerate(values.tolist())]


def test_paths_count_from_the_folder_of_the_table(tmp_path: Path) -> None:
    data = opened(table(tmp_path, "sub/b.png,1\na.png,0\n"))
    assert content(data) == [(1, "1"), (0, "0")]
    assert data.name_of(0) == f"{tmp_path}/sub/b.png"
    data = opened(table(tmp_path, f"{tmp_path}/a.png,5\n"))
    assert content(data) == [(0, "5")]


@pytest.mark.parametrize(
    "text",
    [
        'a.png,cat\n"c, d.png",dog\n',
        'path,label\na.png,cat\n"c, d.png",dog\n',
        'id,Class,width,FILE\n1,cat,2,a.png\n2,dog,2,"c, d.png"\n',
        '\n a.png , cat \r\n\r\n"c, d.png",dog',
    ],
)
def test_a_header_is_known_by_its_words(tmp_path: Path, text: str) -> None:
    assert content(opened(table(tmp_path, text))) == [(0, "cat"), (2, "dog")]


def test_a_picture_may_be_called_like_a_column(tmp_path: Path) -> None:
    write_picture(tmp_path / "x.png").rename(tmp_path / "path")
    assert len(opened(table(tmp_path, "path,label\na.png,cat\n"))) == 2


def test_a_mark_of_byte_order_is_passed_over(tmp_path: Path) -> None:
    assert content(opened(table(tmp_path, "a.png,3\n", "utf-8-sig"))) == [(0, "3")]


def test_numbers_are_the_indices_of_classes(tmp_path: Path) -> None:
    data = opened(table(tmp_path, "a.png,2\nsub/b.png,0\n"), "x", "y", "z")
    assert content(data) == [(0, "z"), (1, "x")]


def test_numbers_that_name_classes_are_names(tmp_path: Path) -> None:
    data = opened(table(tmp_path, "a.png,2\nsub/b.png,1\n"), "1", "2", "3")
    assert data.labels is not None
    assert data.labels.tolist() == [1, 0]


def test_names_have_the_order_of_the_spec_and_may_be_left_out(tmp_path: Path) -> None:
    data = opened(table(tmp_path, "a.png,dog\nsub/b.png,cat\n"), "cow", "dog", "cat")
    assert data.labels is not None
    assert data.labels.tolist() == [1, 2]
    assert data.classes == ("cow", "dog", "cat")


def test_without_a_spec_names_have_their_natural_order(tmp_path: Path) -> None:
    data = opened(table(tmp_path, "a.png,c10\nsub/b.png,c9\n"))
    assert data.classes == ("c9", "c10")
    assert content(data) == [(0, "c10"), (1, "c9")]


def test_absolute_paths_and_those_above_the_table_are_taken(tmp_path: Path) -> None:
    write_picture(tmp_path / "up.png", numpy.full((2, 2), 7))
    table(tmp_path / "deep", "")
    file = tmp_path / "deep" / "set.csv"
    file.write_text(f"../up.png,0\n{tmp_path}/deep/sub/b.png,1\n")
    assert content(opened(file)) == [(7, "0"), (1, "1")]


def test_a_file_is_found_in_every_form_of_unicode(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "Z\u00fcrich.png") for form in ("NFC", "NFD")]
    for at, name in enumerate(names):
        folder = tmp_path / str(at)
        write_picture(folder / name, numpy.full((2, 2), at))
        (folder / "set.csv").write_text(f"{names[1 - at]},0\n", encoding="utf-8")
        assert content(opened(folder / "set.csv")) == [(at, "0")]


def test_one_class_and_a_class_of_one_sample_are_data(tmp_path: Path) -> None:
    data = opened(table(tmp_path, "path,label\na.png, cat \nsub/b.png,cat\n"))
    assert data.classes == ("cat",)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0]


class TestSplit:
    ROWS = 'path,label,split\na.png,b,{}\nsub/b.png,a,{}\n"c, d.png",b,{}\n'

    @pytest.mark.parametrize(
        "words",
        [
            ("train", "train", "test"),
            ("Training", "TRAIN", "eval"),
            ("train_set", "trn", "Test"),
            ("train", "train", "valid"),
        ],
    )
    def test_each_row_belongs_to_its_part(self, tmp_path: Path, words: tuple[str, ...]) -> None:
        file = table(tmp_path, self.ROWS.format(*words))
        assert content(opened(file)) == [(0, "b"), (1, "a")]
        test = open_dataset(file, [GRAY], split="test")
        assert content(test) == [(2, "b")]
        assert test.classes == ("a", "b")

    @pytest.mark.parametrize("split", ["train", "valid", "test"])
    def test_a_part_that_no_row_has_is_not_there(self, tmp_path: Path, split: Split) -> None:
        words = {"train": ("dev", "test", "test"), "valid": ("train", "test", "test")}
        file = table(tmp_path, self.ROWS.format(*words.get(split, ("train",) * 3)))
        purpose = {"train": "training", "valid": "validation", "test": "testing"}[split]
        with complaint(
            "CNN801",
            f"`{file}` has no part for {purpose}: there is no `{split}` in the column `split`",
            "name data that has this part",
        ):
            open_dataset(file, [GRAY], split=split)

    @pytest.mark.parametrize(("word", "what"), [("fold 2", "the part `fold 2`"), ("", "no part")])
    def test_a_word_that_is_no_part_is_an_error(self, tmp_path: Path, word: str, what: str) -> None:
        file = table(tmp_path, self.ROWS.format("train", word, "test"))
        with complaint(
            "CNN801",
            f"line 3 of `{file}` has {what} in the column `split`",
            "write `train`, `valid` or `test` there, or call the column something else",
        ):
            opened(file)

    def test_a_column_of_parts_may_have_another_name(self, tmp_path: Path) -> None:
        text = self.ROWS.replace("split", "Subset")
        assert len(opened(table(tmp_path, text.format("train", "train", "val")))) == 2
        data = opened(table(tmp_path, text.format("red", "green", "red")))
        assert len(data) == 3
        assert "the column `Subset` is not used in" in data.notes[1]

    def test_columns_that_are_not_used_are_said(self, tmp_path: Path) -> None:
        file = table(tmp_path, "path,age,label,sex\na.png,4,cat,m\n")
        assert opened(file).notes == (
            f"the labels of `{file}` are names of classes, in this order: `cat`",
            f"the columns `age`, `sex` are not used in `{file}`",
        )


class TestErrors:
    @pytest.mark.parametrize(
        ("header", "what", "help"),
        [
            (
                "path,label,class",
                "`{}` has 2 columns of labels: `label`, `class`",
                "call only one of them `label`, and the others something else",
            ),
            (
                "path,Label,label",
                "`{}` has 2 columns of labels: `Label`, `label`",
                "call only one of them `label`, and the others something else",
            ),
            (
                "file,label,image",
                "`{}` has 2 columns of paths: `file`, `image`",
                "call only one of them `path`, and the others something else",
            ),
            (
                "image,cat,dog",
                "the first line of `{}` names a column of paths, but none of labels: `image`,"
                " `cat`, `dog`",
                "call the column of the labels `label`; a table gives each sample one label",
            ),
            (
                "id,label",
                "the first line of `{}` names a column of labels, but none of paths: `id`, `label`",
                "call the column of the pictures' paths `path`",
            ),
            (
                "img_id,species",
                "the first line of `{}` names neither a picture that is there nor columns that are"
                " known: `img_id`, `species`",
                "call the columns `path` and `label`, or correct the path",
            ),
        ],
    )
    def test_columns_that_are_missing_or_there_twice(
        self, tmp_path: Path, header: str, what: str, help: str
    ) -> None:
        file = table(tmp_path, f"{header}\na.png,1{',0' * (header.count(',') - 1)}\n")
        with complaint("CNN801", what.format(file), help):
            opened(file)

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            ("a.png,0\n".encode("utf-16"), "it is not UTF-8 text"),
            ("a.png,0\n".encode("utf-16-le"), "line 1 has a zero byte in it"),
            (b"a.png,0\na\0.png,0\n", "line 2 has a zero byte in it"),
            (b"a.png,\xff\n", "it is not UTF-8 text"),
            (b'a.png,0\n"a.png,0\na.png,0\n', "line 2: its quotation mark is never closed"),
            (b'a.png,"0"1\n', "line 1: ',' expected after '\"'"),
            (
                b"a.png,0\na.png," + b"x" * 200_000 + b"\n",
                "line 2: field larger than field limit (131072)",
            ),
            (b"a," * 600_000, "line 1 is longer than 1048576 letters"),
        ],
    )
    def test_it_is_no_table(self, tmp_path: Path, content: bytes, why: str) -> None:
        file = table(tmp_path, "")
        file.write_bytes(content)
        with complaint("CNN801", f"cannot read `{file}`: {why}", SAVE):
            opened(file)

    @pytest.mark.parametrize("label", ["100000000000000000000", "9" * 5000])
    def test_a_label_beyond_any_index(self, tmp_path: Path, label: str) -> None:
        file = table(tmp_path, f"a.png,0\na.png,{label}\n")
        shown = label if len(label) < 60 else "9" * 59 + "\u2026"
        with complaint(
            "CNN802",
            f"`{file}` has the label `{shown}`: no index of a class is so large",
            "count the classes from 0, or write their names",
        ):
            opened(file)

    def test_pictures_that_are_not_there(self, tmp_path: Path) -> None:
        file = table(tmp_path, "a.png,0\nb.png,0\nc.png,1\n")
        with complaint(
            "CNN801",
            f"2 of the 3 pictures of `{file}` are not there",
            "correct the paths; they count from the folder of the file that lists them",
            f"`{tmp_path}/b.png`: no such file or directory",
            f"`{tmp_path}/c.png`: no such file or directory",
        ):
            opened(file)

    @pytest.mark.skipif(os.sep == "\\", reason="there it separates folders")
    def test_paths_of_windows_are_told_to_be_written_anew(self, tmp_path: Path) -> None:
        file = table(tmp_path, "sub\\b.png,0\nsub/b.png,1\n")
        with pytest.raises(UserError) as caught:
            opened(file)
        assert caught.value.help == "write `/` between folders, and not `\\`"
        file.write_text(file.read_text(encoding="utf-8").replace("\\", "/"), encoding="utf-8")
        assert len(opened(file)) == 2

    def test_many_that_are_not_there_are_cut(self, tmp_path: Path) -> None:
        file = table(tmp_path, "".join(f"{number}.png,0\n" for number in range(12)))
        with complaint(
            "CNN801",
            f"12 of the 12 pictures of `{file}` are not there",
            "correct the paths; they count from the folder of the file that lists them",
            *(f"`{tmp_path}/{number}.png`: no such file or directory" for number in range(10)),
            "and 2 more",
        ):
            opened(file)

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("a.png,0\na.png\n", "line 2 of `{}` has 1 value, not 2"),
            ("a.png;0\n", "line 1 of `{}` has 1 value, not 2"),
            ("a.png,0,4\n", "line 1 of `{}` has 3 values, not 2"),
            ("path,label,size\na.png,0\n", "line 2 of `{}` has 2 values, not 3"),
            ("a.png,0\n\na.png,\n", "line 3 of `{}` has no label"),
            ("path,label\n,0\n", "line 2 of `{}` has no path"),
        ],
    )
    def test_a_line_that_is_not_understood(self, tmp_path: Path, text: str, what: str) -> None:
        file = table(tmp_path, text)
        with complaint("CNN801", what.format(file), LINES):
            opened(file)

    def test_a_label_that_is_no_class(self, tmp_path: Path) -> None:
        file = table(tmp_path, "a.png,cat\nsub/b.png,pig\n")
        with complaint(
            "CNN802",
            f"the labels of `{file}` are not the classes of the network: they have also `pig`",
            "let the labels and the network's classes agree, letter by letter",
            "the network has `cat`, `dog`",
        ):
            opened(file, "cat", "dog")

    def test_no_line_at_all(self, tmp_path: Path) -> None:
        for text in ("", "path,label\n"):
            file = table(tmp_path, text)
            with complaint(
                "CNN808", f"`{file}` holds no samples", "give data with at least one sample"
            ):
                opened(file)

    def test_it_is_no_text(self, tmp_path: Path) -> None:
        file = table(tmp_path, "")
        file.write_bytes(b"a.png,\xff\n")
        with complaint("CNN801", f"cannot read `{file}`: it is not UTF-8 text", SAVE):
            opened(file)

    def test_a_quotation_that_never_ends(self, tmp_path: Path) -> None:
        file = table(tmp_path, 'a.png,"0\n')
        with complaint(
            "CNN801", f"cannot read `{file}`: line 1: its quotation mark is never closed", SAVE
        ):
            opened(file)

    def test_it_has_no_part_for_validation(self, tmp_path: Path) -> None:
        file = table(tmp_path, "a.png,0\n")
        with complaint(
            "CNN801",
            f"`{file}` has no part for validation: there is no division into parts",
            "name data that has this part",
        ):
            open_dataset(file, [GRAY], split="valid")
