import io
import pickle
import zipfile
from pathlib import Path

import numpy
import pytest
from numpy.typing import ArrayLike
from typing_extensions import override

from cnndsl.data.array_files import read_npy, read_npz
from cnndsl.data.sources import Array, ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.preparation import Preparation
from cnndsl.types import DType, TensorType

INPUT = ModelInput("input", TensorType((1, 2, 3)), Preparation(scale=0.5))
RGB = ModelInput("input", TensorType((3, 2, 2)))
TOKENS = ModelInput("tokens", TensorType((4,), DType.INT64))


def npy(path: Path, array: ArrayLike, one: ModelInput = INPUT) -> list[tuple[str, Array]]:
    numpy.save(path / "x.npy", array)
    return [(name, take()) for name, take in read_npy(path / "x.npy", one)]


class TestNpy:
    def test_a_single_sample(self, tmp_path: Path) -> None:
        ((name, values),) = npy(tmp_path, numpy.ones((1, 2, 3)))
        assert name == str(tmp_path / "x.npy")
        assert values.dtype == numpy.float32
        assert values.shape == (1, 2, 3)

    def test_several_samples_are_numbered(self, tmp_path: Path) -> None:
        array = numpy.arange(24.0).reshape(4, 1, 2, 3)
        samples = npy(tmp_path, array)
        assert [name for name, _ in samples] == [f"{tmp_path / 'x.npy'}[{at}]" for at in range(4)]
        assert (numpy.stack([values for _, values in samples]) == array).all()

    def test_the_only_channel_may_be_left_out(self, tmp_path: Path) -> None:
        assert [values.shape for _, values in npy(tmp_path, numpy.ones((2, 3)))] == [(1, 2, 3)]
        assert len(npy(tmp_path, numpy.ones((5, 2, 3)))) == 5

    def test_whole_numbers_are_raw_and_floats_prepared(self, tmp_path: Path) -> None:
        for kind, raw in (("u1", 1), ("u2", 1 / 257), ("i1", 129), ("?", 255)):
            values = npy(tmp_path, numpy.ones((2, 3), kind))[0][1].ravel()
            numpy.testing.assert_allclose(values, [raw / 2] * 6, rtol=1e-6)
        for kind in ("f2", "f4", ">f8"):
            assert npy(tmp_path, numpy.ones((2, 3), kind))[0][1].ravel().tolist() == [1] * 6

    def test_tokens_must_be_whole_numbers(self, tmp_path: Path) -> None:
        ((_, ids),) = npy(tmp_path, numpy.array([1, 2, 3, 4], "u1"), TOKENS)
        assert ids.dtype == numpy.int64
        with pytest.raises(UserError, match="token ids"):
            npy(tmp_path, numpy.ones(4), TOKENS)

    @pytest.mark.parametrize("shape", [(2, 2, 3), (7, 2, 2, 3)])
    def test_channels_at_the_end_are_told_how_to_turn(
        self, tmp_path: Path, shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(UserError) as caught:
            npy(tmp_path, numpy.ones(shape), RGB)
        axes = caught.value.help.partition("transpose")[2].strip("()`")
        turned = numpy.ones(shape).transpose(*map(int, axes.split(",")))
        assert npy(tmp_path, turned, RGB)

    @pytest.mark.parametrize("shape", [(), (3,), (2, 3, 2), (1, 1, 1, 2, 3), (3, 3)])
    def test_other_shapes_are_told_with_what_is_taken(
        self, tmp_path: Path, shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(
            UserError, match="the input `input` takes `1x2x3` or `Nx1x2x3`"
        ) as caught:
            npy(tmp_path, numpy.ones(shape))
        assert caught.value.code == "CNN703"

    def test_what_is_not_numbers_is_refused(self, tmp_path: Path) -> None:
        for array in (numpy.full((2, 3), "x"), numpy.ones((2, 3), complex)):
            with pytest.raises(UserError, match="takes numbers"):
                npy(tmp_path, array)

    def test_objects_are_never_unpickled(self, tmp_path: Path) -> None:
        class Trap:
            @override
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return pytest.fail, ("unpickled",)

        array = numpy.full((2, 3), None, object)
        array[0, 0] = Trap()
        with (tmp_path / "x.npy").open("wb") as file:
            numpy.lib.format.write_array_header_1_0(
                file, {"descr": "|O", "fortran_order": False, "shape": (2, 3)}
            )
            pickle.dump(array, file)
        with pytest.raises(UserError, match="never loaded"):
            list(read_npy(tmp_path / "x.npy", INPUT))

    def test_a_truncated_file_is_told_by_its_sample(self, tmp_path: Path) -> None:
        numpy.save(tmp_path / "x.npy", numpy.ones((4, 1, 2, 3)))
        data = (tmp_path / "x.npy").read_bytes()
        (tmp_path / "x.npy").write_bytes(data[:-60])
        with pytest.raises(UserError, match="ends within sample 3 of 4") as caught:
            list(read_npy(tmp_path / "x.npy", INPUT))
        assert caught.value.code == "CNN702"

    @pytest.mark.parametrize("data", [b"", b"hello", b"\x93NUMPY\x01\x00\xff\xff", b"PK\x03\x04"])
    def test_rubbish_is_refused(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "x.npy").write_bytes(data)
        with pytest.raises(UserError, match="not an array file") as caught:
            list(read_npy(tmp_path / "x.npy", INPUT))
        assert caught.value.code == "CNN702"

    def test_fortran_order_is_refused_rather_than_read_wrongly(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="Fortran order") as caught:
            npy(tmp_path, numpy.asfortranarray(numpy.arange(6, dtype="u1").reshape(2, 3)))
        assert "ascontiguousarray" in caught.value.help

    def test_a_header_that_promises_too_much_costs_nothing(self, tmp_path: Path) -> None:
        with (tmp_path / "x.npy").open("wb") as file:
            numpy.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": (10**15, 1, 2, 3)}
            )
            file.write(bytes(24))
        samples = read_npy(tmp_path / "x.npy", INPUT)
        assert next(samples)[1]().shape == (1, 2, 3)
        with pytest.raises(UserError, match="ends within sample 2 of"):
            next(samples)

    def test_no_samples_are_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="holds no samples"):
            npy(tmp_path, numpy.ones((0, 1, 2, 3)))


class TestNpz:
    def test_one_array_may_have_any_name(self, tmp_path: Path) -> None:
        for save in (numpy.savez, numpy.savez_compressed):
            save(tmp_path / "x.npz", whatever=numpy.arange(12, dtype="u1").reshape(2, 2, 3))
            samples = list(read_npz(tmp_path / "x.npz", [INPUT]))
            assert [name for name, _ in samples] == [f"{tmp_path / 'x.npz'}[{at}]" for at in (0, 1)]
            assert samples[1][1]()["input"].ravel().tolist() == [3, 3.5, 4, 4.5, 5, 5.5]

    def test_of_several_the_one_named_after_the_input(self, tmp_path: Path) -> None:
        numpy.savez(tmp_path / "x.npz", input=numpy.ones((2, 3)), labels=numpy.ones(9))
        assert len(list(read_npz(tmp_path / "x.npz", [INPUT]))) == 1
        numpy.savez(tmp_path / "x.npz", a=numpy.ones((2, 3)), y=numpy.ones(9))
        with pytest.raises(UserError, match="no array called `input`") as caught:
            list(read_npz(tmp_path / "x.npz", [INPUT]))
        assert caught.value.notes == ("it has `a`, `y`",)

    def test_inputs_must_have_as_many_samples(self, tmp_path: Path) -> None:
        numpy.savez(tmp_path / "x.npz", input=numpy.ones((2, 2, 3)), tokens=numpy.ones((3, 4), int))
        with pytest.raises(UserError, match="`input` 2, `tokens` 3"):
            list(read_npz(tmp_path / "x.npz", [INPUT, TOKENS]))

    def test_broken_archives_are_refused(self, tmp_path: Path) -> None:
        numpy.savez_compressed(tmp_path / "x.npz", x=numpy.random.rand(50, 2, 3))
        whole = (tmp_path / "x.npz").read_bytes()
        broken = bytearray(whole)
        broken[400:420] = bytes(20)
        for data in (b"", b"hello", whole[:-30], bytes(broken)):
            (tmp_path / "x.npz").write_bytes(data)
            with pytest.raises(UserError) as caught:
                list(read_npz(tmp_path / "x.npz", [INPUT]))
            assert caught.value.code == "CNN702"

    def test_an_archive_of_something_else_is_refused(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("x.txt", "hello")
        (tmp_path / "x.npz").write_bytes(buffer.getvalue())
        with pytest.raises(UserError, match="not an array file"):
            list(read_npz(tmp_path / "x.npz", [INPUT]))
