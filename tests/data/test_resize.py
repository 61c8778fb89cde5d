"""Pictures cut to an input's size: whole pixels, and as torchvision does it."""

from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image
from training_data import model_input, noise, write_picture

from cnndsl.data import resize
from cnndsl.data.arraysets import as_column
from cnndsl.data.images import read_picture
from cnndsl.data.resize import fit_picture
from cnndsl.recipe.preparation import Preparation

Bytes = NDArray[numpy.uint8]


def resize_and_centre_crop(picture: Bytes, shorter: int, side: int, resample: str) -> Bytes:
    """torchvision's ``Resize(shorter)`` and ``CenterCrop(side)`` of a PIL image.

    As `torchvision.transforms.functional` has it: the longer side is ``int(shorter * long /
    short)``, the offsets are ``int(round((size - side) / 2.0))``.
    """
    height, width = picture.shape[:2]
    short, long = sorted((height, width))
    new_long = int(shorter * long / short)
    new_width, new_height = (shorter, new_long) if width <= height else (new_long, shorter)
    image = Image.fromarray(picture)
    if (new_width, new_height) != image.size:
        image = image.resize((new_width, new_height), Image.Resampling[resample.upper()])
    top = int(round((new_height - side) / 2.0))  # noqa: RUF046  # as it stands there
    left = int(round((new_width - side) / 2.0))  # noqa: RUF046
    return numpy.asarray(image.crop((left, top, left + side, top + side)))


def fitted(picture: Bytes, height: int, width: int, **settings: object) -> Bytes:
    preparation = Preparation(fit="crop", **settings)  # type: ignore[arg-type]
    return fit_picture(picture, (width, height), preparation, "picture")


ODD = [tuple(size) for size in numpy.random.default_rng(7).integers(33, 420, (20, 2)).tolist()]


@pytest.mark.parametrize("resample", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("size", ODD, ids=str)
def test_crop_from_is_resize_and_centre_crop(size: tuple[int, int], resample: str) -> None:
    for picture in (noise(*size), noise(*size, 3, seed=1)):
        expected = resize_and_centre_crop(picture, 256, 224, resample)
        assert (fitted(picture, 224, 224, fit_from=256, resample=resample) == expected).all()


@pytest.mark.parametrize("size", ODD[:8], ids=str)
def test_crop_alone_resizes_the_shorter_side_to_a_square_input(size: tuple[int, int]) -> None:
    picture = noise(*size)
    expected = resize_and_centre_crop(picture, 64, 64, "bilinear")
    assert (fitted(picture, 64, 64) == expected).all()


def test_where_nothing_needs_resizing_whole_pixels_are_cut() -> None:
    stripes = numpy.array([[0, 255, 0]] * 2, numpy.uint8)
    assert fitted(stripes, 2, 2).tolist() == [[0, 255]] * 2
    tall = noise(29, 28)
    assert (fitted(tall, 28, 28) == tall[:28]).all()
    for height, width in ((40, 28), (28, 41), (30, 28)):
        picture = noise(height, width, 3)
        cut = fitted(picture, 28, 28)
        windows = numpy.lib.stride_tricks.sliding_window_view(picture, (28, 28), axis=(0, 1))
        same = (windows.transpose(0, 1, 3, 4, 2) == cut).all(axis=(2, 3, 4))
        assert same.sum() == 1


def test_what_is_cut_of_an_oblong_input_covers_it() -> None:
    for size in ODD:
        cut = fitted(numpy.full(size, 200, numpy.uint8), 31, 64)
        assert cut.shape == (31, 64)
        assert (cut == 200).all()
    exact = noise(31, 90)
    assert (fitted(exact, 31, 64) == exact[:, 13:77]).all()


def test_a_strip_too_long_to_be_resized_is_cut_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in ((7, 400), (300, 11), (40, 90)):
        picture = noise(*size)
        whole = fitted(picture, 32, 32, fit_from=40).astype(int)
        monkeypatch.setattr(resize, "_MOST_PIXELS", 0)
        cut = fitted(picture, 32, 32, fit_from=40).astype(int)
        monkeypatch.undo()
        assert abs(whole - cut).max() <= 1


@pytest.mark.parametrize("fit", ["resize", "pad", "crop"])
@pytest.mark.parametrize("resample", ["bilinear", "bicubic", "nearest"])
def test_arrays_are_fitted_like_files(tmp_path: Path, fit: str, resample: str) -> None:
    for size in ((16, 16), (9, 30), (31, 17)):
        pictures = noise(2, *size, 3)
        shorter = 20 if fit == "crop" else None
        one = model_input(3, 16, 16, fit=fit, fit_from=shorter, resample=resample)
        values = as_column(pictures, one, "set").take(numpy.arange(2))
        for at in range(2):
            file = write_picture(tmp_path / f"{at}.png", pictures[at])
            assert (read_picture(file, one) == values[at]).all()


def test_crop_from_enlarges_a_picture_of_the_inputs_own_size(tmp_path: Path) -> None:
    picture = noise(16, 16)
    one = model_input(1, 16, 16, fit="crop", fit_from=20)
    expected = resize_and_centre_crop(picture, 20, 16, "bilinear")
    assert (read_picture(write_picture(tmp_path / "a.png", picture), one)[0] == expected).all()
    column = as_column(picture[None, :, :, None], one, "set")
    assert column.axes is None
    assert (column.take(numpy.arange(1))[0, 0] == expected).all()


def test_nearest_makes_no_new_values() -> None:
    picture = numpy.where(noise(50, 70) > 127, 255, 0).astype(numpy.uint8)
    assert set(fitted(picture, 32, 32, resample="nearest").ravel().tolist()) == {0, 255}
    assert len(set(fitted(picture, 32, 32).ravel().tolist())) > 2
