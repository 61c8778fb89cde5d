"""The beginnings of array files: what NumPy writes is read, anything else is refused."""

import io
import struct

import numpy
import pytest
from typing_extensions import override

from cnndsl.graph.npy import read_npy_header


def header(text: str, version: int = 1) -> io.BytesIO:
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return io.BytesIO(b"\x93NUMPY" + bytes([version, 0]) + length + text.encode())


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_what_numpy_writes_is_read(version: tuple[int, int]) -> None:
    for array in (numpy.zeros((3, 4), ">i2"), numpy.zeros((2, 3), order="F"), numpy.array(5)):
        file = io.BytesIO()
        numpy.lib.format.write_array(file, array, version)
        file.seek(0)
        shape, fortran, dtype = read_npy_header(file)
        assert (shape, dtype) == (array.shape, array.dtype)
        assert fortran == (array.ndim > 1 and not array.flags.c_contiguous)
        assert len(file.read()) == array.nbytes


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0" * 100,
        "-" * 9000 + "1",
        "(" * 9000,
        "[" * 90 + "]" * 90,
        "{'descr':'<f4','fortran_order':False,'shape':(-1,2)}",
        f"{{'descr':'<f4','fortran_order':False,'shape':({'9' * 4000},)}}",
        f"{{'descr':'<f4','fortran_order':False,'shape':({'9' * 9000},)}}",
        "{'descr':'V999999999','fortran_order':False,'shape':(99999999999,)}",
        "{'descr':5,'fortran_order':False,'shape':(3,)}",
        "{'descr':[[[[]]]],'fortran_order':False,'shape':(3,)}",
    ],
    ids=lambda text: text[:20],
)
def test_what_numpy_does_not_write_is_refused_in_few_words(text: str, version: int) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        read_npy_header(header(text, version))
    assert len(str(caught.value)) < 200


def test_a_header_that_claims_to_be_long_is_not_read() -> None:
    class Counted(io.BytesIO):
        asked = 0

        @override
        def read(self, size: int | None = -1, /) -> bytes:
            self.asked = max(self.asked, size or 0)
            return super().read(size)

    file = Counted(b"\x93NUMPY\x02\0" + struct.pack("<I", 2**32 - 1) + b"x" * 100)
    with pytest.raises(ValueError, match="its header is too long"):
        read_npy_header(file)
    assert file.asked < 100
