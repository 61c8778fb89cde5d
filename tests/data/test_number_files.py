"""Text files of numbers as inputs: what is read, and what is said of files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from cnndsl.data.number_files import read_numbers
from cnndsl.data.sources import ModelInput, UnreadableError
from cnndsl.diagnostics.model import UserError
from cnndsl.pipeline import check_text
from cnndsl.types import DType, TensorType


def read(folder: Path, text: str, *dims: int, tokens: bool = False) -> numpy.ndarray:
    path = folder / "x.txt"
    path.write_text(text, encoding="utf-8")
    kind = TensorType(dims, DType.INT64, 20) if tokens else TensorType(dims)
    return read_numbers(path, ModelInput("input", kind))


def test_a_picture_is_read_row_by_row(tmp_path: Path) -> None:
    found = read(tmp_path, "# a corner\n1 1 0\n\n-1, 0.5, 1e1  # the last row\n", 1, 2, 3)
    assert found.dtype == numpy.float32
    assert found.tolist() == [[[1, 1, 0], [-1, 0.5, 10]]]


def test_channels_follow_each_other(tmp_path: Path) -> None:
    assert read(tmp_path, "1 2\n3 4\n\n5 6\n7 8\n", 2, 2, 2).tolist() == [
        [[1, 2], [3, 4]],
        [[5, 6], [7, 8]],
    ]
    assert read(tmp_path, "1 2 3\n4 5 6\n", 2, 3).tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("text", ["1 2 3 4", "1\n2\n3\n4\n", "\ufeff1 2\r\n3 4\r\n"])
def test_a_vector_may_stand_in_any_rows(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text, 4).tolist() == [1, 2, 3, 4]


def test_token_ids_stay_whole(tmp_path: Path) -> None:
    assert read(tmp_path, "3 0 7", 3, tokens=True).dtype == numpy.int64
    with pytest.raises(UserError, match="whole numbers, for they are token ids"):
        read(tmp_path, "3 0 0.5", 3, tokens=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2 3\n4 5\n", "line 2 has 2 numbers, line 1 has 3"),
        ("1 2 3\n4 five 6\n", "`five` in line 2 is no number"),
        ("1 2 1_0\n4 5 6\n", "`1_0` in line 1 is no number"),
    ],
)
def test_what_is_no_table_of_numbers_is_broken(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=said) as caught:
        read(tmp_path, text, 1, 2, 3)
    assert caught.value.code == "CNN702"


def test_bytes_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(UnreadableError, match="not text in UTF-8"):
        read_numbers(tmp_path / "x.txt", ModelInput("input", TensorType((3,))))


@pytest.mark.parametrize(
    ("text", "dims", "said", "help"),
    [
        ("1 2\n3 4\n", (1, 2, 3), "holds 2 rows of 2 numbers", "write 2 rows of 3 numbers"),
        # Six numbers all the same, but not in the rows of the input.
        ("1 2\n3 4\n5 6\n", (1, 2, 3), "holds 3 rows of 2 numbers", "write 2 rows of 3 numbers"),
        ("1 2\n", (2, 1, 2), "1 row of 2", "write 2 rows of 2 numbers, channel after channel"),
        ("1 2\n", (3,), "holds 1 row of 2 numbers", "write 3 numbers"),
        ("# nothing\n", (3,), "holds no numbers", "write 3 numbers"),
    ],
)
def test_rows_that_are_not_those_of_the_input(
    tmp_path: Path, text: str, dims: tuple[int, ...], said: str, help: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read(tmp_path, text, *dims)
    assert (caught.value.code, caught.value.help) == ("CNN703", help)


def test_the_range_of_an_input_counts(tmp_path: Path) -> None:
    """As of an array of floating-point numbers: with a range they are raw values."""
    result = check_text("input 1x1x2 { range 0 16  scale 1/255 }\nrelu\n")
    assert result.network is not None
    (port,) = result.network.network.inputs
    path = tmp_path / "x.txt"
    path.write_text("0 16\n")
    found = read_numbers(path, ModelInput("input", TensorType((1, 1, 2)), port.preparation))
    assert found.tolist() == [[[0, 1]]]


def test_a_model_of_raw_pictures_takes_no_prepared_numbers(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("1 2\n")
    raw = ModelInput("input", TensorType((1, 1, 2)), is_raw=True)
    with pytest.raises(UserError, match="holds prepared numbers") as caught:
        read_numbers(tmp_path / "x.txt", raw)
    assert caught.value.help == "give a picture, or compile the spec without `--raw`"
