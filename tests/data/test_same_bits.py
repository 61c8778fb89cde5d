"""Preparation and augmentation, bit for bit what the plain arithmetic gives, step after step."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy
import numpy.typing
import pytest
from PIL import Image, ImageOps
from training_data import model_input, noise

from cnndsl.data import loader, normalize
from cnndsl.data.augment import Augmenter
from cnndsl.data.batch_resize import fit_pictures
from cnndsl.data.images import read_picture
from cnndsl.data.loader import Batch, feed
from cnndsl.data.normalize import prepare_values
from cnndsl.data.pictures import PictureSet
from cnndsl.data.resize import resized_to
from cnndsl.data.splits import Wanted
from cnndsl.recipe.augmentations import moving
from cnndsl.recipe.augmentations.crop import Crop
from cnndsl.recipe.augmentations.flip import Flip
from cnndsl.recipe.preparation import Preparation

Array = numpy.typing.NDArray[Any]

NUMBERS: dict[str, Any] = {
    "scale": 1 / 255,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}


def plain(raw: Array, preparation: Preparation, channel_axis: int) -> Array:
    """One operation after the other on all numbers, where they lie."""
    shape = [1] * raw.ndim
    shape[channel_axis] = -1
    values = raw.astype(numpy.float32)
    if preparation.invert:
        values = numpy.float32(255) - values
    values = values * numpy.float32(preparation.scale)
    values = values - numpy.array(preparation.mean, numpy.float32).reshape(shape)
    return values / numpy.array(preparation.std, numpy.float32).reshape(shape)


def kinds() -> dict[str, tuple[Image.Image, str]]:
    """Pictures of every kind of bytes, and the format each is saved in."""
    colours = Image.fromarray(noise(41, 37, 3)).resize((74, 82), Image.Resampling.BICUBIC)
    clear = colours.copy()
    clear.putalpha(Image.fromarray(noise(82, 74, seed=3)))
    return {
        "RGB": (colours, "jpg"),
        "L": (colours.convert("L"), "jpg"),
        "CMYK": (colours.convert("CMYK"), "jpg"),
        "P": (colours.quantize(16), "png"),
        "RGBA": (clear, "png"),
        "LA": (clear.convert("LA"), "png"),
        "1": (colours.convert("1"), "png"),
    }


def by_hand(path: Path, layout: str, background: int, side: int, around: int) -> Array:
    """A picture's bytes, channels last, as Pillow alone makes them: upright, resized, cut out."""
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.has_transparency_data:
        behind = Image.new("RGBA", picture.size, (background, background, background, 255))
        picture = Image.alpha_composite(behind, picture.convert("RGBA"))
    picture = picture.convert("L" if layout == "gray" else "RGB")
    size = resized_to(picture.size, (side, side), around)
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = (round((one - side) / 2) for one in size)
    values = numpy.asarray(picture.crop((left, top, left + side, top + side)))
    return values[..., ::-1] if layout == "bgr" else values.reshape(side, side, -1)


@pytest.mark.parametrize("layout", ["gray", "rgb", "bgr"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("kind", kinds())
def test_a_picture_has_the_bits_of_the_plain_arithmetic(
    tmp_path: Path, kind: str, orientation: int, layout: str
) -> None:
    picture, suffix = kinds()[kind]
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif)
    numbers = NUMBERS if layout != "gray" else {"scale": 1 / 255, "mean": (0.1307,)}
    one = model_input(
        1 if layout == "gray" else 3, 32, 32,
        layout=layout, fit="crop", fit_from=40, background=9, **numbers,
    )  # fmt: skip
    expected = plain(
        by_hand(path, layout, 9, 32, 40).transpose(2, 0, 1), one.preparation, channel_axis=0
    )
    assert numpy.array_equal(read_picture(path, one), expected)
    place = numpy.full(expected.shape, numpy.nan, numpy.float32)
    assert read_picture(path, one, place) is place
    assert numpy.array_equal(place, expected)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("dtype", [numpy.uint8, numpy.float32])
def test_a_batch_has_the_bits_of_the_plain_arithmetic(
    dtype: Any, invert: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    preparation = Preparation(invert=invert, **NUMBERS)
    raw = noise(7, 5, 6, 3).astype(dtype).transpose(0, 3, 1, 2)
    expected = plain(raw, preparation, channel_axis=1)
    for most in (1, 200, 2**16):  # pieces of one sample, of two, and all at once
        monkeypatch.setattr(normalize, "_PIECE", most)
        values = prepare_values(raw, preparation, 1)
        assert numpy.array_equal(values, expected)
        assert values.flags.c_contiguous


def test_pictures_in_arrays_are_prepared_to_the_same_bits() -> None:
    one = model_input(3, 6, 5, layout="bgr", **NUMBERS)
    colours = noise(4, 6, 5, 3)
    values = prepare_values(fit_pictures(colours, one, "set"), one.preparation, 1)
    assert numpy.array_equal(values, plain(colours[..., ::-1].transpose(0, 3, 1, 2),
                                           one.preparation, channel_axis=1))  # fmt: skip


@pytest.mark.parametrize("dims", [(2, 9), (3, 8, 7), (1, 5, 6, 4)], ids=str)
def test_samples_are_moved_one_by_one_as_all_at_once(
    dims: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = noise(6, *dims).astype(numpy.float32)
    chances = numpy.random.default_rng(1).random((6, len(dims) - 1))
    chances[0], chances[1] = 0, 1 - 2**-53  # as far as can be, either way
    together = moving.moved(x, 3, chances)
    monkeypatch.setattr(moving, "_LARGE", 1)
    assert numpy.array_equal(moving.moved(x, 3, chances), together)


# --- batches in pieces ------------------------------------------------------------------------


def pictures(folder: Path, count: int) -> PictureSet:
    files = []
    for at in range(count):
        path = folder / f"{at}.png"
        Image.fromarray(noise(9, 11, 3, seed=at)).save(path)
        files.append(str(path))
    one = model_input(3, 8, 8, fit="crop", **NUMBERS)
    return PictureSet("set", files, numpy.arange(count), [], Wanted((one,)))


def batches(data: PictureSet, threads: int) -> list[Batch]:
    augment = Augmenter([Crop(padding=2), Flip()], 3, data.inputs)
    order = numpy.array([5, 3, 8, 1, 0, 7, 2, 6, 4, 9])
    return list(feed(data, order, 4, augment=augment, epoch=2, threads=threads, drop_last=False))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("samples", [1, 2, 3])
def test_batches_are_the_same_bits_in_pieces(
    tmp_path: Path, samples: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures(tmp_path, 10)
    whole = batches(data, 1)
    monkeypatch.setattr(loader, "_PIECE", samples * 3 * 8 * 8)
    for piece, other in zip(batches(data, threads), whole, strict=True):
        assert numpy.array_equal(piece.inputs["input"], other.inputs["input"])
        assert numpy.array_equal(piece.labels, other.labels)
        assert numpy.array_equal(piece.indices, other.indices)


def test_no_more_pieces_are_read_than_batches_may_be_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures(tmp_path, 40)
    monkeypatch.setattr(loader, "_PIECE", 2 * 3 * 8 * 8)
    begun: list[int] = []
    load = data.load

    def counted(indices: Any) -> Any:
        begun.extend(indices.tolist())
        return load(indices)

    monkeypatch.setattr(data, "load", counted)
    source = feed(data, numpy.arange(40), 4, ahead=2, threads=2)
    next(source)
    time.sleep(0.1)  # What may be begun has been.
    # The first batch is out; of the two after it and of the next one some pieces may be begun.
    assert len(begun) <= 3 * 4
    source.close()
