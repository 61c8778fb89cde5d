"""Arrays in memory are read as a ``.npz`` file of them is: the same samples, the same errors."""

from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_data import model_input

from cnndsl.data.dataset import open_dataset
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import ModelInput
from cnndsl.data.splits import Split
from cnndsl.diagnostics.model import UserError

GRAY = (model_input(1, 4, 4, scale=1 / 255),)
TWO = (model_input(3, name="left"), model_input(2, name="right"))


def described(data: object, inputs: tuple[ModelInput, ...], split: Split = "train") -> object:
    """All that a dataset is, or what is said of it, without its name."""
    try:
        found: Dataset = open_dataset(data, inputs, split=split)  # type: ignore[arg-type]
        read = found.read(numpy.arange(len(found)))
    except UserError as error:
        name = data if isinstance(data, Path) else "arrays"
        texts = (error.message, error.help, *error.notes)
        return error.code, [text.replace(f"`{name}", "`NAME") for text in texts]
    labels = None if found.labels is None else found.labels.tolist()
    targets = None if found.targets is None else found.targets.tolist()
    return labels, targets, {name: array.tolist() for name, array in read.items()}


def both(
    folder: Path,
    arrays: dict[str, object],
    given: object,
    inputs: tuple[ModelInput, ...] = GRAY,
    split: Split = "train",
) -> object:
    numpy.savez(folder / "a.npz", **arrays)  # type: ignore[arg-type]
    in_file = described(folder / "a.npz", inputs, split)
    in_memory = described(given, inputs, split)
    assert in_memory == in_file
    return in_memory


@pytest.mark.parametrize(
    "x",
    [
        numpy.arange(48, dtype=numpy.uint8).reshape(3, 4, 4),
        numpy.arange(48, dtype=numpy.uint8).reshape(3, 4, 4)[::-1, ::-1],
        numpy.asfortranarray(numpy.arange(48, dtype=">f4").reshape(3, 1, 4, 4)),
        numpy.full((3, 1, 4, 4), numpy.nan),
        numpy.zeros((3, 8, 8), numpy.uint8),
        numpy.zeros((3, 8, 8), numpy.float32),
        numpy.zeros((4, 4), numpy.uint8),
        numpy.zeros((2, 4, 4), numpy.uint8),
        numpy.zeros((0, 4, 4), numpy.uint8),
        numpy.zeros((3, 4, 4), numpy.complex64),
        numpy.array(5),
        numpy.array(["a", "b", "c"]),
    ],
)
@pytest.mark.parametrize(
    "y",
    [
        [0, 1, 1],
        [[0], [1], [1]],
        [0.5, 1.0, 0.0],
        [numpy.nan, 1.0, 0.0],
        ["a", "b", "b"],
        [],
        2,
        numpy.array([0, 2**64 - 1, 1], numpy.uint64),
    ],
)
def test_a_pair_is_as_in_a_file(tmp_path: Path, x: object, y: object) -> None:
    both(tmp_path, {"x": x, "y": y}, (x, y))


@given(st.sampled_from(["x", "input", "y", "x_train", "y_train", "x_test", "y_test"]), st.data())
def test_names_are_as_in_a_file(
    tmp_path_factory: pytest.TempPathFactory, first: str, data: st.DataObject
) -> None:
    more = data.draw(st.sets(st.sampled_from(["x", "y", "x_val", "y_val", "x_test", "y_test"])))
    arrays: dict[str, object] = {
        name: numpy.zeros((3, 4, 4), numpy.uint8) if name[0] != "y" else numpy.arange(3)
        for name in sorted({first, *more})
    }
    splits: tuple[Split, ...] = ("train", "valid", "test")
    both(tmp_path_factory.mktemp("a"), arrays, arrays, split=data.draw(st.sampled_from(splits)))


def test_several_inputs_have_names(tmp_path: Path) -> None:
    left, right = numpy.ones((3, 3), numpy.float32), numpy.zeros((3, 2), numpy.float32)
    arrays: dict[str, object] = {"left": left, "right": right, "y": [0, 1, 0]}
    both(tmp_path, arrays, ({"left": left, "right": right}, [0, 1, 0]), TWO)
    both(tmp_path, {**arrays, "right": right[:2]}, {**arrays, "right": right[:2]}, TWO)
    with pytest.raises(UserError) as caught:
        open_dataset((left, [0, 1, 0]), TWO)
    assert caught.value.code == "CNN703"
    assert caught.value.help == "give an array for each: `({'left': x1, 'right': x2}, y)`"


def test_an_open_archive_is_a_mapping(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", x=numpy.zeros((2, 4, 4), numpy.uint8), y=[0, 1])
    with numpy.load(tmp_path / "a.npz") as archive:
        assert len(open_dataset(archive, GRAY)) == 2
    numpy.savez(tmp_path / "b.npz", x=numpy.zeros((2, 4, 4)), y=numpy.array([{}, None]))
    with numpy.load(tmp_path / "b.npz") as archive, pytest.raises(UserError) as caught:
        open_dataset(archive, GRAY)
    assert caught.value.code == "CNN801"


def test_what_is_no_pair_is_an_error() -> None:
    x = numpy.zeros((2, 4, 4), numpy.uint8)
    with pytest.raises(UserError, match="no labels") as caught:
        open_dataset(x, GRAY)  # type: ignore[arg-type]
    assert caught.value.help == "give both, as a pair: `(x, y)`"
    with pytest.raises(UserError, match="`x` is no array"):
        open_dataset(([[1, 2], [3]], [0, 1]), GRAY)
    for data in (3, None, (x, x, x), {1: x}):
        with pytest.raises(TypeError):
            open_dataset(data, GRAY)  # type: ignore[arg-type]


def test_the_same_numbers_have_the_same_fingerprint() -> None:
    x = numpy.arange(32, dtype=numpy.uint8).reshape(2, 4, 4)
    one, same, other = (
        open_dataset((values, [0, 1]), GRAY).fingerprint for values in (x, x.copy(), x[::-1])
    )
    assert one == same != other


def test_what_is_masked_is_not_taken_for_numbers() -> None:
    x = numpy.ma.masked_array(numpy.zeros((2, 4, 4), numpy.uint8), mask=False)
    assert len(open_dataset((x, [0, 1]), GRAY)) == 2
    x[0, 0, 0] = numpy.ma.masked
    for data in ((x, [0, 1]), (x.data, numpy.ma.masked_array([0, 1], mask=[True, False]))):
        with pytest.raises(UserError, match="is a masked array") as caught:
            open_dataset(data, GRAY)
        assert caught.value.code == "CNN801"
    assert len(open_dataset((x.filled(0), [0, 1]), GRAY)) == 2


def test_arrays_that_are_not_used_are_named() -> None:
    x: Any
    y: Any
    x, y = numpy.zeros((2, 4, 4), numpy.uint8), numpy.arange(2)
    parts = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "x_val": x, "y_val": y}
    for data in (parts, {"x": x, "y": y}, {"input": x, "y": y}):
        assert open_dataset(data, GRAY).notes == ()
    noted = open_dataset({"x": x, "y": y, "age": y}, GRAY).notes
    assert noted == ("the array `age` is not used in `arrays`",)
    noted = open_dataset({"x": x, "input": x, "y": y, "age": y}, GRAY).notes
    assert noted == ("the arrays `x`, `age` are not used in `arrays`",)
