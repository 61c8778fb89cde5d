"""A CSV of paths and labels."""

from pathlib import Path

import numpy
import pytest
from training_data import complaint, model_input, write_picture

from cnndsl.data.dataset import open_dataset
from cnndsl.data.samples import Dataset

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


class TestErrors:
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
            ("a.png,0\na.png\n", "line 2 of `{}` has 1 values, not 2"),
            ("a.png;0\n", "line 1 of `{}` has 1 values, not 2"),
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
            f"the labels of `{file}` are not the classes of the spec: they have also `pig`",
            "make the spec's `classes` and the labels agree, letter by letter",
            "the spec has `cat`, `dog`",
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
        with complaint("CNN801", f"cannot read `{file}`: unexpected end of data", SAVE):
            opened(file)

    def test_it_has_no_part_for_validation(self, tmp_path: Path) -> None:
        file = table(tmp_path, "a.png,0\n")
        with complaint(
            "CNN801",
            f"`{file}` has no part for validation: there is no division into parts",
            "name data that has this part",
        ):
            open_dataset(file, [GRAY], split="valid")
