import contextlib
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image

from cnndsl.data import images
from cnndsl.data.images import read_picture
from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.preparation import Preparation
from cnndsl.types import TensorType


def read(path: Path, *dims: int, **settings: Any) -> NDArray[numpy.float32]:
    return read_picture(path, ModelInput("input", TensorType(dims), Preparation(**settings)))


def save(path: Path, values: object, mode: str | None = None, **options: Any) -> Path:
    picture = Image.fromarray(numpy.asarray(values, "u1"))
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


GRAY = numpy.array([[0, 10, 20], [30, 40, 50]])
COLOUR = numpy.stack([GRAY, GRAY + 100, GRAY + 200], axis=-1)


class TestValues:
    def test_gray_is_channels_first_float32_from_0_to_255(self, tmp_path: Path) -> None:
        values = read(save(tmp_path / "a.png", GRAY), 1, 2, 3)
        assert values.dtype == numpy.float32
        assert values.tolist() == [GRAY.tolist()]

    def test_colours_come_in_the_order_of_the_layout(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png", COLOUR)
        rgb = read(path, 3, 2, 3)
        assert rgb.tolist() == COLOUR.transpose(2, 0, 1).tolist()
        assert (read(path, 3, 2, 3, layout="bgr") == rgb[::-1]).all()

    def test_scale_then_mean_then_std_per_channel(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png", COLOUR)
        values = read(path, 3, 2, 3, scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
        expected = (COLOUR.transpose(2, 0, 1) / 255).astype(numpy.float64)
        expected -= numpy.array([0.1, 0.2, 0.3])[:, None, None]
        expected /= numpy.array([0.5, 0.25, 2.0])[:, None, None]
        numpy.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)

    def test_invert_comes_first(self, tmp_path: Path) -> None:
        values = read(save(tmp_path / "a.png", GRAY), 1, 2, 3, invert=True, scale=0.5)
        assert values.tolist() == [((255 - GRAY) * 0.5).tolist()]


class TestModes:
    def test_colour_becomes_gray_by_luma(self, tmp_path: Path) -> None:
        values = read(save(tmp_path / "a.png", [[[200, 100, 50]]]), 1, 1, 1)
        # ITU-R 601-2: 0.299 R + 0.587 G + 0.114 B
        assert values.item() == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50, abs=1)

    def test_gray_fills_three_channels(self, tmp_path: Path) -> None:
        assert read(save(tmp_path / "a.png", [[70]]), 3, 1, 1).ravel().tolist() == [70] * 3

    def test_palettes_are_looked_up(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.gif", numpy.full((2, 2, 3), (10, 200, 30)), "P")
        assert read(path, 3, 1, 1).ravel().tolist() == pytest.approx([10, 200, 30], abs=26)

    def test_one_bit_pictures_are_0_and_255(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png", [[0, 255]], "1")
        assert read(path, 1, 1, 2).ravel().tolist() == [0, 255]

    def test_sixteen_bits_come_down_to_0_to_255_without_rounding(self, tmp_path: Path) -> None:
        deep = numpy.array([[0, 257, 1000, 65535]], numpy.uint16)
        Image.fromarray(deep).save(tmp_path / "a.png")
        values = read(tmp_path / "a.png", 1, 1, 4).ravel()
        numpy.testing.assert_allclose(values, [0, 1, 1000 / 257, 255], rtol=1e-6)
        assert read(tmp_path / "a.png", 3, 1, 4).shape == (3, 1, 4)

    @pytest.mark.parametrize(("background", "expected"), [(0, 100), (255, 227)])
    def test_transparency_shows_the_background(
        self, tmp_path: Path, background: int, expected: int
    ) -> None:
        path = save(tmp_path / "a.png", [[[200, 200, 200, 128]]])
        value = read(path, 1, 1, 1, background=background).item()
        assert value == pytest.approx(expected, abs=1)

    def test_cmyk_is_turned_to_rgb(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.jpg", numpy.full((8, 8, 3), 128), "CMYK")
        assert read(path, 3, 8, 8).mean() == pytest.approx(128, abs=3)

    def test_the_exif_orientation_is_obeyed(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by 90 degrees, clockwise
        path = save(tmp_path / "a.png", GRAY, exif=exif)
        assert read(path, 1, 3, 2).tolist() == [numpy.rot90(GRAY, -1).tolist()]


class TestFit:
    def test_resize_averages_when_it_shrinks(self, tmp_path: Path) -> None:
        chessboard = numpy.indices((64, 64)).sum(axis=0) % 2 * 255
        values = read(save(tmp_path / "a.png", chessboard), 1, 8, 8)
        assert abs(values - 127.5).max() < 5

    def test_pad_centres_a_small_picture_on_the_background(self, tmp_path: Path) -> None:
        values = read(save(tmp_path / "a.png", GRAY), 1, 4, 6, fit="pad", background=9)[0]
        assert values[1:3, 1:4].tolist() == GRAY.tolist()
        values[1:3, 1:4] = 9
        assert (values == 9).all()

    def test_pad_shrinks_a_large_picture(self, tmp_path: Path) -> None:
        values = read(save(tmp_path / "a.png", numpy.full((10, 40), 80)), 1, 20, 20, fit="pad")[0]
        assert (values[7:12] == 80).all()
        assert values.sum() == 80 * 5 * 20

    def test_crop_cuts_out_the_middle(self, tmp_path: Path) -> None:
        wide = numpy.zeros((4, 12), int)
        wide[:, 4:8] = 200
        assert (read(save(tmp_path / "a.png", wide), 1, 4, 4, fit="crop") == 200).all()

    def test_a_sliver_does_not_grow_into_a_giant_on_its_way(self, tmp_path: Path) -> None:
        # Resized until it covers the input, it would have two thousand million pixels.
        path = save(tmp_path / "a.png", numpy.full((1, 60_000), 3))
        assert (read(path, 1, 180, 180, fit="crop") == 3).all()

    def test_exact_refuses_another_size(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.png", GRAY)
        assert read(path, 1, 2, 3, fit="exact").shape == (1, 2, 3)
        with pytest.raises(UserError, match=r"2x3 pixels.*exactly 3x2") as caught:
            read(path, 1, 3, 2, fit="exact")
        assert caught.value.code == "CNN703"


class TestBroken:
    def refusal(self, path: Path) -> str:
        with pytest.raises(UserError) as caught:
            read(path, 3, 8, 8)
        assert caught.value.code == "CNN702"
        assert str(path) in caught.value.message
        assert "\n" not in caught.value.message
        return caught.value.message

    def test_a_truncated_picture(self, tmp_path: Path) -> None:
        for name in ("a.png", "a.jpg"):
            path = save(tmp_path / name, numpy.random.default_rng(0).integers(0, 255, (64, 64)))
            path.write_bytes(path.read_bytes()[:-500])
            assert "truncated" in self.refusal(path)

    def test_something_that_is_no_picture(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"hello")
        assert "no picture of a kind that is read" in self.refusal(tmp_path / "a.png")
        (tmp_path / "a.png").write_bytes(b"")
        assert "no picture of a kind that is read" in self.refusal(tmp_path / "a.png")

    def test_pillow_logs_nothing_beside_the_error(self, tmp_path: Path) -> None:
        tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 2), (273, 8), (277, 2048), (279, 1)]
        entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags)
        head = struct.pack("<2sHI", b"II", 42, 10)
        content = head + b"\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)
        (tmp_path / "a.tif").write_bytes(content)
        program = (
            "from cnndsl.data.images import *; from cnndsl.data.sources import *;"
            " from cnndsl.types import TensorType; import sys\n"
            "try: read_picture(sys.argv[1], ModelInput('i', TensorType((1, 1, 1))))\n"
            "except Exception as error: print(error.code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "a.tif")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert (done.stdout, done.stderr) == ("CNN702\n", "")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        assert "no such file" in self.refusal(tmp_path / "a.png")

    def test_random_damage_gives_a_picture_or_a_clean_refusal(self, tmp_path: Path) -> None:
        random = numpy.random.default_rng(1)
        for kind in ("png", "jpg", "gif", "bmp", "tiff", "webp"):
            path = save(tmp_path / f"a.{kind}", random.integers(0, 255, (16, 16, 3)))
            whole = bytearray(path.read_bytes())
            for _ in range(40):
                broken = bytearray(whole)
                for at in random.integers(0, len(whole), 6):
                    broken[at] = random.integers(256)
                path.write_bytes(broken)
                # Any other exception fails the test.
                with contextlib.suppress(UserError):
                    assert read(path, 3, 8, 8).shape == (3, 8, 8)

    @pytest.mark.parametrize("side", [10_000, 12_000, 60_000])
    def test_a_bomb_is_refused_before_it_unpacks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int
    ) -> None:
        monkeypatch.setattr(images, "MAX_PIXELS", 9000**2)
        (tmp_path / "a.png").write_bytes(png_header(side))
        assert "beyond the limit" in self.refusal(tmp_path / "a.png")

    def test_an_input_that_takes_no_pictures(self, tmp_path: Path) -> None:
        for dims in ((64, 101), (10,), (5, 2, 3), (3, 16, 8, 8)):
            with pytest.raises(UserError, match="is a picture, but the input") as caught:
                read(save(tmp_path / "a.png", GRAY), *dims)
            assert caught.value.code == "CNN703"


def png_header(side: int) -> bytes:
    """The beginning of a PNG that claims to be huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    size = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def test_photographs_of_scikit_learn_are_read() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    folder = Path(datasets.__file__).parent / "images"
    for name in ("china.jpg", "flower.jpg"):
        values = read(folder / name, 3, 224, 224, scale=1 / 255)
        assert values.shape == (3, 224, 224)
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.std() > 0.1


def test_an_input_larger_than_any_picture_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", GRAY)
    with pytest.raises(UserError) as caught:
        read(tmp_path / "a.png", 1, 100_000, 100_000)
    assert caught.value.code == "CNN703"
    assert caught.value.message == (
        "the input `input` takes pictures of 100,000x100,000 pixels, beyond the limit of"
        " 134,217,728"
    )
