"""One rule for what stands for 0 and 255, in files and arrays, wherever they are read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy
import pytest
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from training_data import complaint, model_input, noise

import cnndsl
from cnndsl.data.array_files import read_npy
from cnndsl.data.arraysets import as_column
from cnndsl.data.dataset import open_dataset
from cnndsl.data.images import read_picture
from cnndsl.diagnostics.model import UserError

GRAY = model_input(1, 1, 4)
FULL: dict[str, tuple[list[float], list[float]]] = {
    "bool": ([False, True, True, False], [0, 255, 255, 0]),
    "uint8": ([0, 1, 128, 255], [0, 1, 128, 255]),
    "int8": ([-128, -127, 0, 127], [0, 1, 128, 255]),
    "uint16": ([0, 257, 2056, 65535], [0, 1, 8, 255]),
    ">u2": ([0, 257, 2056, 65535], [0, 1, 8, 255]),
    "int16": ([-32768, -32511, 0, 32767], [0, 1, 32768 / 257, 255]),
}
WITHOUT = ["int32", "uint32", "int64", "uint64"]


def close(values: ArrayLike, expected: ArrayLike) -> None:
    numpy.testing.assert_allclose(numpy.ravel(values), numpy.ravel(expected), rtol=1e-6, atol=1e-5)


# --- arrays -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FULL)
def test_the_full_range_of_a_small_type_is_0_to_255(tmp_path: Path, kind: str) -> None:
    stored, expected = FULL[kind]
    array = numpy.array([[stored, stored]], kind)
    one = model_input(1, 2, 4)
    numpy.save(tmp_path / "a.npy", array)
    ((_, take),) = read_npy(tmp_path / "a.npy", one)
    close(take(), expected * 2)
    close(as_column(array, one, "set").take(numpy.arange(1)), expected * 2)
    close(as_column(array[..., None], one, "set").take(numpy.arange(1)), expected * 2)
    model = cnndsl.parse("input 1x2x4\nidentity\n").compile(device="cpu")
    close(model.run(array), expected * 2)


@pytest.mark.parametrize("kind", WITHOUT)
def test_wide_whole_numbers_need_a_range(kind: str) -> None:
    array = numpy.array([[[0, 1, 128, 255]]], kind)
    with complaint(
        "CNN703",
        f"`set` holds `{kind}` numbers: which of them are 0 and 255 is not known",
        "say it in the spec, `input 1x1x4 { range 0 255 }`, or save them as `uint8`",
    ):
        as_column(array, GRAY, "set")
    ranged = model_input(1, 1, 4, range=(0.0, 255.0))
    close(as_column(array, ranged, "set").take(numpy.arange(1)), array)
    doubled = model_input(1, 1, 4, range=(0.0, 510.0))
    close(as_column(array, doubled, "set").take(numpy.arange(1)), array / 2)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_floats_are_prepared_already_unless_there_is_a_range(kind: str) -> None:
    array = numpy.array([[[0, 0.25, 0.5, 1]]], kind)
    prepared = model_input(1, 1, 4, scale=1 / 255)
    assert (as_column(array, prepared, "set").take(numpy.arange(1)) == array).all()
    ranged = model_input(1, 1, 4, range=(0.0, 1.0))
    close(as_column(array, ranged, "set").take(numpy.arange(1)), array * 255)
    ready = model_input(1, 1, 4, range=(0.0, 1.0), scale=1 / 255, mean=(0.5,), std=(0.5,))
    close(as_column(array, ready, "set").take(numpy.arange(1)), array * 2 - 1)


def test_floats_with_a_range_are_pictures_that_get_fitted() -> None:
    pictures = noise(2, 6, 6, 3)
    floats = pictures.astype(numpy.float32) / 255
    one = model_input(3, 4, 4)
    ranged = model_input(3, 4, 4, range=(0.0, 1.0))
    expected = as_column(pictures, one, "set").take(numpy.arange(2))
    values = as_column(floats, ranged, "set").take(numpy.arange(2))
    assert abs(values - expected).max() <= 1
    gray = as_column(floats, model_input(1, 6, 6, range=(0.0, 1.0)), "set").take(numpy.arange(2))
    expected = as_column(pictures, model_input(1, 6, 6), "set").take(numpy.arange(2))
    assert abs(gray - expected).max() <= 1


def test_wide_numbers_keep_what_float32_could_not_hold() -> None:
    array = numpy.array([[[2**31 - 256, 2**31 - 255, 2**31 - 128, 2**31 - 1]]], numpy.int64)
    ranged = model_input(1, 1, 4, range=(2.0**31 - 256, 2.0**31 - 1))
    close(as_column(array, ranged, "set").take(numpy.arange(1)), [0, 1, 128, 255])


def test_values_outside_of_the_range_are_an_error() -> None:
    array = numpy.array([[[-1024, 0, 5, 3071]]], numpy.int32)
    column = as_column(array, model_input(1, 1, 4, range=(0.0, 1000.0)), "set")
    with complaint(
        "CNN703",
        "`set` holds values from -1024 to 3071, but the spec's input says `range 0 1000`",
        "correct the range, or cut the values off at its ends before you save them",
    ):
        column.take(numpy.arange(1))


def test_what_is_no_number_stays_so_and_counts_as_broken(tmp_path: Path) -> None:
    x = numpy.zeros((4, 1, 4), numpy.float32)
    x[2, 0, 1] = numpy.nan
    x[3, 0, 1] = numpy.inf
    numpy.savez(tmp_path / "d.npz", x=x, y=numpy.array([0, 1, 0, 1]))
    data = open_dataset(tmp_path / "d.npz", [model_input(1, 1, 4, range=(0.0, 1.0))])
    assert [broken.why for broken in data.faults(numpy.arange(4))] == [
        "it holds NaN",
        "it holds an infinite number",
    ]


def test_fitted_pictures_of_deep_numbers_are_fitted_once_and_for_all() -> None:
    deep = noise(3, 6, 6).astype(numpy.uint16) * 257
    column = as_column(deep, model_input(1, 4, 4, fit="pad"), "set")
    assert column.axes is None
    expected = as_column(noise(3, 6, 6), model_input(1, 4, 4, fit="pad"), "set")
    rows = numpy.arange(3)
    assert abs(column.take(rows) - expected.take(rows)).max() <= 1


# --- files ------------------------------------------------------------------------------------


def tiff(path: Path, numbers: NDArray[numpy.generic], *, photometric: int = 1) -> Path:
    """A TIFF file of one strip of gray numbers, as TIFF 6.0 has it."""
    height, width = numbers.shape
    kinds = {"u": 1, "i": 2, "f": 3}
    data = numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8 * numbers.itemsize),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(data)),
        (339, 3, kinds[numbers.dtype.kind]),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(data) % 2)
    body = data + b"\0" * (len(data) % 2)
    path.write_bytes(head + body + struct.pack("<H", len(tags)) + entries + bytes(4))
    return path


def png(path: Path, numbers: NDArray[numpy.uint16], kind: int, clear: bytes = b"") -> Path:
    """A PNG file of 16 bits: gray (0), colours (2), gray with alpha (4), colours with alpha (6)."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    height, width = numbers.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in numbers)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        + (chunk(b"tRNS", clear) if clear else b"")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16"])
def test_a_file_has_the_values_of_an_array_of_its_type(tmp_path: Path, kind: str) -> None:
    stored, expected = FULL[kind]
    close(read_picture(tiff(tmp_path / "a.tif", numpy.array([stored], kind)), GRAY), expected)


@pytest.mark.parametrize("kind", ["int32", "uint32", "float32"])
def test_deep_files_need_a_range(tmp_path: Path, kind: str) -> None:
    numbers = numpy.array([[0, 1, 128, 255]], kind)
    path = tiff(tmp_path / "a.tif", numbers)
    example = "0 1" if kind == "float32" else "0 255"
    with complaint(
        "CNN703",
        f"`{path}` holds `{kind}` numbers: which of them are 0 and 255 is not known",
        f"say it in the spec, `input 1x1x4 {{ range {example} }}`, or save them as `uint8`",
    ):
        read_picture(path, GRAY)
    close(read_picture(path, model_input(1, 1, 4, range=(0.0, 255.0))), numbers)


def test_large_unsigned_numbers_are_not_negative(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", numpy.array([[0, 2**31, 2**32 - 1, 2**24]], numpy.uint32))
    values = read_picture(path, model_input(1, 1, 4, range=(0.0, 2.0**32 - 1)))
    close(values, [0, 127.5, 255, 255 / 256])


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_white_may_be_zero(tmp_path: Path, kind: str) -> None:
    stored, expected = FULL[kind]
    path = tiff(tmp_path / "a.tif", numpy.array([stored], kind), photometric=0)
    close(read_picture(path, GRAY), 255 - numpy.array(expected))


def test_white_may_be_zero_in_floats(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", numpy.array([[0, 0.5, 1, 1]], numpy.float32), photometric=0)
    values = read_picture(path, model_input(1, 1, 4, range=(0.0, 1.0)))
    close(values, [255, 127.5, 0, 0])


def test_a_packed_tiff_is_no_different(tmp_path: Path) -> None:
    deep = numpy.array([[0, 257, 2056, 65535]], numpy.uint16)
    Image.fromarray(deep).save(tmp_path / "a.tif", compression="tiff_adobe_deflate")
    close(read_picture(tmp_path / "a.tif", GRAY), [0, 1, 8, 255])


def test_twelve_bits_are_their_own_full_range(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", numpy.zeros((1, 4), numpy.uint16))
    content = path.read_bytes().replace(
        struct.pack("<HHII", 258, 3, 1, 16), struct.pack("<HHII", 258, 3, 1, 12)
    )
    # Two numbers of 12 bits in three bytes: 0, 4095, 16, 2048.
    path.write_bytes(content[:8] + bytes.fromhex("000fff010800") + content[14:])
    values = read_picture(path, GRAY).ravel()
    expected = [0, 255, 16 * 255 / 4095, 2048 * 255 / 4095]
    numpy.testing.assert_allclose(values, expected, atol=0.002)


def test_a_ramp_of_16_bits_is_the_same_as_png_ppm_tiff_and_array(tmp_path: Path) -> None:
    ramp = (numpy.arange(64, dtype=numpy.uint16) * 1040).reshape(8, 8)
    one = model_input(1, 8, 8)
    expected = as_column(ramp[None], one, "set").take(numpy.arange(1))[0]
    ppm = b"P5 8 8 65535\n" + ramp.astype(">u2").tobytes()
    (tmp_path / "a.pgm").write_bytes(ppm)
    for path in (
        png(tmp_path / "a.png", ramp, 0),
        tiff(tmp_path / "a.tif", ramp),
        tmp_path / "a.pgm",
    ):
        assert (read_picture(path, one) == expected).all()
    colours = numpy.stack([ramp, ramp[::-1], ramp.T], axis=-1)
    rgb = model_input(3, 5, 5)
    expected = as_column(colours[None], rgb, "set").take(numpy.arange(1))[0]
    assert (read_picture(png(tmp_path / "c.png", colours, 2), rgb) == expected).all()


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3)])
def test_a_colour_that_is_transparent_shows_the_background(
    tmp_path: Path, kind: int, channels: int
) -> None:
    numbers = numpy.full((1, 4, channels), 0x1234, numpy.uint16)
    numbers[0, 1] = 0x1235  # the same in bytes
    clear = struct.pack(">H", 0x1234) * channels
    path = png(tmp_path / "a.png", numbers.squeeze(2) if kind == 0 else numbers, kind, clear)
    values = read_picture(path, model_input(channels, 1, 4, background=99))
    expected = numpy.full((channels, 4), 99.0)
    expected[:, 1] = 0x1235 / 257
    close(values, expected)


def test_half_transparent_deep_colours_are_blended(tmp_path: Path) -> None:
    numbers = numpy.array([[[65535, 0, 257, 0], [65535, 0, 257, 65535], [0, 0, 0, 13107]]], "u2")
    path = png(tmp_path / "a.png", numbers, 6)
    values = read_picture(path, model_input(3, 1, 3, background=200))
    close(values.transpose(1, 2, 0), [[200] * 3, [255, 0, 1], [160] * 3])


def test_deep_pictures_are_turned_as_bytes_are(tmp_path: Path) -> None:
    gray = noise(3, 5)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(gray).save(tmp_path / "a.png", exif=exif)
        Image.fromarray(gray.astype(numpy.uint16) * 257).save(tmp_path / "b.png", exif=exif)
        shape = (3, 5) if orientation < 5 else (5, 3)
        one = model_input(1, *shape, fit="exact")
        assert (
            read_picture(tmp_path / "a.png", one) == read_picture(tmp_path / "b.png", one)
        ).all()


def test_a_range_does_not_touch_files_that_say_it_themselves(tmp_path: Path) -> None:
    ranged = model_input(1, 1, 4, range=(0.0, 1.0))
    stored, expected = FULL["uint8"]
    Image.fromarray(numpy.array([stored], "u1")).save(tmp_path / "a.png")
    close(read_picture(tmp_path / "a.png", ranged), expected)


def test_a_picture_out_of_range_is_named(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", numpy.array([[0, 1, 2, 3]], numpy.float32))
    with pytest.raises(UserError, match=r"holds values from 0 to 3, but .* `range 0 1`"):
        read_picture(path, model_input(1, 1, 4, range=(0.0, 1.0)))
