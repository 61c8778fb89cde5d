"""Running a model that takes raw pictures: the host fits them to size and passes bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

import cnndsl
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.model import Model

COLOURS = """\
network colours
input 3x6x5 { scale 1/255
  mean [0.5, 0.4, 0.3]
  std 0.25
  layout bgr
  fit pad
  background 9 }
classes "a", "b"
conv 4@3 -> relu -> flatten -> dense 2 -> softmax
"""

GRAY = "network gray\ninput 1x6x5 { invert yes }\nconv 2@3 -> flatten -> dense 3\n"

PAIR = (
    "input left 3x6x5 { scale 1/255 }\ninput right 4\na = left -> globalavgpool\nconcat(a, right)\n"
)


TWINS = """\
input left 3x6x5 { scale 1/255 }
input right 1x4x4 { mean 9 }
a = left -> globalavgpool
b = right -> globalavgpool
concat(a, b)
"""


def both(text: str, **options: Any) -> tuple[Model, Model]:
    network = cnndsl.parse(text)
    return (
        network.compile(seed=1, device="cpu", **options),
        network.compile(seed=1, device="cpu", raw=True, **options),
    )


def noise(*dims: int) -> NDArray[numpy.uint8]:
    return numpy.random.default_rng(3).integers(0, 256, dims, numpy.uint8)


def spec_order(x: NDArray[numpy.uint8]) -> NDArray[numpy.uint8]:
    """Pictures ``[n, height, width, 3]`` in red, green, blue as ``layout bgr`` has them."""
    return x[..., ::-1].transpose(0, 3, 1, 2)


class TestArrays:
    def test_channels_last_and_the_specs_own_shape_are_taken(self) -> None:
        plain, raw = both(COLOURS)
        x = noise(7, 6, 5, 3)
        expected = plain.run(spec_order(x))
        numpy.testing.assert_array_equal(raw.run(x), expected)
        numpy.testing.assert_array_equal(raw.run(spec_order(x)), expected)
        numpy.testing.assert_allclose(raw.run(x[0]), expected[0], rtol=1e-6)

    def test_the_only_channel_may_stand_last_first_or_nowhere(self) -> None:
        plain, raw = both(GRAY)
        x = noise(4, 6, 5)
        expected = plain.run(x)
        for form in (x, x[..., None], x[:, None]):
            numpy.testing.assert_array_equal(raw.run(form), expected)

    def test_a_fixed_batch_is_filled_up(self) -> None:
        plain, raw = both(COLOURS, batch=3)
        x = noise(7, 6, 5, 3)
        numpy.testing.assert_array_equal(raw.run(x), plain.run(spec_order(x)))

    def test_of_several_inputs_those_that_are_no_pictures_are_as_before(self) -> None:
        plain, raw = both(PAIR)
        x, vectors = noise(2, 6, 5, 3), numpy.ones((2, 4), numpy.float32)
        expected = plain.run(x.transpose(0, 3, 1, 2), vectors)
        numpy.testing.assert_array_equal(raw.run(x, vectors), expected)
        assert [one.is_raw for one in raw.inputs] == [True, False]

    def test_booleans_are_black_and_white(self) -> None:
        plain, raw = both(GRAY)
        x = noise(2, 6, 5) > 99
        numpy.testing.assert_array_equal(raw.run(x), plain.run(x))

    @pytest.mark.parametrize("dtype", ["float32", "uint16", "int8", "int64", "float64"])
    def test_what_is_no_bytes_is_refused(self, dtype: str) -> None:
        _, raw = both(GRAY)
        with pytest.raises(UserError, match=f"`{dtype}` numbers.*takes bytes") as caught:
            raw.run(numpy.zeros((6, 5), dtype))
        assert caught.value.code == "CNN703"
        assert caught.value.help == "save them as `uint8`, or compile the spec without `--raw`"

    def test_a_range_in_the_spec_changes_nothing_of_it(self) -> None:
        _, raw = both("input 1x6x5 { range 0 1 }\nflatten -> dense 2\n")
        assert raw.run(noise(6, 5)).shape == (2,)
        with pytest.raises(UserError, match="takes bytes"):
            raw.run(numpy.zeros((6, 5)))

    def test_a_wrong_shape_says_what_is_taken(self) -> None:
        _, raw = both(COLOURS)
        with pytest.raises(UserError, match="takes `6x5x3` or `Nx6x5x3` or `3x6x5`") as caught:
            raw.run(noise(5, 6, 3))
        assert caught.value.help == "give the array that shape"


class TestFiles:
    @pytest.fixture
    def files(self, tmp_path: Path) -> Iterator[Path]:
        """A folder of pictures and arrays of all kinds that a model takes."""
        folder = tmp_path / "files"
        folder.mkdir()
        x = noise(3, 6, 5, 3)
        Image.fromarray(x[0]).save(folder / "exact.png")
        Image.fromarray(noise(13, 17, 3)).save(folder / "large.png")
        Image.fromarray(noise(3, 2)).save(folder / "gray.png")
        Image.fromarray(noise(4, 4, 4), "RGBA").save(folder / "clear.png")
        numpy.save(folder / "own.npy", spec_order(x))
        numpy.savez(folder / "labelled.npz", x=noise(4, 9, 7, 3), y=numpy.zeros(4, int))
        numpy.savez(folder / "named.npz", input=spec_order(x)[0])
        yield folder
        shutil.rmtree(folder)

    def test_files_give_the_answers_of_the_other_model(self, files: Path) -> None:
        plain, raw = both(COLOURS)
        expected, found = list(plain.predict([files])), list(raw.predict([files]))
        assert [one.name for one in found] == [one.name for one in expected]
        assert len(found) == 12
        for one, other in zip(found, expected, strict=True):
            numpy.testing.assert_allclose(one.main, other.main, rtol=1e-6)

    def test_an_array_file_may_have_the_channels_last(self, tmp_path: Path) -> None:
        _, raw = both(COLOURS)
        x = noise(3, 6, 5, 3)
        numpy.save(tmp_path / "x.npy", x)
        found = [one.main for one in raw.predict([tmp_path / "x.npy"])]
        numpy.testing.assert_allclose(found, raw.run(x), rtol=1e-6)

    def test_an_archive_holds_the_arrays_of_several_inputs(self, tmp_path: Path) -> None:
        plain, raw = both(TWINS)
        left, right = noise(3, 6, 5, 3), noise(3, 4, 4)
        numpy.savez(tmp_path / "last.npz", left=left, right=right[..., None])
        numpy.savez(tmp_path / "first.npz", left=left.transpose(0, 3, 1, 2), right=right)
        expected = plain.run(left.transpose(0, 3, 1, 2), right)
        for name in ("last.npz", "first.npz"):
            found = [one.main for one in raw.predict([tmp_path / name])]
            numpy.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_a_picture_of_another_size_is_refused_where_the_spec_says_exact(
        self, tmp_path: Path
    ) -> None:
        _, raw = both("input 1x6x5 { fit exact }\nflatten -> dense 2\n")
        Image.new("L", (6, 5)).save(tmp_path / "p.png")
        with pytest.raises(UserError, match="takes exactly 6x5"):
            list(raw.predict([tmp_path / "p.png"]))

    @pytest.mark.parametrize("kind", ["gray", "colours", "floats", "signed"])
    def test_a_deeper_picture_is_refused(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / ("deep.png" if kind in ("gray", "colours") else "deep.tif")
        match kind:
            case "gray":
                Image.fromarray(numpy.full((6, 5), 700, numpy.uint16)).save(path)
            case "floats":
                Image.fromarray(numpy.ones((6, 5), numpy.float32)).save(path)
            case "signed":
                Image.fromarray(numpy.ones((6, 5), numpy.int32)).save(path)
            case _:
                path.write_bytes(deep_colours())
        _, raw = both(COLOURS)
        with pytest.raises(UserError, match="takes bytes") as caught:
            list(raw.predict([path]))
        assert caught.value.code == "CNN703"

    def test_the_prepared_picture_is_a_layer_that_can_be_asked_for(self, tmp_path: Path) -> None:
        _, raw = both(GRAY)
        Image.new("L", (5, 6), 5).save(tmp_path / "p.png")
        [found] = raw.predict([tmp_path / "p.png"], layers=["input", "conv1"])
        assert (found.layers["input"] == 250).all()
        assert found.layers["input"].shape == (1, 6, 5)
        assert found.layers["conv1"].shape == (2, 4, 3)


class TestModels:
    def test_a_saved_model_is_raw_again(self, tmp_path: Path) -> None:
        _, raw = both(COLOURS)
        raw.save(tmp_path / "raw.onnx")
        again = Model(tmp_path / "raw.onnx", device="cpu")
        x = noise(2, 6, 5, 3)
        numpy.testing.assert_array_equal(again.run(x), raw.run(x))
        assert cnndsl.load(tmp_path / "raw.onnx").inputs == {"input": (3, 6, 5)}

    @pytest.mark.parametrize("value", ["[]", '["other"]'])
    def test_a_model_whose_manifest_does_not_agree_is_refused(
        self, value: str, tmp_path: Path
    ) -> None:
        path = changed(tmp_path, value)
        with pytest.raises(UserError) as caught:
            Model(path, device="cpu")
        assert caught.value.code == "CNN607"
        with pytest.raises(UserError, match="not one that a spec can have") as caught:
            Model(path, device="cpu", verify=False).run(noise(6, 5, 3))
        assert caught.value.code == "CNN604"

    @pytest.mark.parametrize("dims", [(6, 5, 4), ("H", 5, 3), (6, 5)])
    def test_an_input_that_is_no_picture_cannot_be_raw(
        self, dims: tuple[int | str, ...], tmp_path: Path
    ) -> None:
        output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", *dims])
        pictures = helper.make_tensor_value_info("input", TensorProto.UINT8, ["N", *dims])
        cast = helper.make_node("Cast", ["input"], ["output"], to=TensorProto.FLOAT)
        model = helper.make_model(
            helper.make_graph([cast], "crafted", [pictures], [output]),
            opset_imports=[helper.make_opsetid("", 18)],
            ir_version=8,
        )
        manifest = both("input 1x6x5\nrelu\n")[1].manifest
        for key, text in manifest.properties().items():
            model.metadata_props.add(key=key, value=text)
        onnx.save(model, tmp_path / "crafted.onnx")
        crafted = Model(tmp_path / "crafted.onnx", device="cpu", verify=False)
        with pytest.raises(UserError, match="not one that a spec can have") as caught:
            _ = crafted.inputs
        assert caught.value.code == "CNN604"

    @pytest.mark.parametrize("value", ["{}", "3", "[", "null"])
    def test_a_damaged_list_of_raw_inputs_is_a_damaged_manifest(
        self, value: str, tmp_path: Path
    ) -> None:
        with pytest.raises(UserError, match="damaged manifest") as caught:
            Model(changed(tmp_path, value), device="cpu", verify=False)
        assert caught.value.code == "CNN604"


def changed(folder: Path, value: str) -> Path:
    """A raw model with something else in its manifest."""
    _, raw = both(COLOURS)
    raw.save(folder / "raw.onnx")
    model = onnx.load(folder / "raw.onnx")
    [entry] = [one for one in model.metadata_props if one.key == "cnndsl.raw"]
    entry.value = value
    onnx.save(model, folder / "raw.onnx")
    return folder / "raw.onnx"


def deep_colours() -> bytes:
    """A PNG of 16-bit colours, which Pillow does not write."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    rows = b"".join(b"\0" + struct.pack(">15H", *range(700, 715)) for _ in range(6))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
