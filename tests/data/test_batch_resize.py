"""Pictures in memory: fitted bit for bit like the same pictures from files."""

from pathlib import Path
from typing import Any

import numpy
import pytest
from training_data import complaint, model_input, noise, write_picture

from cnndsl.data import arraysets
from cnndsl.data.arraysets import Column, as_column, pictures_column
from cnndsl.data.batch_resize import fit_pictures
from cnndsl.data.images import read_picture

SIZES = [(8, 8), (5, 7), (12, 12), (8, 20), (3, 8), (9, 4), (1, 1)]
ROWS = numpy.arange(2)


@pytest.mark.parametrize("fit", ["resize", "pad", "crop"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    ("colours", "channels", "settings"),
    [
        (False, 1, {"background": 7}),
        (True, 3, {"layout": "rgb", "mean": (0.1, 0.2, 0.3)}),
        (True, 3, {"layout": "bgr", "background": 200}),
        (True, 1, {"invert": True}),
        (False, 3, {"std": (2.0, 3.0, 4.0)}),
    ],
)
def test_arrays_and_files_give_the_same_numbers(
    tmp_path: Path,
    fit: str,
    size: tuple[int, int],
    colours: bool,
    channels: int,
    settings: dict[str, Any],
) -> None:
    pictures = noise(2, *size, 3) if colours else noise(2, *size)
    one = model_input(channels, 8, 8, fit=fit, scale=1 / 255, **settings)
    axes = (0, 1, 2, 3) if colours else (0, 1, 2)
    fitted = pictures_column(pictures, one, "set", axes).take(ROWS)
    for at, picture in enumerate(pictures):
        file = write_picture(tmp_path / f"{at}.png", picture)
        assert (read_picture(file, one) == fitted[at]).all()


def test_the_gray_of_colours_is_that_of_pillow(tmp_path: Path) -> None:
    colours = noise(1, 200, 200, 3)
    one = model_input(1, 200, 200)
    file = write_picture(tmp_path / "a.png", colours[0])
    assert (fit_pictures(colours, one, "set")[0] == read_picture(file, one)).all()


def test_what_would_be_fitted_at_every_reading_is_fitted_once() -> None:
    stretched = as_column(noise(5, 6, 6), model_input(1, 8, 8), "set")
    assert stretched.axes is None
    assert stretched.store.shape == (5, 1, 8, 8)
    padded = as_column(noise(5, 6, 6), model_input(1, 8, 8, fit="pad"), "set")
    assert padded.store.shape == (5, 6, 6)


def test_what_would_not_fit_memory_is_fitted_when_read(monkeypatch: pytest.MonkeyPatch) -> None:
    one = model_input(1, 8, 8)
    at_once = as_column(noise(5, 6, 6), one, "set")
    monkeypatch.setattr(arraysets, "MEMORY_LIMIT", 5 * 8 * 8 - 1)
    later = as_column(noise(5, 6, 6), one, "set")
    assert later.axes is not None
    assert (later.take(ROWS) == at_once.take(ROWS)).all()


class TestShapes:
    """How samples lie in an array."""

    INPUT = model_input(3, 4, 4)

    def numbers(self, array: numpy.typing.NDArray[Any], *dims: int) -> numpy.typing.NDArray[Any]:
        column: Column = as_column(array, model_input(*(dims or (3, 4, 4))), "set")
        return column.take(ROWS)

    def test_colours_may_stand_first_or_last(self) -> None:
        last = noise(2, 6, 6, 3)
        first = numpy.ascontiguousarray(last.transpose(0, 3, 1, 2))
        assert (self.numbers(last) == self.numbers(first)).all()

    def test_one_channel_may_be_written_or_not(self) -> None:
        plain = noise(2, 6, 6)
        expected = self.numbers(plain, 1, 4, 4)
        assert (self.numbers(plain[..., None], 1, 4, 4) == expected).all()
        assert (self.numbers(plain[:, None], 1, 4, 4) == expected).all()

    def test_numbers_of_the_inputs_shape_are_in_its_own_channels(self) -> None:
        numbers = noise(2, 3, 4, 4)
        taken = as_column(numbers, model_input(3, 4, 4, layout="bgr"), "set").take(ROWS)
        assert (taken == numbers).all()
        assert taken.dtype == numpy.float32

    def test_floats_are_prepared_already(self) -> None:
        values = noise(2, 3, 4, 4).astype(numpy.float64)
        taken = as_column(values, model_input(3, 4, 4, scale=0.5), "set").take(ROWS)
        assert (taken == values).all()
        assert taken.dtype == numpy.float32

    def test_one_channel_of_floats_may_be_left_out(self) -> None:
        values = noise(2, 4, 4) / 7
        assert (self.numbers(values, 1, 4, 4)[:, 0] == values.astype(numpy.float32)).all()
        with complaint(
            "CNN703",
            "`set` holds a `2x4x4` array, but the input `input` takes `2x4x4x4` or `Nx2x4x4x4`",
            "give the array that shape",
        ):
            self.numbers(values, 2, 4, 4, 4)

    def test_single_numbers_have_an_axis_too(self) -> None:
        with complaint(
            "CNN703",
            "`set` holds a `5` array, but the input `input` takes `1` or `Nx1`",
            "give the array that shape",
        ):
            self.numbers(noise(5), 1)

    def test_signals_are_numbers(self) -> None:
        assert (self.numbers(noise(2, 2, 9), 2, 9) == noise(2, 2, 9)).all()

    def test_colours_that_may_be_first_or_last_are_an_error(self) -> None:
        with complaint(
            "CNN801",
            "`set` holds samples of 3x5x3, where the colours may stand first or last",
            "give arrays of the input's own shape, channels first",
        ):
            self.numbers(noise(2, 3, 5, 3))

    def test_another_shape_is_an_error(self) -> None:
        with complaint(
            "CNN703",
            "`set` holds a `2x5x6x7` array, but the input `input` takes `3x4x4` or `Nx3x4x4`",
            "give the array that shape",
        ):
            self.numbers(noise(2, 5, 6, 7))

    def test_floats_are_never_fitted(self) -> None:
        with complaint(
            "CNN703",
            "`set` holds a `2x4x4x3` array, but the input `input` takes `3x4x4` or `Nx3x4x4`",
            "put the channels first: `array.transpose(0, 3, 1, 2)`",
        ):
            self.numbers(noise(2, 4, 4, 3).astype(numpy.float32))
        self.numbers(noise(2, 4, 4, 3).astype(numpy.float32).transpose(0, 3, 1, 2))

    def test_one_sample_needs_its_axis(self) -> None:
        one = numpy.zeros((3, 4, 4), numpy.float32)
        with complaint(
            "CNN703",
            "`set` holds one sample without an axis that counts the samples",
            "give the array one more dimension in front: `array[None]`",
        ):
            self.numbers(one)
        assert as_column(one[None], self.INPUT, "set").take(ROWS[:1]).shape == (1, 3, 4, 4)

    def test_exact_refuses_another_size_at_opening(self) -> None:
        with complaint(
            "CNN703",
            "`set` has 6x5 pixels (height x width), but the input takes exactly 4x4",
            "give a picture of that size, or write `fit resize` in the spec's input",
        ):
            as_column(noise(2, 6, 5), model_input(1, 4, 4, fit="exact"), "set")
        as_column(noise(2, 6, 5), model_input(1, 4, 4, fit="resize"), "set")
